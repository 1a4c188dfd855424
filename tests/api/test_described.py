"""Whatever the description of the API allows is answered as it says, and whatever it forbids is refused as it says."""

from pathlib import Path
from typing import Any

import pytest

from api.limits import Limits
from tests.api.conftest import ABUSIVE, Door
from tests.api.described import ask_everything
from tests.docs.pages import listening

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CONFIG = """
headers = {{ Authorization = "Bearer {key}" }}

[parameters]
{parameters}

# Nobody decides here, so that waiting for it would only take time.
"header.Prefer" = "wait=0"

[checks]
# That a text has no control character and an address a host is more than a schema can say.
positive_data_acceptance.enabled = false

# Too large is refused before anybody reads what is wrong with it.
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "414", "415", "422"]

# Beside the relay that a test has not, which is a 503 as it should be.
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]

[[operations]]
# A stream ends when its minute is over.
include-path = "/v1/stream"
enabled = false

[[operations]]
# A key may be an address, slashes and all: PUT of this path is a PUT of the post with such a key.
include-path = "/v1/posts/{{key}}/comments"
checks.unsupported_method.enabled = false

[[operations]]
# Fifty addresses of two thousand characters are longer than any server's longest line, and no longer ours to refuse.
include-path = "/v1/posts/counts"
checks.content_type_conformance.enabled = false
"""


def known(door: Door) -> dict[str, str]:
    """Make one thing of each kind and return its name by the parameter's."""
    comment = door.decided(ABUSIVE)
    case = door.get("/v1/cases").json["items"][0]
    url = {"url": "http://127.0.0.1:9/hook"}
    endpoint = door.post("/v1/endpoints", url).json
    return {
        "comment_id": comment["id"],
        "case_id": case["id"],
        "endpoint_id": endpoint["id"],
        "decision_id": comment["decision"]["id"],
        "key": "p1",
    }


@pytest.fixture
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told to come back later: that has tests of its own."""
    monkeypatch.setattr(Limits, "spend", lambda *_: None)


def test_every_route_keeps_to_its_description(sqlite_door: Any, _unlimited: None, tmp_path: Path) -> None:
    names = "\n".join(f'"path.{name}" = "{value}"' for name, value in known(sqlite_door).items())
    config = CONFIG.format(key=sqlite_door.keys["secret"], parameters=names)
    with listening(sqlite_door.app) as base:
        ask_everything(f"{base}/openapi.json", base, tmp_path, config=config, examples=2, seconds=30)
