"""The page for receivers: its recipe is run, and its numbers are compared with ours."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from moderation.config import DEFAULT_SCHEDULE
from moderation.ids import new_id
from moderation.models import DeliveryState
from moderation.outbound.webhooks import derive_secret, show_secret, signed_headers

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
Verify = Callable[[str, dict[str, str], bytes], bool]


@pytest.fixture
def verify() -> Verify:
    recipe = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert recipe is not None
    names: dict[str, Any] = {}
    exec(recipe[1], names)
    found: Verify = names["verify"]
    return found


def test_the_recipe_accepts_what_we_sign_and_nothing_else(verify: Verify) -> None:
    owner = new_id()
    new, old = (derive_secret(b"m" * 32, owner, salt) for salt in ("new", "old"))
    headers = signed_headers("evt_1", b"{}", [new, old], now=datetime.now(UTC))
    assert verify(show_secret(new), headers, b"{}")
    assert verify(show_secret(old), headers, b"{}")
    assert not verify(show_secret(new), headers, b"[]")
    assert not verify(show_secret(derive_secret(b"m" * 32, owner, "other")), headers, b"{}")
    stale = signed_headers("evt_1", b"{}", [new], now=datetime.now(UTC) - timedelta(minutes=6))
    assert not verify(show_secret(new), stale, b"{}")


def test_the_page_names_every_state_and_the_default_schedule() -> None:
    for state in DeliveryState:
        assert f"| `{state}` |" in PAGE
    units = {"s": 1, "min": 60, "h": 3600}
    shown = re.search(r"tries again after (.*?), each", PAGE)
    assert shown is not None
    seconds = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)", shown[1])]
    assert seconds == list(DEFAULT_SCHEDULE[1:])
