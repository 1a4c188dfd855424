"""How many addresses a site asked in an hour is counted without reading all of its followers."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_follower_site_id_asked_at"), "follower", ["site_id", "asked_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_follower_site_id_asked_at"), "follower")
