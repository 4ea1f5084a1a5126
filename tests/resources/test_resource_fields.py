"""The shared types take what they should, refuse the rest, and say what is wanted."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from dialplane.resources import fields
from tests.resources.field_table import TABLES


def cases(which: str) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{value!r}"[:60])
        for name, table in TABLES.items()
        for value in getattr(table, which)
    ]


def judge(name: str, value: Any) -> None:
    TypeAdapter(TABLES[name].type).validate_json(json.dumps(value), strict=True)


@pytest.mark.parametrize(("name", "value"), cases("taken"))
def test_taken(name: str, value: Any) -> None:
    judge(name, value)


@pytest.mark.parametrize(("name", "value"), [*cases("refused"), *cases("beyond_crd")])
def test_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        judge(name, value)


def test_every_shared_text_has_a_table() -> None:
    without = {"Cidr", "Networks", "Codec", "Permission", "Protocol", "MediaEncryption", "Timestamp", "SecretRef"}
    without |= {"Distinct", "DISTINCT", "OBJECT_NAME", "TlsSecretRef"}
    assert {name[0].lower() + name[1:] for name in set(fields.__all__) - without} <= set(TABLES)
