"""Explanations: the words that drive a comment's scores."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "explanation",
        sa.Column("revision_id", types.Id(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("found", types.Json(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_explanation_revision_id_revision")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_explanation_site_id_site")),
        sa.PrimaryKeyConstraint("revision_id", "model_version", name=op.f("pk_explanation")),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.execute("DELETE FROM job WHERE kind = 'explain'")
    op.drop_table("explanation")
