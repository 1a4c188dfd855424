"""The whole console: passwords with a second factor, posts that close for a time, and indexes that the overview reads along."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PARTIAL = {
    ("decision", "ix_decision_by_people"): (["site_id", "created_at"], "decider = 'moderator'"),
    ("case", "ix_case_closed"): (["site_id", "closed_at"], "closed_at IS NOT NULL"),
    ("publication", "ix_publication_stuck"): (["site_id", "comment_id"], "state IN ('dead', 'paused')"),
}


def upgrade() -> None:
    for (table, name), (columns, where) in PARTIAL.items():
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_index(op.f("ix_case_comment_id_id"), "case", ["comment_id", "id"])
    op.add_column("post", sa.Column("openness_until", types.Moment(), nullable=True))
    op.add_column("user", sa.Column("code_salt", sa.LargeBinary(), nullable=True))
    op.add_column("user", sa.Column("code_used", types.Number, nullable=True))
    op.create_table(
        "failed_sign_in",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("failures", types.Number, nullable=False),
        sa.Column("last_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_failed_sign_in")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_failed_sign_in_last_at"), "failed_sign_in", ["last_at"])


def downgrade() -> None:
    op.drop_table("failed_sign_in")
    for table, column in (("user", "code_used"), ("user", "code_salt"), ("post", "openness_until")):
        op.drop_column(table, column)
    op.drop_index(op.f("ix_case_comment_id_id"), "case")
    for table, name in PARTIAL:
        op.drop_index(name, table)
