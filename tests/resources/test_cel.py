"""A real CRD server judges manifests as the models do: same rules, same words, same defaults."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError, create_model

from dialplane.resources.base import Part
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth, status_of
from dialplane.resources.crd import crd, crds
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import API_VERSION, GROUP
from dialplane.resources.problem import Reason
from dialplane.resources.rule import Rule
from dialplane.resources.schema import schema_of
from testbed.kube.crd_server import CrdServer, program
from testbed.kube.rest import Answer
from testbed.kube.server import ApiServer
from tests.resources.examples import EXAMPLES, MINIMAL, Example, rule_cases
from tests.resources.field_table import TABLES

CASES = [pytest.param(rule, example, id=f"{rule.id}-{n}") for n, (rule, example) in enumerate(rule_cases())]
MERGE_PATCH = "application/merge-patch+json"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def crd_server(server: ApiServer) -> Iterator[CrdServer]:
    # One of its own where that would be the same program, which has the kinds and other tests' objects.
    core = server if program() != server.programs.kube_apiserver else None
    with CrdServer(core) as running:
        for definition in crds().values():
            answer = running.create_crd(definition)
            assert answer.ok, answer.message
        yield running


def manifest(kind: str, spec: Any, name: str = "example") -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": deepcopy(spec)}


def created(crd_server: CrdServer, resource: dict[str, Any]) -> Answer:
    """Create it and delete it again."""
    answer = crd_server.create(resource)
    if answer.ok:
        assert crd_server.delete(resource).ok
    return answer


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_keeps_everything_that_the_crd_says(crd_server: CrdServer, kind: str) -> None:
    sent = crd(KINDS[kind])
    kept = crd_server.rest().request("GET", f"{CRDS}/{sent['metadata']['name']}").body
    conditions = {c["type"]: c["status"] for c in kept["status"]["conditions"]}
    assert conditions.get("Established") == "True"
    assert conditions.get("NamesAccepted") == "True"
    assert "NonStructuralSchema" not in conditions
    kept["spec"].pop("conversion")  # the server's own default
    assert kept["spec"] == sent["spec"]


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_a_rule_admits_the_good_example(crd_server: CrdServer, rule: Rule, example: Example) -> None:
    answer = created(crd_server, manifest(example.kind, example.admitted))
    assert answer.ok, f"{rule.id}: {answer.message}"


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_a_rule_refuses_the_bad_example_in_the_same_words_at_the_same_field(
    crd_server: CrdServer, rule: Rule, example: Example
) -> None:
    answer = created(crd_server, manifest(example.kind, example.refused))
    assert not answer.ok, rule.id
    causes = [(cause["field"], cause["message"]) for cause in answer.body["details"]["causes"]]
    assert [field for field, _ in causes] == [example.path]
    assert rule.message in causes[0][1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_fills_in_the_same_defaults(crd_server: CrdServer, kind: str) -> None:
    for raw in (MINIMAL[kind], *(e.admitted for cases in EXAMPLES.values() for e in cases if e.kind == kind)):
        spec, _ = KINDS[kind].parse_spec(raw)
        assert spec is not None
        kept = created(crd_server, manifest(kind, raw)).body["spec"]
        assert beside_lists(kept) == beside_lists(spec.model_dump(mode="json", by_alias=True, exclude_none=True))
        assert KINDS[kind].parse_spec(kept) == (spec, ())


def beside_lists(value: Any) -> Any:
    """A value but for the items of its lists: below them the server fills in nothing."""
    if isinstance(value, list):
        return len(value)
    return {name: beside_lists(field) for name, field in value.items()} if isinstance(value, dict) else value


def test_an_asterisk_without_a_spec_has_every_default(crd_server: CrdServer) -> None:
    resource = manifest("Asterisk", {})
    del resource["spec"]
    spec, _ = KINDS["Asterisk"].parse_spec(None)
    assert spec is not None
    assert created(crd_server, resource).body["spec"] == spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_null_means_left_out_to_both(crd_server: CrdServer) -> None:
    raw = {"host": "sip.example.com", "port": None, "qualifySeconds": None, "callerIdPolicy": {"format": None}}
    spec, problems = KINDS["SipTrunk"].parse_spec(raw)
    assert spec is not None, problems
    answer = created(crd_server, manifest("SipTrunk", raw))
    assert answer.body["spec"] == spec.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize("name", ["Ada", "a.b", "a" * 64])
def test_a_name_that_others_could_not_refer_to_is_refused(crd_server: CrdServer, name: str) -> None:
    assert not created(crd_server, manifest("Extension", MINIMAL["Extension"], name)).ok


def test_a_status_that_we_write_is_kept_whole(crd_server: CrdServer) -> None:
    resource = manifest("Extension", MINIMAL["Extension"], "reported")
    assert crd_server.create(resource).ok
    conditions = tuple(Condition(kind, Truth.TRUE, Reason.VERIFIED, "m") for kind in ConditionType)
    contacts = [{"uri": "sip:101@192.0.2.9:5060", "userAgent": "Phone/1"}]
    report = Report(Key("Extension", "reported"), "", 1, conditions, {"contacts": contacts})
    status = status_of(report, {}, datetime(2026, 1, 1, tzinfo=UTC))
    answer = crd_server.patch(resource, {"status": status}, subresource="status")
    assert answer.ok, answer.message
    assert answer.body["status"] == status


PROBE = "probes"


@pytest.fixture(scope="module")
def probe(crd_server: CrdServer) -> CrdServer:
    """A kind with one optional field for each shared type: the same patterns under Go's engine."""
    fields: dict[str, Any] = {name: (table.type | None, None) for name, table in TABLES.items()}
    model = create_model("Probe", __base__=Part, **fields)
    definition = crd(KINDS["Extension"])
    definition["metadata"]["name"] = f"{PROBE}.{GROUP}"
    definition["spec"]["names"] = {"kind": "Probe", "listKind": "ProbeList", "plural": PROBE, "singular": "probe"}
    version = definition["spec"]["versions"][0]
    version["schema"]["openAPIV3Schema"]["properties"]["spec"] = deepcopy(schema_of(model))
    version["additionalPrinterColumns"] = []
    answer = crd_server.create_crd(definition)
    assert answer.ok, answer.message
    return crd_server


@pytest.mark.parametrize("name", TABLES)
def test_a_shared_type_means_the_same_to_the_server(probe: CrdServer, name: str) -> None:
    table = TABLES[name]
    for value in (*table.taken, *table.refused, *table.beyond_crd):
        answer = created(probe, manifest("Probe", {name: value}))
        if value in table.beyond_crd:
            assert answer.ok, f"{value!r} is refused by the CRD: list it under `refused`"
        else:
            assert answer.ok == _taken(table.type, value), f"{value!r}: {answer.message}"


def _taken(field: Any, value: Any) -> bool:
    try:
        TypeAdapter(field).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    return True


def test_a_message_never_changes(crd_server: CrdServer) -> None:
    sent = manifest("SmsMessage", MINIMAL["SmsMessage"])
    assert crd_server.create(sent).ok
    try:
        path = f"/apis/{API_VERSION}/namespaces/default/smsmessages/example"
        answer = crd_server.rest().request("PATCH", path, {"spec": {"text": "Another"}}, content_type=MERGE_PATCH)
        assert not answer.ok
        assert "a message never changes: create another" in answer.message
    finally:
        assert crd_server.delete(sent).ok
