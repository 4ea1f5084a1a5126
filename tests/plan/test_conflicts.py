"""Two resources that Asterisk could not tell apart, and accounts that it could not use."""

from typing import Any

import pytest
from pydantic import SecretStr

from dialplane.plan.checks.conflicts import duplicate_names
from dialplane.plan.checks.secrets import secrets
from dialplane.plan.draft import Draft
from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION, parse
from dialplane.resources.problem import Reason

WAYS = {"whenOpen": {"hangup": True}, "whenClosed": {"hangup": True}}


def draft(*manifests: tuple[str, str, dict[str, Any]], username: str = "user") -> Draft:
    resources = [
        parse({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})
        for kind, name, spec in manifests
    ]
    account = {"account": {"username": SecretStr(username), "password": SecretStr("secret")}}
    return Draft({each.key: each for each in resources}, {each.key: account for each in resources})


@pytest.mark.parametrize(("kind", "spec"), [("SipTrunk", {"host": "192.0.2.1"}), ("Schedule", WAYS)])
def test_names_that_differ_by_dashes_alone_are_one_to_asterisk(kind: str, spec: dict[str, Any]) -> None:
    found = list(duplicate_names(draft((kind, "a-b", spec), (kind, "ab", spec), (kind, "ac", spec))))
    assert [(key, p.reason, p.field, p.partial) for key, p in found] == [
        (Key(kind, "ab"), Reason.CONFLICT, "metadata.name", False)
    ]


@pytest.mark.parametrize(
    ("username", "usable"),
    [("49301234", True), ("a.b_c-d+e*f#g", True), ("a;b", True), ("a@example.com", False), ("ü", False), ("a b", False)]
    + [(f"a{sign}b", False) for sign in '\\"<>[]{}|^`'],
)
def test_a_trunk_registers_under_a_name_that_fits_in_an_address(username: str, usable: bool) -> None:
    account = {"host": "192.0.2.1", "credentialsSecretRef": {"name": "account"}}
    silent, registering = ("SipTrunk", "silent", account), ("SipTrunk", "loud", {**account, "registration": {}})
    found = list(secrets(draft(silent, registering, username=username)))
    expected = [] if usable else [(Key("SipTrunk", "loud"), Reason.SECRET_INVALID, "spec.credentialsSecretRef")]
    assert [(key, p.reason, p.field) for key, p in found] == expected
    assert all(username not in p.message for _, p in found)
