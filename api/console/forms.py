"""What the console's forms and addresses may say."""

from marshmallow import EXCLUDE, Schema, fields, validate

from api.schemas.fields import Line, Moment, Number, Text

TABS = {
    "all": "All",
    "flagged": "Flagged",
    "reported": "Reported",
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


class TabForm(Form):
    """In which queue the moderator works."""

    tab = fields.String(load_default="all", validate=validate.OneOf(list(TABS)))


class QueueForm(TabForm):
    """Which queue and card to show, and what to say above it."""

    case = Line(longest=60)
    done = Line(longest=60)
    undone = Line(longest=60)


class NewsForm(TabForm):
    """Since when."""

    since = Moment(required=True)


class OnceForm(TabForm):
    """What makes a form that was sent twice one act."""

    once = Line(longest=40, shortest=8, required=True)


class DecideForm(OnceForm):
    """A decision about the revision that was read; a ``reason`` makes it a rejection."""

    revision = Number(required=True, least=1)
    decision_seq = Number(required=True)
    reason = Number(least=1, most=9)
    note = Text(longest=2000, load_default="")


class NoteForm(TabForm):
    """A note for colleagues."""

    note = Text(longest=2000, load_default="")


class TokenForm(Form):
    """The secret of a sign-in link."""

    token = Line(longest=200, load_default="")
