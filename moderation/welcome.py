"""What a person reads when the stack is ready: where to go, and a first comment to send."""

import json
import shlex
from typing import Any

from moderation.config import Settings

COMMENT = {
    "post": {"id": "hello", "url": "https://example.org/hello"},
    "author": {"name": "Ada"},
    "body": "Well said!",
}


def addresses(settings: Settings, seconds: float) -> str:
    """Return the lines that say where everything is, after ``seconds`` of starting; reads ``demo.json`` where there is one."""
    path = settings.home / "demo.json"
    try:
        demo: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return f"ready after {seconds:.1f} s: {settings.public_url}"
    places = {
        "API": demo["base_url"],
        "demo blog": demo["demo_blog_url"],
        "console": demo.get("console_url"),
        "first login": demo.get("login_url"),
        "keys": f"{path} (only you can read it)",
        "data and logs": settings.home,
    }
    lines = [
        f"ready after {seconds:.1f} s",
        "",
        *(f"  {name:<15}{value}" for name, value in places.items() if value),
        "",
        "A first comment:",
        "",
        f"""  key=$(sed -n 's/.*"secret_key": "\\(.*\\)".*/\\1/p' {shlex.quote(str(path))})""",
        f"  curl -s {demo['base_url']}/v1/comments -H 'Prefer: wait=10' \\",
        """    -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \\""",
        f"    -d '{json.dumps(COMMENT)}'",
        "",
        "Ctrl-C stops everything.",
    ]
    return "\n  ".join(lines)
