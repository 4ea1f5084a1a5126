from collections.abc import Mapping
from typing import Any

import pytest

from dialplane.plan.checks.numbers import dialled_numbers, forwards
from dialplane.plan.draft import Draft
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION, parse
from dialplane.resources.problem import Reason

ROUTES = [
    {"pattern": "_0X.", "permission": "national"},
    {"pattern": "_00X.", "permission": "international"},
]


def draft(*manifests: tuple[str, str, Mapping[str, Any]]) -> Draft:
    pbx = ("Asterisk", "pbx", {"emergency": {"numbers": ["112"], "trunks": ["a"]}})
    resources = [
        parse({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)})
        for kind, name, spec in (pbx, *manifests)
    ]
    made = Draft({each.key: each for each in resources}, {})
    made.asterisk_key, made.asterisk = made.of(AsteriskSpec)[0]
    return made


def extension(number: str, *permissions: str, **forward: str) -> tuple[str, str, dict[str, Any]]:
    account = {"number": number, "generateCredentials": True}
    return "Extension", f"e{number}", {**account, "permissions": list(permissions), "forward": forward}


def carrier(to: Mapping[str, Any] | None = None) -> tuple[str, str, dict[str, Any]]:
    inbound = [{"did": "4930", "to": to}] if to else []
    return "SipTrunk", "a", {"host": "192.0.2.1", "outbound": ROUTES, "inbound": inbound}


@pytest.mark.parametrize(
    ("forward", "permissions", "reason"),
    [
        ({"unconditional": "102"}, ["internal"], None),
        ({"busy": "*97"}, ["internal"], None),
        ({"noAnswer": "030123"}, ["national"], None),
        ({"unconditional": "102"}, [], Reason.REFERENCE_MISSING),
        ({"unconditional": "999"}, ["internal"], Reason.REFERENCE_MISSING),
        ({"busy": "030123"}, ["internal"], Reason.REFERENCE_MISSING),
        ({"noAnswer": "112"}, ["internal"], Reason.INVALID),
        ({"busy": "*67112"}, ["internal"], Reason.INVALID),
        ({"busy": "*31#*67112"}, ["internal"], Reason.INVALID),
        ({"busy": "*67030123"}, ["national"], None),
        ({"busy": "*67030123"}, ["internal"], Reason.REFERENCE_MISSING),
    ],
)
def test_a_forward_must_lead_where_its_extension_may_call(
    forward: dict[str, str], permissions: list[str], reason: Reason | None
) -> None:
    found = list(forwards(draft(carrier(), extension("101", *permissions, **forward), extension("102"))))
    expected = [(Key("Extension", "e101"), reason, f"spec.forward.{next(iter(forward))}", True)] if reason else []
    assert [(key, p.reason, p.field, p.partial) for key, p in found] == expected


@pytest.mark.parametrize(
    ("to", "reason", "field"),
    [
        ({"number": "030123"}, None, ""),
        ({"number": "99"}, Reason.REFERENCE_MISSING, "number"),
        ({"number": "112"}, Reason.INVALID, "number"),
        ({"number": "*67112"}, Reason.INVALID, "number"),
        (
            {"ringGroup": {"members": ["101"], "noAnswer": {"number": "99"}}},
            Reason.REFERENCE_MISSING,
            "ringGroup.noAnswer.number",
        ),
    ],
)
def test_a_number_that_is_dialled_by_itself_needs_a_route(
    to: dict[str, Any], reason: Reason | None, field: str
) -> None:
    found = list(dialled_numbers(draft(carrier(to))))
    expected = [(Key("SipTrunk", "a"), reason, f"spec.inbound[0].to.{field}", True)] if reason else []
    assert [(key, p.reason, p.field, p.partial) for key, p in found] == expected


def test_a_schedule_is_checked_too() -> None:
    ways = {"whenOpen": {"number": "99"}, "whenClosed": {"number": "030123"}}
    found = list(dialled_numbers(draft(carrier(), ("Schedule", "s", ways))))
    assert [(str(key), p.field) for key, p in found] == [("Schedule/s", "spec.whenOpen.number")]
