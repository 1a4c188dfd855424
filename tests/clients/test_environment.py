"""The clients' environment is another one than ours: what they bring along cannot help the server."""

from typing import Any

import pytest

from tests.clients.conftest import Service

pytestmark = [pytest.mark.clients, pytest.mark.slow]


def test_a_client_reaches_the_server_and_nothing_of_its_code(service: Service, python: Any) -> None:
    program = """
import importlib.util, json, sys, urllib.request
status = urllib.request.urlopen(sys.argv[1] + "/healthz").status
print(json.dumps([status, importlib.util.find_spec("moderation"), importlib.util.find_spec("api")]))
"""
    assert python(program, service.url) == [200, None, None]
