"""Second looks: which rejection an author asked to have looked at again."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "appeal",
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("revision", types.Number, nullable=False),
        sa.Column("decision_id", types.Id(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_appeal_comment_id_comment")),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.id"], name=op.f("fk_appeal_decision_id_decision")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_appeal_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal")),
        sa.UniqueConstraint("comment_id", "revision", name=op.f("uq_appeal_comment_id_revision")),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("appeal")
