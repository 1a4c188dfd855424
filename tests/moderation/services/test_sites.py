"""Sites: unique names, origins as browsers send them, people with one role each."""

from typing import Any

import pytest

from moderation.errors import NotFound, Refused
from moderation.ids import show
from moderation.models import Role
from moderation.services import policies, sites


def make(blog: Any, **changes: Any) -> Any:
    options: dict[str, Any] = {"name": "news", "title": "News", "by": "test", "now": blog.start, **changes}
    with blog.database.transaction() as session:
        return sites.create(session, **options)


def test_a_new_site_watches_first(blog: Any) -> None:
    site = make(blog, origins=["https://news.example/some/page", "http://localhost:8081"])
    assert site.origins == ["https://news.example", "http://localhost:8081"]
    with blog.database.reading() as session:
        assert policies.in_force(session, site.id).policy_label == "watch@1"
        assert sites.find(session, "news").id == sites.find(session, show("site", site.id)).id == site.id


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "blog"}, "site-exists"),
        ({"name": "a b"}, "site-name"),
        ({"name": ""}, "site-name"),
        ({"origins": ["blog.example"]}, "origin"),
        ({"time_zone": "Mars/Olympus"}, "time-zone"),
        ({"time_zone": "Europe"}, "time-zone"),
        ({"time_zone": "a" * 300}, "time-zone"),
        ({"time_zone": "../Europe/Berlin"}, "time-zone"),
        ({"time_zone": ""}, "time-zone"),
    ],
)
def test_a_site_that_makes_no_sense_is_refused(blog: Any, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        make(blog, **changes)
    assert refused.value.code == code


def test_a_person_has_one_role_in_a_site(blog: Any) -> None:
    for role in (Role.MODERATOR, Role.EDITOR):
        with blog.database.transaction() as session:
            sites.add_member(session, blog.site_id, email=" Ann@x.example", name="Ann", role=role, by="test", now=blog.start)
    with blog.database.reading() as session:
        assert [(user.name, role) for user, role in sites.members(session, blog.site_id)] == [
            ("Ann", Role.EDITOR),
            ("Edith", Role.EDITOR),
            ("Mona", Role.MODERATOR),
        ]


def test_an_unknown_site_is_not_found(blog: Any) -> None:
    with blog.database.reading() as session, pytest.raises(NotFound):
        sites.find(session, "nowhere")
