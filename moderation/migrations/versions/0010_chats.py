"""Chats: rooms that are told what those who look after a site are told."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chat",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("deleted_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_chat_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_chat_site_id_created_at"), "chat", ["site_id", "created_at"])
    # Without a foreign key: SQLite adds none to a table that there is.
    op.add_column("message", sa.Column("chat_id", types.Id(), nullable=True))


def downgrade() -> None:
    op.execute("DELETE FROM job WHERE kind = 'message' AND subject_id IN (SELECT id FROM message WHERE chat_id IS NOT NULL)")
    op.execute("DELETE FROM message WHERE chat_id IS NOT NULL")
    op.drop_column("message", "chat_id")
    op.drop_table("chat")
