"""The tasks: a ring says "there is work", and nothing that came with it is looked at."""

from workers.app import app
from workers.process import current


@app.task(name="workers.tasks.moderate")
def moderate(*_arguments: object, **_named: object) -> None:
    """Judge the comments that wait."""
    current().answer("moderate")


@app.task(name="workers.tasks.deliver")
def deliver(*_arguments: object, **_named: object) -> None:
    """Send the webhooks that are due and bring the blogs up to date."""
    current().answer("deliver")
