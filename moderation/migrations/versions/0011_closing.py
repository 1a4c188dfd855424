"""Closing posts by themselves: an editor's word about a post is told from what nobody said."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("post", sa.Column("openness_set_at", types.Moment(), nullable=True))
    op.execute("UPDATE post SET openness_set_at = created_at WHERE openness <> 'open'")


def downgrade() -> None:
    op.drop_column("post", "openness_set_at")
