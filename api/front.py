"""The front page: whoever types the bare address is a person, and is shown to the console."""

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response as Answer

from api.auth import PUBLIC, needs

blp = Blueprint("front", __name__)


@blp.get("/")
@needs(PUBLIC)
def front() -> Answer:
    """Go to the console."""
    return redirect(url_for("console.home"), code=303)
