"""API keys: shown once, stored as hashes, and dead the moment they are revoked."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.models import Key, KeyKind, Role, User
from moderation.services import keys, sites

SECRET = b"s" * 32


def make(blog: Any, kind: KeyKind = KeyKind.SECRET, **options: Any) -> keys.NewKey:
    with blog.database.transaction() as session:
        return keys.create(session, blog.site_id, kind, name="a key", secret=SECRET, by="test", now=blog.start, **options)


def principal(blog: Any, shown: str, *, later: timedelta = timedelta()) -> keys.Principal:
    with blog.database.reading() as session:
        return keys.authenticate(session, shown, secret=SECRET, now=blog.start + later)


@pytest.mark.parametrize(("kind", "prefix"), [(KeyKind.SECRET, "tg_sk_"), (KeyKind.PUBLISHABLE, "tg_pk_")])
def test_a_key_opens_its_site(blog: Any, kind: KeyKind, prefix: str) -> None:
    new = make(blog, kind)
    found = principal(blog, new.shown)
    assert new.shown.startswith(prefix)
    assert (found.site_id, found.kind, found.user_id, found.role) == (blog.site_id, kind, None, None)


def test_a_door_key_has_the_form_that_akismet_clients_insist_on(blog: Any) -> None:
    new = make(blog, KeyKind.DOOR)
    assert len(new.shown) == 12
    # The settings page of the WordPress plugin keeps nothing but hexadecimal digits of what is entered.
    assert set(new.shown) <= set("0123456789abcdef")
    assert principal(blog, new.shown).kind is KeyKind.DOOR


def test_nothing_stored_contains_the_secret(blog: Any) -> None:
    new, door = make(blog), make(blog, KeyKind.DOOR)
    with blog.database.reading() as session:
        stored = repr([(key.handle, key.digest, key.name) for key in session.scalars(select(Key))])
    assert new.shown.split("_")[3] not in stored
    assert door.shown not in stored


@pytest.mark.parametrize(
    "wrong", ["", "x", "tg_sk_", "tg_sk_" + "a" * 60, "abcdefghijkl", "tg_xx_12345678_" + "a" * 43 + "_123456", "ключ"]
)
def test_what_is_no_key_is_refused(blog: Any, wrong: str) -> None:
    make(blog)
    with pytest.raises(keys.BadKey):
        principal(blog, wrong)


def test_every_changed_letter_is_refused(blog: Any) -> None:
    shown = make(blog).shown
    for place in range(0, len(shown), 5):
        changed = shown[:place] + ("a" if shown[place] != "a" else "b") + shown[place + 1 :]
        with pytest.raises(keys.BadKey):
            principal(blog, changed)


def test_a_typing_error_is_refused_without_asking_the_database(blog: Any) -> None:
    shown = make(blog).shown
    unused: Any = None
    for place in range(len(shown)):
        changed = shown[:place] + ("a" if shown[place] != "a" else "b") + shown[place + 1 :]
        with pytest.raises(keys.BadKey):
            keys.authenticate(unused, changed, secret=SECRET, now=blog.start)


def test_a_door_key_means_nothing_under_another_master_secret(blog: Any) -> None:
    new = make(blog, KeyKind.DOOR)
    with blog.database.reading() as session, pytest.raises(keys.BadKey):
        keys.authenticate(session, new.shown, secret=b"t" * 32, now=blog.start)


def test_no_answer_tells_why_a_key_is_bad(blog: Any) -> None:
    revoked, expired = make(blog), make(blog, expires_at=blog.start)
    with blog.database.transaction() as session:
        keys.revoke(session, blog.site_id, revoked.key.id, by="test", now=blog.start)
    said = set()
    for shown in (revoked.shown, expired.shown, "", "abcdefghijkl", revoked.shown[:-1]):
        with pytest.raises(keys.BadKey) as bad:
            principal(blog, shown)
        said.add(str(bad.value))
    assert len(said) == 1


def test_a_key_of_another_site_is_not_revoked_from_here(blog: Any) -> None:
    new = make(blog)
    with blog.database.transaction() as session:
        other = sites.create(session, name="other", title="Other", by="test", now=blog.start)
    with blog.database.transaction() as session, pytest.raises(NotFound):
        keys.revoke(session, other.id, new.key.id, by="test", now=blog.start)
    assert principal(blog, new.shown).site_id == blog.site_id


def test_a_revoked_or_expired_key_is_dead_at_once(blog: Any) -> None:
    new, passing = make(blog), make(blog, expires_at=blog.start + timedelta(hours=1))
    assert principal(blog, passing.shown).site_id == blog.site_id
    with blog.database.transaction() as session:
        keys.revoke(session, blog.site_id, new.key.id, by="test", now=blog.start)
    with pytest.raises(keys.BadKey):
        principal(blog, new.shown)
    with pytest.raises(keys.BadKey):
        principal(blog, passing.shown, later=timedelta(hours=2))


def test_a_personal_key_has_the_role_that_its_holder_has_now(blog: Any) -> None:
    new = make(blog, KeyKind.PERSONAL, user_id=blog.moderator_id)
    assert principal(blog, new.shown).role is Role.MODERATOR
    with blog.database.transaction() as session:
        sites.add_member(
            session, blog.site_id, email="mona@blog.example", name="Mona", role=Role.AUDITOR, by="test", now=blog.start
        )
    assert principal(blog, new.shown).role is Role.AUDITOR
    with blog.database.transaction() as session:
        sites.remove_member(session, blog.site_id, blog.moderator_id, by="test", now=blog.start)
    with pytest.raises(keys.BadKey):
        principal(blog, new.shown)


def test_the_key_of_a_disabled_person_opens_nothing(blog: Any) -> None:
    new = make(blog, KeyKind.PERSONAL, user_id=blog.moderator_id)
    with blog.database.transaction() as session:
        session.get_one(User, blog.moderator_id).disabled_at = blog.start
    with pytest.raises(keys.BadKey):
        principal(blog, new.shown)


def test_a_personal_key_needs_a_member(blog: Any) -> None:
    with pytest.raises(NotFound):
        make(blog, KeyKind.PERSONAL, user_id=new_id())


def test_the_time_of_last_use_is_noted_to_the_hour(blog: Any) -> None:
    new = make(blog)
    assert principal(blog, new.shown).stale
    with blog.database.transaction() as session:
        keys.touch(session, new.key.id, now=blog.start)
    assert not principal(blog, new.shown, later=timedelta(minutes=59)).stale
    assert principal(blog, new.shown, later=timedelta(minutes=61)).stale
