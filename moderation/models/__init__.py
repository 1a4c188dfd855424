"""SQLAlchemy mappings, one noun per file; importing this package makes all tables known to Alembic."""

from moderation.models.appeal import Appeal
from moderation.models.assessment import Assessment, Mode, Score
from moderation.models.audit import Audit
from moderation.models.author import Author, IdentityKind
from moderation.models.base import Base, columns
from moderation.models.case import WAITING_CASE, Case, CaseKind
from moderation.models.chat import Chat, ChatKind
from moderation.models.comment import (
    Comment,
    Idempotency,
    LinkDomain,
    NearCopy,
    Openness,
    Post,
    Report,
    Revision,
    Status,
)
from moderation.models.decision import Decider, Decision
from moderation.models.delivery import (
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    Publication,
    Publisher,
)
from moderation.models.event import Event
from moderation.models.explanation import Explanation
from moderation.models.follower import Follower, Following
from moderation.models.job import Heartbeat, Job, JobKind, Lease, Priority
from moderation.models.label import Label
from moderation.models.message import Message, MessageKind, NoticeChoice, NoticePlan
from moderation.models.note import Note
from moderation.models.secret import SigningSecret
from moderation.models.session import ConsoleSession, FailedSignIn, SignInLink
from moderation.models.site import (
    Activation,
    HashingKey,
    Key,
    KeyKind,
    Membership,
    Role,
    Site,
    Subject,
    User,
    Version,
)
from moderation.models.view import PostViews

__all__ = [
    "WAITING_CASE",
    "Activation",
    "Appeal",
    "Assessment",
    "Attempt",
    "Audit",
    "Author",
    "Base",
    "Case",
    "CaseKind",
    "Chat",
    "ChatKind",
    "Comment",
    "ConsoleSession",
    "Decider",
    "Decision",
    "Delivery",
    "DeliveryState",
    "Endpoint",
    "EndpointState",
    "Event",
    "Explanation",
    "FailedSignIn",
    "Follower",
    "Following",
    "HashingKey",
    "Heartbeat",
    "Idempotency",
    "IdentityKind",
    "Job",
    "JobKind",
    "Key",
    "KeyKind",
    "Label",
    "Lease",
    "LinkDomain",
    "Membership",
    "Message",
    "MessageKind",
    "Mode",
    "NearCopy",
    "Note",
    "NoticeChoice",
    "NoticePlan",
    "Openness",
    "Post",
    "PostViews",
    "Priority",
    "Publication",
    "Publisher",
    "Report",
    "Revision",
    "Role",
    "Score",
    "SignInLink",
    "SigningSecret",
    "Site",
    "Status",
    "Subject",
    "User",
    "Version",
    "columns",
]
