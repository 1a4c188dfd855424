"""What the console's forms and addresses may say."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate

from api.schemas.fields import Line, Moment, Number, Text
from moderation.models import ChatKind, DeliveryState, KeyKind, Openness, Role
from moderation.services.learning import SUBJECTS
from moderation.services.wording import LANGUAGES

TABS = {
    "all": "All",
    "flagged": "Flagged",
    "reported": "Reported",
    "newcomers": "Newcomers",
    "second_look": "Second looks",
    "audit": "Audit",
    "escalated": "Editors",
}
"""The queues, by name in the address."""


class Form(Schema):
    """A form; buttons and tokens that a view does not ask for are left aside."""

    class Meta:
        """marshmallow's options."""

        unknown = EXCLUDE


class LayerForm(Form):
    """Which of the site's own layers is meant."""

    layer = fields.String(required=True, validate=validate.OneOf([str(subject) for subject in SUBJECTS]))


class TabForm(Form):
    """In which queue the moderator works."""

    tab = fields.String(load_default="all", validate=validate.OneOf(list(TABS)))


class QueueForm(TabForm):
    """Which queue and card to show, and what to say above it."""

    case = Line(longest=60)
    past = Line(longest=60)
    done = Line(longest=60)
    undone = Line(longest=60)
    batch = Line(longest=100)
    left = Number(load_default=0)
    back = Number()


class NewsForm(TabForm):
    """Since when."""

    since = Moment(required=True)


class OnceForm(TabForm):
    """What makes a form that was sent twice one act."""

    once = Line(longest=40, shortest=8, required=True)


class CardForm(OnceForm):
    """An act on the card that lies open; ``passed`` says that its case was not the first, and that the place is to be kept."""

    passed = fields.Boolean(load_default=False)


class DecideForm(CardForm):
    """A decision about the revision that was read; a ``reason`` makes it a rejection."""

    revision = Number(required=True, least=1)
    decision_seq = Number(required=True)
    reason = Number(least=1, most=9)
    note = Text(longest=2000, load_default="")


class LetterForm(Form):
    """A decision through the link in a letter; a ``reason`` makes it a rejection, ``code`` is the second factor's."""

    token = Line(longest=60, required=True)
    revision = Number(required=True, least=1)
    reason = Number(least=1, most=9)
    note = Text(longest=2000, load_default="")
    code = Line(longest=12, load_default="")


class ChoiceForm(Form):
    """What somebody wants to be told; what is not ticked is not sent."""

    urgent = fields.Boolean(load_default=False)
    waiting = fields.Boolean(load_default=False)
    digest = fields.Boolean(load_default=False)


