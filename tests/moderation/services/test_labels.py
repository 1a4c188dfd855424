"""Labels: whose comment a client's words give away, and that labels have an end."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from moderation.database import Database
from moderation.models import Label
from moderation.services import housekeeping, labels, sites

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("token", "entries", "named"),
    [
        ("comment:7", [json.dumps({"Coral_comment_id": "7"}), json.dumps({"Coral_comment_id": "8"})], ("7", "8")),
        ("session 7", ["An article about arms.", "[]", json.dumps({"Coral_comment_id": None})], ()),
        ("comment:", [json.dumps({"Coral_comment_id": "a\0b"})], ()),
    ],
)
def test_ids_are_read_from_the_token_and_from_corals_context(token: str, entries: list[str], named: tuple[str, ...]) -> None:
    assert labels.named_by(token, entries) == named


def test_a_label_is_kept_once_and_for_half_a_year(database: Database) -> None:
    said = labels.Suggested(source="perspective", body="Hello", values={"TOXICITY": {"summary": 0.0}})
    with database.transaction() as session:
        site = sites.create(session, name="blog", title="Blog", by="test", now=NOW)
        assert [labels.keep(session, site.id, said, now=NOW) for _ in range(2)] == [True, False]
    for later, left in ((timedelta(days=179), 1), (timedelta(days=181), 0)):
        with database.transaction() as session:
            housekeeping.tidy(session, now=NOW + later)
            assert session.scalar(select(func.count()).select_from(Label)) == left
