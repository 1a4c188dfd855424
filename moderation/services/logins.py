"""The blog's own login: a short-lived signed token (JWT) by which a reader's browser shows who the blog says it is.

Two algorithms and no others: HS256 under a secret that is made for the site and stored nowhere, and EdDSA under public keys that
the site's owner has named. Which key may verify is said by the algorithm, never by the token. A token names the site (``aud``),
comes from one of its origins (``iss``), says who (``sub``) and ends (``exp``) within a day.
"""

import base64
import hmac
import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy.orm import Session

from moderation.errors import Refused, TidegateError
from moderation.models import Site, Subject
from moderation.services import policies
from moderation.services.authors import AuthorClaim

HMAC: Final = "HS256"
EDDSA: Final = "EdDSA"
LONGEST: Final = 4096
"""Characters of a token."""
LIFE: Final = timedelta(days=1)
LEEWAY: Final = timedelta(seconds=60)
"""By how much the blog's clock may differ from ours."""
KEYS: Final = "login_keys"
"""Name, in a site's settings, of the list of public keys in PEM."""


class BadLogin(TidegateError):
    """The token does not say who this is; why is for the blog's developer and harmless to tell."""


def secret_of(master: bytes, site_id: UUID) -> str:
    """Return the text that a site's blog signs HS256 tokens with."""
    return base64.urlsafe_b64encode(hmac.digest(master, b"login secret" + site_id.bytes, "sha256")).decode().rstrip("=")


def read_key(pem: str) -> str:
    """Return an Ed25519 public key in PEM as it is stored; raises Refused for anything else."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Refused("login-key", "Give an Ed25519 public key in PEM (openssl pkey -in private.pem -pubout).", "/login_keys")
    return pem.strip() + "\n"


def set_keys(session: Session, site_id: UUID, pems: Sequence[str], *, by: str, now: datetime) -> None:
    """Make these the public keys of the site, as a new version of its settings; raises Refused for a bad one."""
    settings = policies.in_force(session, site_id).settings
    content = {**settings, KEYS: [read_key(pem) for pem in pems]}
    version = policies.add_version(session, site_id, Subject.SETTINGS, "settings", content, by=by, now=now)
    policies.activate(session, version, by=by, now=now)


def verify(session: Session, site_id: UUID, token: str, *, master: bytes, now: datetime) -> AuthorClaim:
    """Return who the blog says its reader is; raises BadLogin."""
    site = session.get_one(Site, site_id)
    claims = _claims(token, _keys(session, site_id, token, master), site, now=now)
    subject = claims["sub"].strip()
    # What cannot be printed cannot be stored either: a NUL or half a surrogate pair would be a fault of the database.
    if not 1 <= len(subject) <= 200 or not subject.isprintable():
        raise BadLogin("sub needs 1 to 200 printable characters.")
    picked = {name: _text(claims, name, longest) for name, longest in (("name", 200), ("email", 254), ("url", 2048))}
    url = picked["url"]
    if url is not None and urlsplit(url).scheme not in {"http", "https"}:
        raise BadLogin("url is not an http or https address.")
    return AuthorClaim(
        id=subject,
        name=picked["name"] or "",
        email=picked["email"],
        # A word or a number is not what the standard calls true (OpenID Connect Core, 5.1).
        email_verified=picked["email"] is not None and claims.get("email_verified") is True,
        url=url,
    )


def _keys(session: Session, site_id: UUID, token: str, master: bytes) -> tuple[str, list[Any]]:
    if not 1 <= len(token) <= LONGEST:
        raise BadLogin("This is not a token.")
    try:
        algorithm = jwt.get_unverified_header(token).get("alg")
    except jwt.InvalidTokenError:
        raise BadLogin("This is not a token.") from None
    if algorithm == HMAC:
        return HMAC, [secret_of(master, site_id)]
    if algorithm == EDDSA:
        return EDDSA, list(policies.in_force(session, site_id).settings.get(KEYS, []))
    raise BadLogin("A login token is signed with HS256 or EdDSA.")


def _claims(token: str, keys: tuple[str, Iterable[Any]], site: Site, *, now: datetime) -> dict[str, Any]:
    algorithm, tried = keys
    for key in tried:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=site.name,
                issuer=site.origins,
                # Times are judged below, by the clock that we are given.
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "strict_aud": True,
                },
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidTokenError as error:
            raise BadLogin(f"{error}.") from None
        _refuse_untimely(claims, now=now)
        return claims
    raise BadLogin("The signature is not one of this site's.")


def _refuse_untimely(claims: dict[str, Any], *, now: datetime) -> None:
    moments = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if not all(_is_a_number(moment) for moment in moments.values()):
        raise BadLogin("exp, nbf and iat are seconds since 1970.")
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    if moments["exp"] <= at - leeway:
        raise BadLogin("The token has expired.")
    if moments["exp"] > at + LIFE.total_seconds() + leeway:
        raise BadLogin("A token ends within a day.")
    if max(moments.get("nbf", at), moments.get("iat", at)) > at + leeway:
        raise BadLogin("The token is not valid yet.")


def _is_a_number(found: Any) -> bool:
    # NaN is neither before nor after anything: it would be a token without an end.
    return (isinstance(found, int) and not isinstance(found, bool)) or (isinstance(found, float) and math.isfinite(found))


def _text(claims: dict[str, Any], name: str, longest: int) -> str | None:
    found = claims.get(name)
    if found is None or found == "":
        return None
    if not isinstance(found, str) or len(found) > longest or not found.isprintable():
        raise BadLogin(f"{name} is one line of at most {longest} characters.")
    return found
