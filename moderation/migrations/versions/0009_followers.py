"""Followers: authors who asked to be told by mail."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "follower",
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("asked_at", types.Moment(), nullable=True),
        sa.Column("confirmed_at", types.Moment(), nullable=True),
        sa.Column("stopped_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_follower_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follower")),
        sa.UniqueConstraint("site_id", "address_key", name=op.f("uq_follower_site_id_address_key")),
        sqlite_strict=True,
    )
    op.create_table(
        "following",
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("follower_id", types.Id(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_following_comment_id_comment")),
        sa.ForeignKeyConstraint(["follower_id"], ["follower.id"], name=op.f("fk_following_follower_id_follower")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_following_site_id_site")),
        sa.PrimaryKeyConstraint("comment_id", name=op.f("pk_following")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_following_follower_id"), "following", ["follower_id"])


def downgrade() -> None:
    ours = "SELECT id FROM message WHERE kind IN ('confirm', 'verdict', 'reply')"
    op.execute(f"DELETE FROM job WHERE kind = 'message' AND subject_id IN ({ours})")  # noqa: S608 (our own words)
    op.execute(f"DELETE FROM message WHERE id IN ({ours})")  # noqa: S608 (the same)
    op.drop_table("following")
    op.drop_table("follower")
