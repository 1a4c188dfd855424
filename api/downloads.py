"""What a blog's owner takes home from here: files that know this installation's address, and no secret."""

import re
from importlib.metadata import version
from importlib.resources import files
from typing import Final

from flask import Blueprint, Response

from api.auth import PUBLIC, needs
from api.context import context

blp = Blueprint("downloads", __name__)

USABLE: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_~%/-]+")
"""What may stand between PHP's quotes; an address needs nothing else."""


@blp.get("/downloads/tidegate-wordpress.php")
@needs(PUBLIC)
def wordpress() -> Response:
    """Return the must-use plugin for a WordPress blog, with the address of this installation filled in."""
    address = context().runtime.settings.public_url
    if not USABLE.fullmatch(address):
        raise ValueError("PUBLIC_URL has characters that no address needs")
    text = files("api").joinpath("templates", "downloads", "tidegate-wordpress.php").read_text()
    body = text.replace("%ADDRESS%", address).replace("%VERSION%", version("tidegate"))
    return Response(
        body,
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="tidegate-wordpress.php"'},
    )
