"""A site's layers: learnt from people alone, used where they are better, forgotten with what they were learnt from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from moderation.models import Activation, Assessment, Audit, Comment, Decision, Score, Subject, Version
from moderation.policy.verdict import Verdict
from moderation.scoring import catalog
from moderation.scoring.learner import Example, learnt
from moderation.services import desk, feedback, labels, learning, lessons, policies
from moderation.services.asking import Scored
from moderation.services.layers import LAYER, NO_LAYERS, Layers
from moderation.services.learning import Standing, Why
from moderation.services.lessons import Source
from tests.moderation.services.conftest import ABUSIVE, CIVIL
from tests.moderation.services.lessons_of import ADVERT, TALK, study

SPAM_REASON = 5


def watch(blog: Any) -> None:
    """Let a person read every comment."""
    blog.activate("watch")


def decided(blog: Any, count: int, *, begin: int = 0) -> list[Any]:
    """Have people reject adverts that the shared model does not know, and approve as many comments."""
    found = []
    for number in range(begin, begin + count):
        advert = number % 2 == 0
        view = blog.judged((ADVERT if advert else TALK).format(number))
        verdict, reason = (Verdict.REJECT, SPAM_REASON) if advert else (Verdict.APPROVE, None)
        blog.decide(view, verdict, reason=reason)
        found.append(view)
    return found


def teach(blog: Any) -> list[Version]:
    return learning.teach(blog.database, blog.site_id, catalog.spam)


def standing(blog: Any, subject: Subject = Subject.SPAM_LAYER) -> Standing:
    with blog.database.reading() as session:
        return {each.subject: each for each in learning.standing(session, blog.site_id)}[subject]


def read(blog: Any, subject: Subject = Subject.SPAM_LAYER) -> list[lessons.Lesson]:
    with blog.database.reading() as session:
        return lessons.of(session, blog.site_id, subject)


def test_a_site_without_decisions_has_no_layer_and_the_shared_score(blog: Any) -> None:
    assert teach(blog) == []
    assert standing(blog).version is None
    with blog.database.reading() as session:
        assert policies.in_force(session, blog.site_id).layers is NO_LAYERS


def test_a_site_that_reads_everything_learns_and_its_layer_decides_and_is_named(blog: Any) -> None:
    watch(blog)
    decided(blog, 24)
    teach(blog)
    found = standing(blog)
    assert (found.why, found.used, found.lessons, found.positives) == (Why.BETTER, True, 24, 12)
    assert found.sources == {"queue": 24, "audit": 0, "correction": 0}
    assert found.compared is not None
    assert found.compared.own_loss < found.compared.shared_loss
    view = blog.judged(ADVERT.format("next"))
    with blog.database.reading() as session:
        decision = session.scalars(select(Decision).where(Decision.comment_id == blog.id_of(view.id))).one()
        assessment = session.get_one(Assessment, decision.assessment_id)
        score = session.scalars(select(Score).where(Score.revision_id == assessment.revision_id)).one()
    assert decision.versions["spam_layer"] == found.version
    assert "toxicity_layer" not in decision.versions
    assert assessment.signals["spam"] > 0.5 > score.values["spam"], "what is stored as a score is the model's own"


def test_the_same_lessons_make_no_second_version(blog: Any) -> None:
    watch(blog)
    decided(blog, 4)
    assert [version.subject for version in teach(blog)] == [Subject.SPAM_LAYER, Subject.TOXICITY_LAYER]
    assert teach(blog) == []


def test_before_the_tenth_decision_nothing_is_used(blog: Any) -> None:
    watch(blog)
    decided(blog, 9)
    teach(blog)
    assert (standing(blog).why, standing(blog).used) == (Why.FEW, False)


def test_a_decision_of_the_machine_is_no_lesson(blog: Any) -> None:
    assert blog.judged(CIVIL).status == "approved"
    assert read(blog) == []


def test_an_undone_decision_is_taken_back_and_the_layer_learnt_without_it(blog: Any) -> None:
    watch(blog)
    decided(blog, 3)
    view = blog.judged(ADVERT.format("last"))
    decision = blog.decide(view, Verdict.REJECT, reason=SPAM_REASON)
    teach(blog)
    assert standing(blog).lessons == 4
    blog.undo(decision)
    teach(blog)
    assert standing(blog).lessons == 3


def test_what_an_author_withdrew_is_forgotten_and_older_versions_keep_no_weights(blog: Any) -> None:
    watch(blog)
    views = decided(blog, 4)
    teach(blog)
    first = standing(blog).version
    blog.withdraw(blog.view(views[1].id))
    teach(blog)
    assert standing(blog).lessons == 3
    assert standing(blog).version != first
    with blog.database.reading() as session:
        versions = session.scalars(select(Version).where(Version.subject == Subject.SPAM_LAYER).order_by(Version.number)).all()
    assert [LAYER in version.content for version in versions] == [False, True]
    assert "known" not in versions[0].content
    assert versions[0].content["lessons"] == 4


def test_what_an_author_withdrew_is_forgotten_at_once_also_where_an_older_lesson_takes_its_place(
    blog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "MOST", 6)
    monkeypatch.setattr(learning, "SHARE", 0.5)
    watch(blog)
    views = decided(blog, 10)
    assert teach(blog)[0].content["lessons"] == 6
    assert teach(blog) == []
    blog.withdraw(views[7])
    assert teach(blog)[0].content["lessons"] == 6
    decided(blog, 1, begin=10)
    assert teach(blog) == [], "what a new one pushed out was not taken back"


def test_only_what_speaks_of_it_is_learnt(blog: Any) -> None:
    watch(blog)
    for reason in (1, 5, 7):
        blog.decide(blog.judged(f"{ABUSIVE} {reason}"), Verdict.REJECT, reason=reason)
    assert [lesson.positive for lesson in read(blog)] == [True]
    assert [lesson.positive for lesson in read(blog, Subject.TOXICITY_LAYER)] == [True]


def test_what_the_blogs_own_people_told_is_a_decision_and_what_repeats_ours_is_none(blog: Any) -> None:
    seen, repeated = (blog.judged(text) for text in (CIVIL, f"{CIVIL} Really."))

    def tell(view: Any, verdict: Verdict) -> Decision | None:
        told: Decision | None = blog.database.transact(
            lambda session: feedback.tell(
                session, blog.site_id, blog.id_of(view.id), verdict=verdict, cause=f"door:{view.id}", now=datetime.now(UTC)
            )
        )
        return told

    assert tell(seen, Verdict.REJECT) is not None
    assert tell(repeated, Verdict.APPROVE) is None
    assert [(lesson.positive, lesson.source) for lesson in read(blog)] == [(True, Source.CORRECTION)]


def test_each_lesson_says_how_the_comment_came_before_a_person(blog: Any) -> None:
    published, reported = blog.judged(CIVIL), blog.judged(f"{CIVIL} Indeed.")
    with blog.database.transaction() as session:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        session.execute(update(Comment).where(Comment.id == blog.id_of(reported.id)).values(created_at=long_ago))
        assert desk.draw_audit(session, blog.site_id, count=2, now=datetime.now(UTC)) == 1
    for view in (published, reported, blog.judged(ABUSIVE)):
        blog.decide(view, Verdict.APPROVE)
    assert [lesson.source for lesson in read(blog)] == [Source.AUDIT, Source.CORRECTION, Source.QUEUE]


def test_what_is_in_the_audit_for_its_language_was_not_drawn(blog: Any) -> None:
    views = [blog.judged(f"{CIVIL} {number}") for number in range(2)]
    with blog.database.transaction() as session:
        assert desk.draw_audit(session, blog.site_id, count=2, now=datetime.now(UTC)) == 2
        assessment = session.scalars(select(Assessment).where(Assessment.comment_id == blog.id_of(views[0].id))).one()
        assessment.signals = {**assessment.signals, "language_served": False}
    for view in views:
        blog.decide(view, Verdict.APPROVE)
    assert [lesson.source for lesson in read(blog)] == [Source.CORRECTION, Source.AUDIT]


def test_where_much_is_published_unread_nothing_is_used_before_the_audit_is_read(blog: Any) -> None:
    watch(blog)
    decided(blog, 24)
    blog.activate("standard", minutes=1)
    blog.judged(CIVIL)
    teach(blog)
    assert (standing(blog).why, standing(blog).used) == (Why.UNREAD, False)


def test_corrections_teach_but_prove_nothing(sqlite_blog: Any) -> None:
    found = learning.learn(study(sqlite_blog.site_id, {Source.CORRECTION: 40}, unread=0), catalog.spam)
    assert found.layer.weights.any()
    assert (found.compared.compared, found.why) == (0, Why.FEW)


@pytest.mark.parametrize(("unread", "weight"), [(0, 1), (30, 4), (100_000, 20)])
def test_a_comment_of_the_audit_stands_for_those_that_nobody_read(
    sqlite_blog: Any, monkeypatch: pytest.MonkeyPatch, unread: int, weight: float
) -> None:
    seen: list[Example] = []

    def note(shape: Any, examples: Any, *, base: str) -> Any:
        seen.extend(examples)
        return learnt(shape, seen, base=base)

    monkeypatch.setattr("moderation.services.learning.learnt", note)
    learning.learn(study(sqlite_blog.site_id, {Source.QUEUE: 2, Source.AUDIT: 10}, unread=unread), catalog.spam)
    assert [example.weight for example in seen] == [1] * 2 + [weight] * 10


def test_a_suggested_score_teaches_and_makes_no_comment(blog: Any) -> None:
    values = {"SPAM": {"summary": 0.9}, "TOXICITY": {"spans": []}}
    said = labels.Suggested(source="perspective", body=ADVERT.format(1), values=values)
    blog.database.transact(lambda session: labels.keep(session, blog.site_id, said, now=datetime.now(UTC)))
    assert [(lesson.positive, lesson.source) for lesson in read(blog)] == [(True, Source.CORRECTION)]
    assert read(blog, Subject.TOXICITY_LAYER) == []
    teach(blog)
    assert standing(blog).lessons == 1
    with blog.database.reading() as session:
        assert session.scalars(select(Comment)).all() == []


def test_a_layer_that_is_better_no_longer_falls_back_by_itself_and_that_is_audited(
    blog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(blog)
    decided(blog, 24)
    teach(blog)
    assert standing(blog).used

    def drifted(shape: Any, examples: Any, *, base: str) -> Any:
        layer, compared = learnt(shape, examples, base=base)
        return layer, replace(compared, own_loss=compared.shared_loss)

    monkeypatch.setattr("moderation.services.learning.learnt", drifted)
    decided(blog, 2, begin=24)
    teach(blog)
    found = standing(blog)
    assert (found.why, found.used) == (Why.NOT_BETTER, False)
    with blog.database.reading() as session:
        actions = session.scalars(select(Audit.action).where(Audit.action.like("spam_layer.%")).order_by(Audit.id)).all()
        assert policies.in_force(session, blog.site_id).layers.spam is None
    assert actions == ["spam_layer.activated", "spam_layer.deactivated"]


def test_a_reset_layer_begins_anew(blog: Any) -> None:
    watch(blog)
    decided(blog, 24)
    teach(blog)
    now = datetime.now(UTC)
    blog.database.transact(lambda session: learning.reset(session, blog.site_id, Subject.SPAM_LAYER, by="Edith", now=now))
    found = standing(blog)
    assert (found.why, found.used, found.lessons, found.since) == (Why.RESET, False, 0, now)
    assert teach(blog) == []
    decided(blog, 2, begin=30)
    teach(blog)
    assert standing(blog).lessons == 2
    assert standing(blog).since == now


def test_toxicity_is_set_right_as_a_whole(blog: Any) -> None:
    watch(blog)
    for number in range(14):
        strict = number % 2 == 0
        text = f"{'The minister is a clown and his plan is a joke' if strict else TALK.format('')} {number}"
        blog.decide(blog.judged(text), Verdict.REJECT if strict else Verdict.APPROVE, reason=1 if strict else None)
    teach(blog)
    found = standing(blog, Subject.TOXICITY_LAYER)
    assert (found.lessons, found.positives) == (14, 7)
    assert found.used == (found.why is Why.BETTER)
    with blog.database.reading() as session:
        layers = policies.in_force(session, blog.site_id).layers
    if found.used:
        assert layers.toxicity is not None
        scores = [layers.toxicity(score / 20) for score in range(21)]
        assert scores == sorted(scores)


def test_a_layer_over_another_model_takes_no_part(blog: Any) -> None:
    watch(blog)
    decided(blog, 24)
    teach(blog)

    def elsewhere(session: Any) -> None:
        newest = session.scalars(select(Version).where(Version.subject == Subject.SPAM_LAYER)).one()
        content = {**newest.content, LAYER: {**newest.content[LAYER], "base": "bundled-spam-0+00000000"}}
        version = policies.add_version(
            session, blog.site_id, Subject.SPAM_LAYER, "spam", content, by="test", now=datetime.now(UTC)
        )
        policies.activate(session, version, by="test", now=datetime.now(UTC) + timedelta(seconds=1))

    blog.database.transact(elsewhere)
    view = blog.judged(ADVERT.format("next"))
    with blog.database.reading() as session:
        decision = session.scalars(select(Decision).where(Decision.comment_id == blog.id_of(view.id))).one()
    assert "spam_layer" not in decision.versions


@pytest.mark.parametrize("stored", [{"weights": "AAAA"}, {"shape": "of another release"}])
def test_a_layer_that_this_release_cannot_read_takes_no_part_and_stops_nobody(stored: dict[str, str]) -> None:
    content = {LAYER: {"shape": "toxicity", "base": "bundled-1+00000000", "weights": "AAAAAA==", **stored}}
    layers = Layers.of({Subject.TOXICITY_LAYER: ("toxicity@1", content)})
    scored = Scored({"toxicity": 0.4}, None, "bundled-1+00000000 none")
    assert layers.apply(scored) == (scored, {})


def test_another_relay_that_was_faster_is_not_overwritten(blog: Any) -> None:
    watch(blog)
    decided(blog, 2)
    with blog.database.reading() as session:
        slow = learning.prepare(session, blog.site_id, Subject.SPAM_LAYER, now=datetime.now(UTC))
    assert slow is not None
    teach(blog)
    found = learning.learn(slow, catalog.spam)
    assert blog.database.transact(lambda session: learning.keep(session, slow, found, now=datetime.now(UTC))) is None


def test_a_layer_that_never_was_used_is_not_taken_out_of_use(blog: Any) -> None:
    watch(blog)
    decided(blog, 4)
    teach(blog)
    with blog.database.reading() as session:
        assert session.scalars(select(Activation).where(Activation.subject.in_(learning.SUBJECTS))).all() == []