class PlanForm(Form):
    """When people are told: hours of the day, comma or space between, and hours of waiting."""

    digest_hours = Line(longest=100, load_default="")
    waiting_hours = Number(required=True, most=168)

    @post_load
    def split(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Return the hours as numbers."""
        hours = data["digest_hours"].replace(",", " ").split()
        if not all(hour.isascii() and hour.isdigit() and len(hour) <= 2 for hour in hours):
            raise ValidationError("Give hours such as 8, 18.", "digest_hours")
        return {**data, "digest_hours": [int(hour) for hour in hours]}


class RoomForm(Form):
    """A chat room: the address that takes messages, or a bot's token and the chat's id."""

    kind = fields.String(required=True, validate=validate.OneOf([str(kind) for kind in ChatKind]))
    name = Line(longest=80, load_default="")
    address = Line(longest=2048, required=True, shortest=1)
    room = Line(longest=80, load_default="")


class RoomActForm(Form):
    """What to do with a room."""

    act = fields.String(required=True, validate=validate.OneOf(["test", "remove"]))


class WaveForm(OnceForm):
    """A decision about several copies of a text; a ``reason`` makes it a rejection."""

    reason = Number(least=1, most=9)
    note = Text(longest=2000, load_default="")


class SweepQuery(TabForm):
    """What the comments have in common: the author of a case's comment, or words; ``all`` ticks them."""

    case = Line(longest=60)
    words = Line(longest=200, load_default="")
    all = fields.Boolean(load_default=False)


class SweepForm(SweepQuery, WaveForm):
    """A decision about several comments of a sweep."""


class BatchForm(TabForm):
    """Which act to take back."""

    batch = Line(longest=100, required=True)


class RedactionForm(TabForm):
    """Words to take out of the revision that was read."""

    revision = Number(required=True, least=1)
    words = Text(longest=20_000, load_default="")


class NoteForm(TabForm):
    """A note for colleagues."""

    note = Text(longest=2000, load_default="")


class BehindForm(Form):
    """Which number."""

    of = Line(longest=120, required=True)


class PolicyForm(Form):
    """A version of a policy, such as ``standard@1``."""

    policy = Line(longest=60, required=True)


class PostsQuery(Form):
    """Which post, by its id or its address."""

    post = Line(longest=60)
    address = Line(longest=2048)


class PostForm(Form):
    """What a post accepts, until a time of the site's clocks."""

    openness = fields.String(required=True, validate=validate.OneOf(["usual", *(str(each) for each in Openness)]))
    until = Line(longest=40, load_default="")


class ClosingForm(Form):
    """After how many days a post is closed; empty for never."""

    days = Line(longest=4, load_default="")

    @post_load
    def count(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Return the days as a number."""
        days = data["days"].strip()
        if days and not (days.isascii() and days.isdigit()):
            raise ValidationError("Give a number of days, or nothing.", "days")
        return {"days": int(days) if days else None}


class WordsForm(Form):
    """A word list, a word a line."""

    words = Text(longest=60_000, load_default="")


class ReasonsQuery(Form):
    """In which language."""

    language = fields.String(load_default="", validate=validate.OneOf(["", *LANGUAGES]))


class ReasonsForm(Form):
    """What to do with the phrases in the form, and which language they are in."""

    language = fields.String(required=True, validate=validate.OneOf(LANGUAGES))
    act = fields.String(load_default="preview", validate=validate.OneOf(["preview", "save"]))


class ThresholdsForm(Form):
    """A policy to look at, and what to do with the thresholds in the form."""

    policy = Line(longest=40, load_default="")
    act = fields.String(load_default="text", validate=validate.OneOf(["text", "month", "save"]))
    text = Text(longest=20_000, load_default="")
    standing = fields.String(load_default="newcomer", validate=validate.OneOf(["newcomer", "regular", "trusted"]))


class TokenForm(Form):
    """The secret of a sign-in link."""

    token = Line(longest=200, load_default="")


class SignInForm(TokenForm):
    """A link's secret, or an address and a password; with a code where there is a second factor."""

    email = Line(longest=254, load_default="")
    password = Line(longest=1000, load_default="")
    code = Line(longest=20, load_default="")


class PasswordForm(Form):
    """A new password, typed twice; for whoever has one already, with the old one."""

    password = Line(longest=1000, load_default="")
    again = Line(longest=1000, load_default="")
    old = Line(longest=1000, load_default="")


class CodesForm(Form):
    """The first code of an app, and what its secret was derived from."""

    salt = Line(longest=80, load_default="")
    code = Line(longest=20, load_default="")


class SiteForm(Form):
    """The name of another site."""

    site = Line(longest=80, required=True)


class SessionForm(Form):
    """Which session is to end; none for all others."""

    session = Line(longest=40, load_default="")


class MemberForm(Form):
    """Somebody who shall look after the site."""

    email = Line(longest=254, required=True, shortest=3)
    name = Line(longest=80, load_default="")
    role = fields.String(required=True, validate=validate.OneOf([str(role) for role in Role]))


class KeyForm(Form):
    """An API key to make."""

    name = Line(longest=80, load_default="")
    kind = fields.String(required=True, validate=validate.OneOf([str(kind) for kind in KeyKind if kind is not KeyKind.PERSONAL]))


class DeliveriesQuery(Form):
    """Which deliveries."""

    state = fields.String(load_default="", validate=validate.OneOf(["", *(str(state) for state in DeliveryState)]))


class PublisherForm(Form):
    """What to do with a publisher."""

    act = fields.String(required=True, validate=validate.OneOf(["pause", "resume"]))


class EndpointForm(Form):
    """What to do with an endpoint."""

    act = fields.String(required=True, validate=validate.OneOf(["pause", "resume", "test", "replay"]))
