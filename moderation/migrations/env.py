"""Alembic's entry: runs the migrations on the engine that ``moderation.migrations`` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from moderation.database import Database
from moderation.models import Base, types

OURS = {types.Id: "types.Id()", types.Moment: "types.Moment()", types.Json: "types.Json()", types.Flag: "types.Flag()"}


def render(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column types as one name each, so that a migration reads the same for both databases."""
    if kind != "type":
        return False
    if isinstance(item, types.Word):
        return "sa.Text()"
    name = OURS.get(type(item)) or {id(types.Number): "types.Number", id(types.Real): "types.Real"}.get(id(item))
    if name is None:
        return False
    autogen.imports.add("from moderation.models import types")
    return name


database: Database = context.config.attributes["database"]

with database.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_item=render,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
