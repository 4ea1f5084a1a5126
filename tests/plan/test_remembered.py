"""What the planner remembers from one plan to the next shows in nothing but the time it takes."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.references import secret_refs
from dialplane.resources.snapshot import Snapshot
from tests.plan.office import snapshot
from tests.plan.rich import MANIFESTS, SECRETS, rich

TEMPLATES = load()


def _changed(index: int, **spec: Any) -> Snapshot:
    manifests = copy.deepcopy(MANIFESTS)
    manifests[index]["spec"].update(spec)
    return snapshot(manifests, SECRETS)


def _with(name: str, **values: str) -> Snapshot:
    return snapshot(MANIFESTS, {**SECRETS, name: {**SECRETS[name], **values}})


def _without(index: int) -> Snapshot:
    return snapshot([m for i, m in enumerate(MANIFESTS) if i != index], SECRETS)


CHANGES = {
    "nothing": rich(),
    "the site's codecs": _changed(0, codecs=["ulaw"]),
    "the protocol of a transport": _changed(0, transports=[{"name": "tls", "protocol": "tcp", "bind": "0.0.0.0:1"}]),
    "a phone's name": _changed(1, displayName="Ada"),
    "a phone's number": _changed(2, number="109"),
    "a phone's password": _with("desk", password="other"),
    "a PIN": _with("desk", pin="1234"),
    "a trunk's account": _with("carrier", username="other"),
    "a certificate": _with("tls", **{"tls.crt": "-----BEGIN CERTIFICATE-----\nother\n"}),
    "no phone": _without(1),
    "no trunk": _without(4),
    "no Asterisk": _without(0),
    "another namespace": Snapshot("other", rich().resources, rich().secrets),
    "a password that does not fit": _with("carrier", username="u" * 7_900),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_is_the_same_whatever_was_planned_before(change: str) -> None:
    planner = Planner(TEMPLATES)
    for site in (rich(), CHANGES[change], rich()):
        assert planner.plan(site) == Planner(TEMPLATES).plan(site)


@settings(deadline=None)  # a plan takes what the machine gives it
@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=6))
def test_a_plan_is_the_same_after_any_history(history: list[str]) -> None:
    planner = Planner(TEMPLATES)
    for change in history:
        plan = planner.plan(CHANGES[change])
    if history:
        assert plan == Planner(TEMPLATES).plan(CHANGES[history[-1]])


def test_every_secret_of_a_rich_site_is_found_by_its_field() -> None:
    found = {
        (k.name, path, name)
        for k, r in rich().resources.items()
        if r.spec
        for path, name, _ in secret_refs(r.spec, k.name)
    }
    assert found == {
        ("pbx", "spec.transports[2].certificateSecretRef", "tls"),
        ("pbx", "spec.transports[3].certificateSecretRef", "tls"),
        ("desk", "spec.credentialsSecretRef", "desk"),
        ("desk", "spec.voicemail.pinSecretRef", "desk"),
        ("plain", "spec.generateCredentials", "plain-credentials"),
        ("browser", "spec.credentialsSecretRef", "browser"),
        ("carrier", "spec.credentialsSecretRef", "carrier"),
    }
