"""Since when a site's oldest open case waits is found without reading all that are open."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

WAITS = sa.text("closed_at IS NULL AND kind <> 'audit'")


def upgrade() -> None:
    op.create_index("ix_case_waiting", "case", ["site_id", "created_at"], sqlite_where=WAITS, postgresql_where=WAITS)


def downgrade() -> None:
    op.drop_index("ix_case_waiting", "case")
