"""Checks: a text judged at once, without being stored."""

from dataclasses import asdict, replace
from functools import partial
from typing import Any

from flask.views import MethodView

from api.auth import needs, principal
from api.context import blueprint, context
from api.schemas.check import CheckIn, CheckOut
from moderation.models import KeyKind
from moderation.services import assessment
from moderation.services.assessment import CheckRequest

blp = blueprint("check", "/check", "Judging a text without storing it")

DEADLINE = 2.0
"""Seconds for scoring; later, the text counts as not scored and the verdict is at least flag."""


@blp.route("")
class Check(MethodView):
    """The check."""

    @blp.arguments(CheckIn)
    @blp.response(200, CheckOut)
    @needs("check")
    def post(self, asked: CheckRequest) -> Any:
        """Say how a text would be judged by the policy in force now."""
        here = context()
        found = assessment.check(
            here.runtime.database,
            partial(here.models.within, DEADLINE),
            principal().site_id,
            replace(asked, vouched=principal().kind is KeyKind.SECRET),
            secret=here.runtime.settings.secret,
            now=here.runtime.clock.now(),
        )
        return asdict(found)
