"""Many rows as one parameter: a statement for a hundred thousand of them takes no longer than the database needs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


def json_rows(
    connection: sa.Connection, rows: Sequence[Sequence[Any]], columns: Mapping[str, sa.types.TypeEngine[Any]]
) -> sa.Subquery:
    """Rows of plain values (text, whole numbers, None) as something to select from, in order by its column `place`."""
    document = sa.literal(json.dumps(rows, ensure_ascii=True, separators=(",", ":")), sa.Text)
    if connection.dialect.name == "postgresql":
        elements = sa.func.jsonb_array_elements(sa.cast(document, JSONB))
        table = elements.table_valued("value", with_ordinality="place", name="given").render_derived()
        found = [
            sa.cast(table.c.value.op("->>")(place), kind).label(name)
            for place, (name, kind) in enumerate(columns.items())
        ]
        return sa.select(table.c.place, *found).subquery("given_rows")
    table = sa.func.json_each(document).table_valued("key", "value", name="given")
    found = [
        sa.type_coerce(sa.func.json_extract(table.c.value, f"$[{place}]"), kind).label(name)
        for place, (name, kind) in enumerate(columns.items())
    ]
    return sa.select(table.c.key.label("place"), *found).subquery("given_rows")
