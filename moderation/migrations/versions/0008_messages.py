"""Messages: what people are told by mail, who wants to be told of what, and when."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", types.Id(), nullable=True),
        sa.Column("comment_id", types.Id(), nullable=True),
        sa.Column("revision", types.Number, nullable=True),
        sa.Column("data", types.Json(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", types.Number, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("finished_at", types.Moment(), nullable=True),
        sa.Column("used_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_message_user_id_user")),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_message_comment_id_comment")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_message_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_message_site_id_state_id"), "message", ["site_id", "state", "id"])
    op.create_index(op.f("ix_message_comment_id_kind"), "message", ["comment_id", "kind"])
    op.create_index(op.f("ix_message_finished_at"), "message", ["finished_at"])
    op.create_table(
        "notice_choice",
        sa.Column("site_id", types.Id(), nullable=False),
        sa.Column("user_id", types.Id(), nullable=False),
        sa.Column("urgent", types.Flag(), nullable=False),
        sa.Column("waiting", types.Flag(), nullable=False),
        sa.Column("digest", types.Flag(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_notice_choice_site_id_site")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_notice_choice_user_id_user")),
        sa.PrimaryKeyConstraint("site_id", "user_id", name=op.f("pk_notice_choice")),
        sqlite_strict=True,
    )
    op.create_table(
        "notice_plan",
        sa.Column("site_id", types.Id(), nullable=False),
        sa.Column("digest_hours", types.Json(), nullable=False),
        sa.Column("waiting_minutes", types.Number, nullable=False),
        sa.Column("digest_at", types.Moment(), nullable=True),
        sa.Column("digested_at", types.Moment(), nullable=True),
        sa.Column("alarmed_at", types.Moment(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_notice_plan_site_id_site")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_notice_plan")),
        sqlite_strict=True,
    )


def downgrade() -> None:
    # A job of a kind that the release before does not know would stop its queue.
    op.execute("DELETE FROM job WHERE kind = 'message'")
    for name in ("notice_plan", "notice_choice", "message"):
        op.drop_table(name)
