"""Our signatures, judged by the libraries of the standard's authors."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
import svix

from moderation.ids import new_id
from moderation.outbound.webhooks import derive_secret, show_secret, signed_headers

MASTER = b"m" * 64
Verify = Callable[[str, dict[str, str], bytes], None]
BODY = b'{"type":"comment.approved","data":{"text":"na\xc3\xafve"}}'


def verify_by_standard(shown: str, headers: dict[str, str], body: bytes) -> None:
    standardwebhooks.Webhook(shown).verify(body, headers)


def verify_by_svix(shown: str, headers: dict[str, str], body: bytes) -> None:
    svix.Webhook(shown).verify(body, headers)


ORACLES = [
    pytest.param(verify_by_standard, standardwebhooks.WebhookVerificationError, id="standardwebhooks"),
    pytest.param(verify_by_svix, svix.WebhookVerificationError, id="svix"),
]


@pytest.mark.parametrize(("verify", "refusal"), ORACLES)
def test_a_signature_verifies_and_a_changed_body_id_or_time_does_not(verify: Verify, refusal: type[Exception]) -> None:
    secret = derive_secret(MASTER, new_id(), "salt")
    shown = show_secret(secret)
    headers = signed_headers("evt_1", BODY, [secret], now=datetime.now(UTC))
    verify(shown, headers, BODY)
    with pytest.raises(refusal):
        verify(shown, headers, BODY + b" ")
    with pytest.raises(refusal):
        verify(shown, {**headers, "webhook-id": "evt_2"}, BODY)
    stale = signed_headers("evt_1", BODY, [secret], now=datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(refusal):
        verify(shown, stale, BODY)


@pytest.mark.parametrize(("verify", "refusal"), ORACLES)
def test_during_a_rotation_both_secrets_verify_and_a_third_does_not(verify: Verify, refusal: type[Exception]) -> None:
    owner = new_id()
    new, old, other = (derive_secret(MASTER, owner, salt) for salt in ("new", "old", "other"))
    headers = signed_headers("evt_1", BODY, [new, old], now=datetime.now(UTC))
    verify(show_secret(new), headers, BODY)
    verify(show_secret(old), headers, BODY)
    with pytest.raises(refusal):
        verify(show_secret(other), headers, BODY)


def test_each_owner_salt_and_installation_has_a_secret_of_its_own() -> None:
    owner = new_id()
    secrets = {
        derive_secret(MASTER, owner, "a"),
        derive_secret(MASTER, owner, "b"),
        derive_secret(MASTER, new_id(), "a"),
        derive_secret(b"n" * 64, owner, "a"),
    }
    assert len(secrets) == 4
    assert {len(secret) for secret in secrets} == {32}
    assert derive_secret(MASTER, owner, "a") in secrets
