"""Lessons made up beside the database, for what does not depend on how they came about."""

from datetime import UTC, datetime
from uuid import UUID

from moderation.database import Database
from moderation.ids import new_id
from moderation.models import Subject, Version
from moderation.scoring import catalog
from moderation.services import learning, lessons
from moderation.services.lessons import Source

ADVERT = "Our raffle for the harvest festival has wonderful prizes, tickets with Brother Anselm, number {}"
TALK = "Rents in our quarter rose again, and nobody at city hall will say why, year {}"


def study(site_id: UUID, sources: dict[Source, int], *, unread: int = 0) -> learning.Study:
    """Return lessons about spam of these sources, each half adverts, beside so many comments that nobody read."""
    found: list[lessons.Lesson] = []
    texts: dict[UUID, str] = {}
    for source, count in sources.items():
        for number in range(count):
            lesson = lessons.Lesson(id=new_id(), at=datetime.now(UTC), positive=number % 2 == 0, source=source, revision_id=None)
            found.append(lesson)
            texts[lesson.id] = (ADVERT if lesson.positive else TALK).format(number)
    return learning.Study(
        site_id=site_id,
        subject=Subject.SPAM_LAYER,
        since=None,
        after=0,
        lessons=found,
        texts=texts,
        base="",
        scores=dict.fromkeys(texts, 0.0),
        unread=unread,
    )


def taught(database: Database, site_id: UUID) -> Version:
    """Put a layer into force that is better than the shared model."""
    asked = study(site_id, {Source.QUEUE: 24})
    found = learning.learn(asked, catalog.spam)
    with database.transaction() as session:
        version = learning.keep(session, asked, found, now=datetime.now(UTC))
    assert version is not None
    return version
