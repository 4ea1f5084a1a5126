"""Types of columns that behave alike in SQLite and PostgreSQL, and the one metadata of all tables."""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPE: Final = "\x10"
_WRITTEN: Final = {"\x00": f"{_ESCAPE}0", _ESCAPE: f"{_ESCAPE}{_ESCAPE}"}
_READ: Final = {written: plain for plain, written in _WRITTEN.items()}


class AnyText(TypeDecorator[str]):
    """Any text, given back as it was. PostgreSQL cannot hold NUL: it is kept as DLE and `0`, and DLE as two of them.

    Half a surrogate pair is no character: it is kept as U+FFFD.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """To the database."""
        del dialect
        if value is None:
            return None
        return re.sub("[\x00\x10]", lambda found: _WRITTEN[found[0]], _SURROGATE.sub("\ufffd", value))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """From the database."""
        del dialect
        return None if value is None else re.sub("\x10[\x100]", lambda found: _READ[found[0]], value)


class Moment(TypeDecorator[datetime]):
    """A moment with its time zone; UTC in the database, and UTC when read."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To the database; a moment without a time zone is a bug."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value}: a moment needs its time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """From the database: SQLite forgets the zone."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value as ASCII text: PostgreSQL's own types refuse some characters, and nobody searches inside."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        """To the database."""
        del dialect
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """From the database."""
        del dialect
        return None if value is None else json.loads(value)


def sequence() -> sa.Column[int]:
    """The primary key `seq`: larger for each new row, never used twice, also after the newest row was deleted."""
    return sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True, autoincrement=True
    )
