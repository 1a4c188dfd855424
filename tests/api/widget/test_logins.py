"""The blog's own login: a signed token makes a verified author, and nothing that is not signed for this site does."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from moderation.errors import Refused
from moderation.services import logins, sites
from tests.api.conftest import ORIGIN, SECRET

PAGE = (Path(__file__).parents[3] / "docs" / "embed.md").read_text()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"iss": ORIGIN, "aud": "blog", "sub": "7", "name": "Ann", "iat": now, "exp": now + 600, **changes}
    return {name: value for name, value in made.items() if value is not None}


def site_of(reader: Any) -> Any:
    with reader.door.runtime.database.reading() as session:
        return sites.find(session, "blog").id


def secret_of(reader: Any) -> str:
    return logins.secret_of(SECRET, site_of(reader))


def identity_of(reader: Any, answer: Any) -> tuple[Any, ...]:
    author = reader.door.shown(answer.json["id"])["author"]
    return author["identity"], author["id"], author["name"]


def test_a_token_of_the_blogs_makes_a_verified_author(reader: Any) -> None:
    token = jwt.encode(claims(), secret_of(reader), "HS256")
    answer = reader.send(author={"name": "Somebody else"}, headers={"Author-Login": token})
    assert identity_of(reader, answer) == ("verified", "7", "Ann")
    assert identity_of(reader, reader.send(body="Another day, another treaty, I suppose.")) == ("anonymous", None, "Ada")


@pytest.mark.parametrize(
    ("given", "verified"),
    [
        ({"email": "ann@reader.example", "email_verified": True}, True),
        ({"email": "ann@reader.example"}, False),
        ({"email": "ann@reader.example", "email_verified": "true"}, False),
        ({"email": "ann@reader.example", "email_verified": 1}, False),
        ({"email_verified": True}, False),
    ],
)
def test_only_a_true_claim_makes_an_address_the_readers(sqlite_reader: Any, given: dict[str, Any], verified: object) -> None:
    token = jwt.encode(claims(**given), secret_of(sqlite_reader), "HS256")
    now = sqlite_reader.door.runtime.clock.now()
    with sqlite_reader.door.runtime.database.reading() as session:
        claim = logins.verify(session, site_of(sqlite_reader), token, master=SECRET, now=now)
    assert claim.email_verified is verified


def test_a_public_key_of_the_blogs_verifies_too(reader: Any) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with reader.door.runtime.database.transaction() as session:
        logins.set_keys(session, site_of(reader), [pem], by="test", now=reader.door.runtime.clock.now())
    good = jwt.encode(claims(), private, "EdDSA")
    assert identity_of(reader, reader.send(headers={"Author-Login": good})) == ("verified", "7", "Ann")
    other = jwt.encode(claims(), Ed25519PrivateKey.generate(), "EdDSA")
    assert reader.send(headers={"Author-Login": other}).status_code == 403
    # The public key is public: whoever takes it for an HMAC secret must not get in.
    forged = hmac_by_hand(claims(), pem)
    assert reader.send(headers={"Author-Login": forged}).status_code == 403


def hmac_by_hand(said: dict[str, Any], key: str) -> str:
    import hashlib
    import hmac

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    signed = f"{part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{part(json.dumps(said).encode())}"
    return f"{signed}.{part(hmac.digest(key.encode(), signed.encode(), hashlib.sha256))}"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": 1},
        {"exp": int(time.time()) + 3 * 86400},
        {"exp": "tomorrow"},
        {"nbf": int(time.time()) + 3600},
        {"aud": "other"},
        {"aud": ["blog", "other"]},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"sub": " "},
        {"sub": "x" * 201},
        {"sub": "seven\0"},
        {"sub": "\ud800"},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"nbf": float("nan")},
        {"name": "two\nlines"},
        {"name": 5},
        {"url": "javascript:alert(1)"},
    ],
)
def test_a_token_that_says_too_little_or_too_much_is_refused(sqlite_reader: Any, changes: dict[str, Any]) -> None:
    secret = secret_of(sqlite_reader)
    try:
        token = jwt.encode(claims(**changes), secret, "HS256")
    except TypeError:
        token = hmac_by_hand(claims(**changes), secret)
    answer = sqlite_reader.send(headers={"Author-Login": token})
    assert (answer.status_code, answer.json["code"]) == (403, "bad-login")


def test_only_the_two_algorithms_are_known(sqlite_reader: Any) -> None:
    none = jwt.encode(claims(), "", "none")
    rsa = jwt.encode(claims(), generate_private_key(65537, 2048), "RS256")
    longer = jwt.encode(claims(), secret_of(sqlite_reader) * 2, "HS512")
    wrong = jwt.encode(claims(), "another secret of forty-three characters....", "HS256")
    for token in (none, rsa, longer, wrong, "", "x", "a.b.c", "é", "a" * 5000):
        assert sqlite_reader.send(headers={"Author-Login": token}).status_code == 403, token[:40]


def test_another_sites_secret_opens_nothing(sqlite_reader: Any) -> None:
    with sqlite_reader.door.runtime.database.reading() as session:
        other = sites.find(session, "other").id
    token = jwt.encode(claims(), logins.secret_of(SECRET, other), "HS256")
    assert sqlite_reader.send(headers={"Author-Login": token}).status_code == 403


def test_only_an_ed25519_public_key_is_taken(sqlite_reader: Any) -> None:
    rsa = generate_private_key(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for bad in ("", "not a key", rsa.decode()):
        with pytest.raises(Refused):
            logins.read_key(bad)


def test_the_example_in_python_makes_a_good_token(sqlite_reader: Any) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found
    scope: dict[str, Any] = {}
    exec(compile(found[1], "docs/embed.md", "exec"), scope)
    token = scope["login_token"]("7", "Ann", secret=secret_of(sqlite_reader), site="blog", origin=ORIGIN)
    answer = sqlite_reader.send(headers={"Author-Login": token})
    assert identity_of(sqlite_reader, answer) == ("verified", "7", "Ann")
