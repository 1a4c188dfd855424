"""The description of the API: the committed one is the served one, and it says what the routes do."""

from typing import Any

import jsonschema
import orjson

from api import openapi


def test_the_committed_description_is_the_one_that_is_served(sqlite_door: Any) -> None:
    served = sqlite_door.get("/openapi.json", key=None).json
    assert served["openapi"].startswith("3.1")
    assert orjson.loads(openapi.COPY.read_bytes()) == served, "run: python -m api.openapi"


def test_the_described_schemas_are_json_schemas(sqlite_door: Any) -> None:
    served = sqlite_door.get("/openapi.json", key=None).json
    for schema in served["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert len(served["components"]["schemas"]) > 20


def test_the_page_shows_every_operation_without_script_or_foreign_asset(sqlite_door: Any) -> None:
    served = sqlite_door.get("/openapi.json", key=None).json
    page = sqlite_door.get("/docs", key=None)
    operations = [each for path in served["paths"].values() for name, each in path.items() if name != "parameters"]
    assert page.text.count("<article") == len(operations) > 20
    assert "<script" not in page.text
    assert "http" not in page.text.replace("http or https", "")
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]
    assert sqlite_door.get("/docs/style.css", key=None).content_type.startswith("text/css")


def test_the_description_says_who_may_do_what_and_how_errors_look(sqlite_door: Any) -> None:
    served = sqlite_door.get("/openapi.json", key=None).json
    submit = served["paths"]["/v1/comments"]["post"]
    assert (submit["x-permission"], submit["x-allowed"]) == ("comments:submit", ["publishable", "secret"])
    assert {parameter["name"] for parameter in submit["parameters"]} == {"Idempotency-Key", "Prefer"}
    assert list(served["components"]["responses"]["DEFAULT_ERROR"]["content"]) == ["application/problem+json"]
