"""Models: each score names its model and engine, and whether it decided or ran beside."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, before in (("model", "bundled"), ("engine", "onnx"), ("mode", "live")):
        # What was scored so far was scored by the bundled model.
        op.add_column("score", sa.Column(name, sa.Text(), nullable=False, server_default=before))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "UPDATE score SET model = substr(model_version, 1, instr(model_version, '+') - 1) WHERE model_version LIKE '%+%'"
        )
    else:
        op.execute("UPDATE score SET model = split_part(model_version, '+', 1) WHERE model_version LIKE '%+%'")
    if op.get_bind().dialect.name != "sqlite":  # which cannot drop a default, and writes every column anyway
        for name in ("model", "engine", "mode"):
            op.alter_column("score", name, server_default=None)


def downgrade() -> None:
    for name in ("mode", "engine", "model"):
        op.drop_column("score", name)
