"""Views: how often a post's thread was read, by the hour."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "post_views",
        sa.Column("site_id", types.Id(), nullable=False),
        sa.Column("post_id", types.Id(), nullable=False),
        sa.Column("hour", types.Moment(), nullable=False),
        sa.Column("views", types.Number, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_post_views_post_id_post")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_post_views_site_id_site")),
        sa.PrimaryKeyConstraint("site_id", "post_id", "hour", name=op.f("pk_post_views")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_post_views_hour"), "post_views", ["hour"])


def downgrade() -> None:
    op.drop_table("post_views")
