"""A comment is found by the id that a publisher found it under in the blog."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KNOWN = sa.text("remote_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_publication_remote_id", "publication", ["site_id", "remote_id"], sqlite_where=KNOWN, postgresql_where=KNOWN
    )


def downgrade() -> None:
    op.drop_index("ix_publication_remote_id", "publication")
