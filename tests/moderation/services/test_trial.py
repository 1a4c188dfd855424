"""Starting safely: people's decisions beside what `standard` would have done, and the overview's figures with their comments."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event, update

from moderation.ids import read
from moderation.models import Case, CaseKind, Comment, PostViews, Subject
from moderation.policy.verdict import Verdict
from moderation.services import desk, overview, policies, terms, trial, views
from moderation.services.posts import PostReference
from moderation.services.shares import Share, share
from moderation.services.trial import Trial
from tests.moderation.services.conftest import ABUSIVE, CIVIL

NOW = timedelta(minutes=1)
SEVERAL = (
    "My grandmother grew up beside that river and loved its old bridge.",
    "Could the newsroom publish the figures as a table as well, please?",
    "Winter tyres would have helped more than another speed limit, I think.",
    "Reading this over breakfast made me hungry for pancakes and syrup.",
    "The minister explained the budget for rail travel rather well.",
    "Somebody should ask the railway people how that train will get there.",
    "Two demonstrations thirty steps apart, and nobody was hurt at all.",
)


def compared(blog: Any) -> Trial:
    with blog.database.reading() as session:
        return trial.trial(session, blog.site_id, now=datetime.now(UTC) + NOW)


def looked_over(blog: Any) -> overview.Overview:
    with blog.database.reading() as session:
        return overview.overview(session, blog.site_id, time_zone="Europe/Berlin", now=datetime.now(UTC) + NOW)


def test_a_watching_policy_is_compared_with_what_people_decided(blog: Any) -> None:
    blog.activate("watch")
    civil, insult, joke, missed = (blog.judged(text) for text in (CIVIL, ABUSIVE, f"{ABUSIVE} Just joking.", f"{CIVIL} Again."))
    assert {comment.status for comment in (civil, insult, joke, missed)} == {"flagged"}
    blog.decide(civil)
    blog.decide(insult, Verdict.REJECT)
    blog.decide(joke)
    blog.decide(missed, Verdict.REJECT, reason=7)
    found = compared(blog)
    assert (found.policy, found.watching, found.decided, found.enough) == ("standard@1", True, 4, False)
    assert (found.agreed.part, found.missed.part, found.held.part, found.refused.part) == (2, 1, 1, 0)
    assert found.missed.comments == (read("comment", missed.id),)
    assert found.held.comments == (read("comment", joke.id),)
    attack = next(each for each in found.rules if each.rule == "attack")
    assert (attack.approved.part, attack.rejected.part) == (1, 1)
    assert found.comments_behind("approved:attack") == (read("comment", joke.id),)
    assert [(reason, each.part) for reason, each in found.reasons] == [(7, 1)]
    assert found.comments_behind("approved:nothing") is None


def test_a_decision_taken_back_is_not_compared(blog: Any) -> None:
    blog.activate("watch")
    blog.undo(blog.decide(blog.judged(CIVIL)))
    assert compared(blog).decided == 0


def test_a_changed_policy_is_asked_again_with_the_stored_signals(blog: Any) -> None:
    blog.activate("watch")
    comment = blog.judged(ABUSIVE)
    blog.decide(comment, Verdict.REJECT)
    assert compared(blog).agreed.part == 1
    with blog.database.transaction() as session:
        content = {"toml": 'name = "standard"\nsummary = "Nothing is held."\n'}
        policies.add_version(session, blog.site_id, Subject.POLICY, "standard", content, by="test", now=datetime.now(UTC))
    found = compared(blog)
    assert (found.policy, found.missed.comments) == ("standard@2", (read("comment", comment.id),))


def test_once_switched_on_there_is_a_way_back(blog: Any) -> None:
    blog.activate("standard")
    found = compared(blog)
    assert (found.watching, found.back) == (False, "watch@1")


def test_how_long_comments_were_public_is_weighed_by_those_who_could_read_them(blog: Any) -> None:
    blog.activate("standard")
    quiet = {"post": PostReference(id="p2", url="https://blog.example/quiet")}
    public = [blog.judged(SEVERAL[0]), blog.judged(SEVERAL[1], **quiet), blog.judged(SEVERAL[2], **quiet)]
    now = datetime.now(UTC)
    for comment, minutes, an_hour in zip(public, (10, 60, 120), (900, 6, 6), strict=True):
        row = blog.row(comment.id)
        hours = [views.hour_of(now - timedelta(hours=hours)) for hours in range(4)]
        with blog.database.transaction() as session:
            session.get_one(Comment, row.id).published_at = now - timedelta(minutes=minutes)
            session.execute(delete(PostViews).where(PostViews.post_id == row.post_id))
            views.add(session, {views.Seen(blog.site_id, row.post_id, hour): an_hour for hour in hours})
        blog.decide(comment, Verdict.REJECT, reason=7, now=now)
    exposure = looked_over(blog).exposure
    assert exposure is not None
    assert (exposure.median, exposure.weighted) == (timedelta(minutes=60), timedelta(minutes=10))
    assert round(exposure.views, 6) == 900 / 6 + 6 + 12


def test_each_figure_counts_the_comments_that_it_shows(blog: Any) -> None:
    blog.activate("standard")
    approved, rejected, public = blog.judged(ABUSIVE), blog.judged(f"{ABUSIVE} Really."), blog.judged(CIVIL)
    blog.decide(approved)
    first = blog.decide(rejected, Verdict.REJECT)
    blog.decide(blog.view(rejected.id), decision_seq=first.seq)
    blog.decide(public, Verdict.REJECT, reason=7)
    found = looked_over(blog)
    assert found.shares["rule:attack"].whole == 1
    assert found.comments_behind("rule:attack") == (read("comment", approved.id),)
    assert (found.shares["reversed:1"].part, found.shares["reversed:7"].part) == (1, 0)
    assert found.comments_behind("removed") == (read("comment", public.id),)
    assert found.exposure is not None
    assert (found.exposure.views, found.exposure.weighted) == (0, None), "nobody was counted"
    assert (found.shares["language:en"].part, found.shares["language:en"].whole) == (2, 3)
    assert (found.shares["newcomers"].whole, found.shares["unscored"].part) == (3, 0)
    assert [(post.title, post.share.part) for post in found.posts] == [("Arms and the treaty", 2)]
    assert sum(hour.cases for hour in found.hours) == 2
    assert (found.oldest, found.behind) == (None, 0)
    assert found.comments_behind("rule:none") is None


def test_the_audit_and_second_looks_are_counted_apart(blog: Any) -> None:
    blog.activate("standard")
    drawn, asked = blog.judged(CIVIL), blog.judged(ABUSIVE)
    with blog.database.transaction() as session:
        assert desk.draw_audit(session, blog.site_id, count=5, now=datetime.now(UTC)) == 1
        assert desk.draw_audit(session, blog.site_id, count=5, now=datetime.now(UTC)) == 0
        session.execute(update(Case).where(Case.comment_id == read("comment", asked.id)).values(kind=CaseKind.SECOND_LOOK))
    assert [case.kind for case in blog.queue(kind=CaseKind.AUDIT)] == [CaseKind.AUDIT]
    assert [case.comment.id for case in blog.queue(but=CaseKind.AUDIT)] == [asked.id]
    blog.decide(drawn, Verdict.REJECT)
    blog.decide(asked)
    found = looked_over(blog)
    assert (found.comments_behind("audit"), found.comments_behind("appeals")) == (
        (read("comment", drawn.id),),
        (read("comment", asked.id),),
    )


def test_each_day_has_its_sample_whether_or_not_somebody_asks_for_one(blog: Any) -> None:
    blog.activate("standard")
    ids = [blog.judged(text).id for text in SEVERAL]
    now = datetime.now(UTC)

    def drawn(at: datetime) -> int:
        with blog.database.transaction() as session:
            return desk.draw_daily(session, blog.site_id, time_zone="Europe/Berlin", now=at)

    with blog.database.transaction() as session:
        session.execute(delete(Case))
    assert (drawn(now), drawn(now)) == (5, 0)
    for case in blog.queue(kind=CaseKind.AUDIT):
        blog.decide(case.comment)
    assert drawn(now) == 0, "those that were read count, too"
    assert drawn(now + timedelta(days=1)) == len(ids) - 5


def test_where_nobody_reads_the_sample_it_does_not_pile_up(blog: Any) -> None:
    blog.activate("standard")
    for text in SEVERAL[:3]:
        blog.judged(text)
    with blog.database.transaction() as session:
        session.execute(delete(Case))
        assert desk.draw_audit(session, blog.site_id, count=2, now=datetime.now(UTC)) == 2
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(desk, "DRAWN_WITHIN", timedelta(days=2))
            patch.setattr(desk, "DAILY", 1)
            assert desk.draw_daily(session, blog.site_id, time_zone="UTC", now=tomorrow) == 0


def test_a_group_that_is_held_twice_as_often_is_said(blog: Any) -> None:
    blog.activate("standard")
    blog.judged("My neighbours are Muslims and bring us sweets after the fast.")
    blog.judged(f"{ABUSIVE} All you women.")
    found = looked_over(blog)
    assert {name: (each.part, each.whole) for name, each in found.named("term:")} == {"Muslim": (0, 1), "woman": (1, 1)}
    assert (found.shares["machine"].part, found.shares["machine"].whole, found.alarms) == (1, 2, frozenset())
    many = {**found.shares, "machine": Share(100, 1000), "term:woman": Share(10, 50), "term:man": Share(9, 50)}
    few = {"term:gay": Share(20, 49), "language:de": Share(11, 50)}
    assert replace(found, shares={**many, **few}).alarms == {"term:woman", "language:de"}


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("Die Juden in unserer Stadt feiern heute.", {"Jewish"}),
        ("Les femmes et les MUSULMANS", {"woman", "Muslim"}),
        ("Black people and women", {"Black", "woman"}),
        ("An African American is named as that, an African and an American by themselves.", {"Black", "African", "American"}),
        ("Two white women, and a blacksmith with old peoples' tools", {"white"}),
        ("trans-atlantic, _gay_ and gay-friendly", {"trans", "gay"}),
        ("A black car, a white wall and a romance on the island.", set()),
    ],
)
def test_groups_are_found_by_whole_words(text: str, groups: set[str]) -> None:
    assert terms.named(text) == groups


def test_no_figure_reads_a_whole_table_of_comments(sqlite_blog: Any) -> None:
    """The cost does not grow with the site: each statement about comments, decisions or cases goes along an index."""
    blog = sqlite_blog
    blog.decide(blog.judged(ABUSIVE))
    asked: list[tuple[str, Any]] = []
    with blog.database.reading() as session:
        event.listen(session.connection(), "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
        now = datetime.now(UTC) + NOW
        trial.trial(session, blog.site_id, now=now)
        overview.overview(session, blog.site_id, time_zone="UTC", now=now)
        desk.waiting(session, blog.site_id)
        plans = [
            row[3]
            for statement, parameters in list(asked)
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    scans = [
        plan
        for plan in plans
        if plan.startswith("SCAN") and "USING" not in plan and "subquery" not in plan and "anon" not in plan
    ]
    assert (len(asked) > 8, scans) == (True, [])
    used = {index for index in ("ix_decision_by_people", "ix_case_closed", "ix_publication_stuck") if index in " ".join(plans)}
    assert len(used) == 3, plans


def test_the_newcomers_queue_has_whoever_was_never_published(blog: Any) -> None:
    blog.activate("standard")
    known = blog.submission(CIVIL).author
    blog.judged(CIVIL, author=known)
    blog.judged(ABUSIVE, author=known)
    new = blog.judged(f"{ABUSIVE} And more.")
    assert [case.comment.id for case in blog.queue(newcomers=True)] == [new.id]
    with blog.database.reading() as session:
        assert desk.waiting(session, blog.site_id).newcomers == 1
        assert session.get_one(Comment, read("comment", new.id)).status == "flagged"


def test_an_interval_is_wide_for_few_and_narrow_for_many() -> None:
    few, many = Share(1, 2), Share(500, 1000)
    assert (few.interval[0] < 0.1, few.interval[1] > 0.9) == (True, True)
    assert (round(many.interval[0], 2), round(many.interval[1], 2)) == (0.47, 0.53)
    assert (share([]).value, share([]).interval) == (0.0, (0.0, 1.0))
