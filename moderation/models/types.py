"""Column types that mean the same on SQLite and PostgreSQL.

SQLite tables are STRICT, so each type names one of its five storage classes there; PostgreSQL gets
its native type. Times are one UTC type and naive ones are refused: a comment's place in a queue
must not depend on a server's time zone.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Double,
    Integer,
    LargeBinary,
    Text,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Id(TypeDecorator[UUID]):
    """A UUID: ``uuid`` on PostgreSQL, sixteen bytes on SQLite."""

    impl = Uuid
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the storage of the database at hand."""
        return dialect.type_descriptor(LargeBinary(16) if dialect.name == "sqlite" else Uuid())

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        """Write the sixteen bytes where there is no native type."""
        return value.bytes if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        """Read what was written."""
        return UUID(bytes=value) if value is not None and dialect.name == "sqlite" else value


class Moment(TypeDecorator[datetime]):
    """An aware moment in UTC: ``timestamptz``, or microseconds since 1970 as an integer on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the storage of the database at hand."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a naive time; write UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        return (value - EPOCH) // MICROSECOND if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read an aware time in UTC."""
        if value is None:
            return None
        return EPOCH + int(value) * MICROSECOND if dialect.name == "sqlite" else cast("datetime", value).astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value: ``jsonb``, or text on SQLite; NaN and infinities are refused as JSON has none."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the storage of the database at hand."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else JSONB(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Serialise for SQLite; the driver does it for PostgreSQL."""
        if value is None or dialect.name != "sqlite":
            return value
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Parse what SQLite stored."""
        return orjson.loads(value) if value is not None and dialect.name == "sqlite" else value


class Flag(TypeDecorator[bool]):
    """A truth value: ``boolean``, or 0 and 1 on SQLite."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the storage of the database at hand."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else Boolean())

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> Any:  # noqa: FBT001 (SQLAlchemy's signature)
        """Write 0 or 1 on SQLite."""
        return int(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """Read a bool."""
        return None if value is None else bool(value)


class Word(TypeDecorator[StrEnum]):
    """A member of a StrEnum as plain text, so that a new member needs no ALTER TYPE."""

    impl = Text
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        self.enum = enum
        super().__init__()

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 (the same)
        """Write the member's value; raises ValueError for a word that is not a member."""
        return None if value is None else str(self.enum(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002 (the same)
        """Read the member."""
        return None if value is None else self.enum(value)


Number = BigInteger().with_variant(Integer(), "sqlite")
Real: Double[float] = Double().with_variant(REAL(), "sqlite")

ANNOTATIONS: Mapping[Any, Any] = {
    str: Text(),
    int: Number,
    float: Real,
    bool: Flag(),
    bytes: LargeBinary(),
    datetime: Moment(),
    UUID: Id(),
    dict[str, Any]: Json(),
    list[str]: Json(),
    list[Any]: Json(),
}
