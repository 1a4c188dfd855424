"""Signing secrets: what other systems sign their requests to us with."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signing_secret",
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("revoked_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_signing_secret_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_secret")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_signing_secret_site_id_door_created_at"), "signing_secret", ["site_id", "door", "created_at"])


def downgrade() -> None:
    op.drop_table("signing_secret")
