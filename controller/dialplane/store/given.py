"""Looking up many things in one statement, each by itself, with one parameter in all.

`column IN (…)` cannot say "the newest row of each", and leaves it to the database whether it reads the index once for
each or all that there is.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

_GIVEN: Final = sa.bindparam("given", type_=sa.Text)


class EachGiven:
    """For each text that is given, what a query finds for it.

    Args:
        finds: a query of at most one row and column, for the text that it is given as a column.
    """

    def __init__(self, finds: Callable[[sa.ColumnElement[str]], sa.Select[Any]]) -> None:
        sqlite = sa.func.json_each(_GIVEN).table_valued(sa.column("value", sa.String), name="given")
        postgresql = sa.func.json_array_elements_text(sa.cast(_GIVEN, sa.JSON)).table_valued(
            sa.column("value", sa.String), name="given"
        )
        self._queries = {
            name: sa.select(each.c.value, finds(each.c.value).correlate(each).scalar_subquery())
            for name, each in {"sqlite": sqlite, "postgresql": postgresql}.items()
        }

    def find(self, connection: sa.Connection, given: Sequence[str], **other: Any) -> dict[str, Any]:
        """What is found for each; None where that is nothing."""
        query = self._queries[connection.dialect.name]
        return dict(iter(connection.execute(query, {"given": json.dumps(list(given)), **other})))
