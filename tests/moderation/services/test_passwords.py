"""Passwords and codes: what is refused, what is counted, what works once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from moderation.errors import Refused
from moderation.ids import new_id
from moderation.models import FailedSignIn, User
from moderation.services import passwords, signing_in
from moderation.services.passwords import NotLetIn, TooSoon

SECRET = b"a secret for the tests, long enough"
GOOD = "tidal harbour lantern mosaic"
MONA = "mona@blog.example"
HOME = "203.0.113.7"


def attempt(blog: Any, email: str = MONA, network: str = HOME, *, now: datetime | None = None) -> passwords.Account:
    found: passwords.Account = blog.database.transact(
        lambda session: passwords.attempt(session, email, network, secret=SECRET, now=now or datetime.now(UTC))
    )
    return found


def let_in(blog: Any, account: passwords.Account, code: str = "", *, now: datetime | None = None) -> str:
    cookie: str = blog.database.transact(
        lambda session: passwords.let_in(session, account, code, MONA, HOME, secret=SECRET, now=now or datetime.now(UTC))
    )
    return cookie


@pytest.fixture
def known(blog: Any) -> Any:
    """A blog whose moderator has a password."""
    stored = passwords.hashed(GOOD)
    with blog.database.transaction() as session:
        session.get_one(User, blog.moderator_id).password_hash = stored
    return blog


@pytest.mark.parametrize(
    ("password", "again"),
    [("short", "short"), ("x" * 257, "x" * 257), ("password1234", "password1234"), (MONA, MONA), (GOOD, "other")],
)
def test_a_password_that_is_tried_first_is_refused(password: str, again: str) -> None:
    with pytest.raises(Refused):
        passwords.check_new(password, again, name="Mona", email=MONA)


@pytest.mark.parametrize("password", [GOOD, "ж" * 3 + "море чайка камень", "x7#kQ9!vTz2&" * 6])
def test_a_good_password_is_taken_as_it_is(password: str) -> None:
    passwords.check_new(password, password, name="Mona", email=MONA)
    account = passwords.Account(new_id(), passwords.hashed(password), None)
    assert (passwords.is_right(account, password), passwords.is_right(account, password[:-1])) == (True, False)


def test_a_hash_has_the_parameters_of_the_standard() -> None:
    assert passwords.hashed(GOOD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_the_right_password_lets_in_and_clears_the_count(known: Any) -> None:
    account = attempt(known)
    assert passwords.is_right(account, GOOD)
    cookie = let_in(known, account)
    with known.database.reading() as session:
        assert signing_in.recall(session, cookie, now=datetime.now(UTC)).name == "Mona"
        assert [found.failures for found in session.scalars(select(FailedSignIn))] == [0]


def test_an_unknown_account_is_checked_like_any_other_and_never_let_in(known: Any) -> None:
    account = attempt(known, "nobody@blog.example")
    assert not passwords.is_right(account, GOOD)
    with pytest.raises(NotLetIn):
        let_in(known, account)


@pytest.mark.parametrize("email", [MONA, "nobody@blog.example"])
def test_each_failure_after_the_fifth_doubles_the_wait(known: Any, email: str) -> None:
    now = datetime.now(UTC)
    for _ in range(passwords.FREE["account"]):
        attempt(known, email, now=now)
    waits = []
    for _ in range(4):
        with pytest.raises(TooSoon) as told:
            attempt(known, email, now=now)
        waits.append(told.value.seconds)
        now += timedelta(seconds=told.value.seconds)
        attempt(known, email, now=now)
    assert waits == [1, 2, 4, 8]
    attempt(known, email, now=now + passwords.LONGEST_DELAY)


def test_guesses_at_once_are_all_counted(known: Any) -> None:
    def guess(_: int) -> bool:
        try:
            attempt(known)
        except TooSoon:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(guess, range(12))) <= passwords.FREE["account"] + 2


def test_one_network_cannot_try_every_account(known: Any) -> None:
    now = datetime.now(UTC)
    for number in range(passwords.FREE["network"]):
        attempt(known, f"reader{number}@blog.example", f"203.0.113.{number}", now=now)
    with pytest.raises(TooSoon):
        attempt(known, "another@blog.example", "203.0.113.200", now=now)
    attempt(known, "another@blog.example", "198.51.100.1", now=now)


def test_a_code_works_once_and_only_with_its_password(known: Any) -> None:
    salt, now = passwords.new_salt(), datetime.now(UTC)
    app = pyotp.TOTP(passwords.code_secret(SECRET, known.moderator_id, salt))

    def on(code: str) -> None:
        known.database.transact(
            lambda session: passwords.turn_codes_on(
                session, known.site_id, known.moderator_id, salt, code, secret=SECRET, now=now
            )
        )

    with pytest.raises(Refused):
        on("000000" if app.at(now) != "000000" else "111111")
    on(app.at(now))
    later = now + timedelta(seconds=passwords.STEP)
    account = attempt(known)
    for wrong in ("", app.at(now), "12345", "é"):
        with pytest.raises(NotLetIn):
            let_in(known, account, wrong, now=later)
    assert let_in(known, account, app.at(later), now=later)
    with pytest.raises(NotLetIn):
        let_in(known, account, app.at(later), now=later)


def test_a_new_password_ends_the_other_sessions(known: Any) -> None:
    now = datetime.now(UTC)
    with known.database.transaction() as session:
        cookies = [signing_in.begin(session, known.site_id, known.moderator_id, now=now) for _ in range(2)]
        kept = signing_in.recall(session, cookies[0], now=now).principal.key_id
        passwords.set_password(session, known.site_id, known.moderator_id, passwords.hashed(f"{GOOD} two"), keep=kept, now=now)
    with known.database.reading() as session:
        assert signing_in.recall(session, cookies[0], now=now).has_password
        with pytest.raises(signing_in.NotSignedIn):
            signing_in.recall(session, cookies[1], now=now)
