"""Labels: what people elsewhere said that the scores of a text ought to be."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "label",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("revision_id", types.Id(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("values", types.Json(), nullable=False),
        sa.Column("languages", types.Json(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_label_revision_id_revision")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_label_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
        sa.UniqueConstraint("site_id", "digest", name=op.f("uq_label_site_id_digest")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_label_site_id_created_at"), "label", ["site_id", "created_at"])
    op.create_index(op.f("ix_label_created_at"), "label", ["created_at"])


def downgrade() -> None:
    op.drop_table("label")
