"""The description of the API (OpenAPI 3.1), and a page that shows it without any script or foreign asset.

Made from the routes and schemas themselves; ``api/openapi.json`` is a copy of it, for readers and generators of clients, and a
test holds it to what is served. ``python -m api.openapi`` writes it.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app, render_template
from flask_smorest import Api
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from api import errors
from api.auth import PERMISSIONS, PUBLIC, needs, permission_of
from api.schemas.problem import ProblemSchema

COPY = Path(__file__).with_name("openapi.json")
ABOUT = (
    "Self-hosted comment moderation. A blog sends comments in; each is scored, decided by the site's policy, published or put "
    "before a human, and announced. Errors are problem+json (RFC 9457). Times are RFC 3339 in UTC."
)
KEY = (
    "An API key: secret (the blog's server), publishable (readers' browsers) or personal (a member). "
    "It may come in X-API-Key instead; never in a cookie or the address."
)
CONFIGURATION = {
    "API_TITLE": "Tidegate",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "API_SPEC_OPTIONS": {
        "info": {"description": ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": KEY}}},
        "security": [{"key": []}],
        "servers": [{"url": "/"}],
    },
}
STYLES = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
METHODS = ("get", "put", "post", "patch", "delete")

blp = Blueprint("docs", __name__)


class DescribedApi(Api):
    """flask-smorest with our errors."""

    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Say an error of the framework as a problem."""
        return errors.on_http(error)


def description(app: Flask) -> dict[str, Any]:
    """Return the description of an application, made once: it cannot change any more when it is asked for."""
    made: dict[str, Any] = app.extensions.setdefault("tidegate-description", {})
    if not made:
        made.update(_made(app))
    return made


def _made(app: Flask) -> dict[str, Any]:
    """Return what flask-smorest made, with who may do what and the media type of errors."""
    api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    found: dict[str, Any] = orjson.loads(orjson.dumps(api.spec.to_dict()))
    for response in found["components"]["responses"].values():
        for content in (response.get("content", {}),):
            if "application/json" in content:
                content["application/problem+json"] = content.pop("application/json")
    permissions = {path_of(rule): rule.endpoint for rule in app.url_map.iter_rules()}
    for path, operations in found["paths"].items():
        for method in METHODS:
            if method in operations:
                permission = permission_of(app, permissions[path], method.upper())
                operations[method]["x-permission"] = permission
                operations[method]["x-allowed"] = sorted(map(str, PERMISSIONS.get(permission or "", ())))
                operations[method]["operationId"] = _operation_id(method, path)
    return found


@blp.get("/openapi.json")
@needs(PUBLIC)
def served() -> Response:
    """Return the description as JSON."""
    return Response(orjson.dumps(description(current_app)), content_type="application/json")


@blp.get("/docs")
@needs(PUBLIC)
def page() -> Response:
    """Show the description as a page."""
    found = description(current_app)
    html = render_template("docs/page.html", described=found, groups=list(_groups(found)))
    return Response(html, headers={"Content-Security-Policy": STYLES})


@blp.get("/docs/style.css")
@needs(PUBLIC)
def style() -> Response:
    """Return the page's style."""
    return Response(render_template("docs/style.css"), content_type="text/css; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Line:
    """One field or parameter, as the page shows it."""

    name: str
    kind: str
    required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, as the page shows it."""

    method: str
    path: str
    described: Mapping[str, Any]
    parameters: list[Line]
    body: list[Line]
    answers: list[tuple[str, str, str]]


def _groups(found: dict[str, Any]) -> Iterator[tuple[Mapping[str, str], list[Operation]]]:
    for tag in found["tags"]:
        yield (
            tag,
            [
                _operation(found, method, path, operations)
                for path, operations in found["paths"].items()
                for method in METHODS
                if method in operations and tag["name"] in operations[method]["tags"]
            ],
        )


def _operation(found: dict[str, Any], method: str, path: str, operations: Mapping[str, Any]) -> Operation:
    described = operations[method]
    parameters = [*operations.get("parameters", []), *described.get("parameters", [])]
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    answers = []
    for status, answer in described["responses"].items():
        resolved = _resolved(found, answer)
        shown = [_kind(given.get("schema", {})) for given in resolved.get("content", {}).values()]
        answers.append((status, resolved.get("description", ""), ", ".join(shown)))
    return Operation(
        method=method.upper(),
        path=path,
        described=described,
        parameters=[
            Line(each["name"], _kind(each.get("schema", {})), bool(each.get("required")), _about(each)) for each in parameters
        ],
        body=list(_fields(found, content.get("schema", {}))),
        answers=answers,
    )


def _fields(found: dict[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[Line]:
    schema = _resolved(found, schema)
    for name, field in schema.get("properties", {}).items():
        yield Line(prefix + name, _kind(field), name in schema.get("required", ()), _about(field))
        inner = [each for each in (field, *field.get("anyOf", ())) if "$ref" in each]
        for each in inner:
            yield from _fields(found, each, f"{prefix}{name}.")


def _resolved(found: dict[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in given:
        kind, name = given["$ref"].split("/")[-2:]
        given = found["components"][kind][name]
    return given


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_kind(each) for each in schema["anyOf"])
    kind = schema.get("type", "")
    shown = " | ".join(kind) if isinstance(kind, list) else str(kind)
    if shown == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    least, most = (schema.get(f"min{name}", "") for name in ("Length", "imum")), schema.get("maxLength", schema.get("maximum"))
    low = next((each for each in least if each != ""), None)
    limits = f" {low if low is not None else ''}..{most}" if most is not None else ""
    return f"{schema.get('format', shown)}{limits}"


def _about(described: Mapping[str, Any]) -> str:
    about = described.get("description") or described.get("schema", {}).get("description", "")
    default = described.get("schema", described).get("default")
    return f"{about}{'; ' if about and default is not None else ''}{f'default {default!r}' if default is not None else ''}"


def path_of(rule: Rule) -> str:
    """Return a route as OpenAPI writes it."""
    shown = rule.rule
    for argument in rule.arguments:
        shown = shown.replace(f"<path:{argument}>", f"{{{argument}}}").replace(f"<{argument}>", f"{{{argument}}}")
    return shown


def _operation_id(method: str, path: str) -> str:
    steps = [step.strip("{}") for step in path.removeprefix("/v1/").split("/")]
    return "_".join([method, *steps])


def main() -> None:
    """Write the copy."""
    # Imported here: the application imports this module.
    from api.app import create_app  # noqa: PLC0415
    from moderation.config import Settings  # noqa: PLC0415
    from moderation.runtime import Runtime  # noqa: PLC0415

    unused = Settings(home=Path(), database_url="sqlite:///never-opened.db", secret=b"")
    app = create_app(Runtime.build(unused, role="tool"))
    COPY.write_bytes(orjson.dumps(description(app), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    sys.stdout.write(f"{COPY}\n")


if __name__ == "__main__":
    main()
