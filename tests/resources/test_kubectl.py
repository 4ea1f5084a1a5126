"""kubectl and an old API server take the CRDs, and show them to people as meant."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth, status_of
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import API_VERSION
from dialplane.resources.problem import Reason
from testbed.kube.rest import MERGE_PATCH
from testbed.kube.server import ApiServer
from tests.resources.examples import EXAMPLES as FORMS
from tests.resources.examples import MINIMAL

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def server(server: ApiServer) -> ApiServer:
    """One that publishes what `explain` reads, which it does a moment after a kind is served."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        text = server.request("GET", "/openapi/v2").text
        if all(f'"kind":"{kind}"' in text for kind in KINDS):
            return server
        time.sleep(0.5)
    raise TimeoutError("the API server does not publish the kinds")


@pytest.mark.parametrize("kind", KINDS)
def test_kubectl_explains_a_spec(server: ApiServer, kind: str) -> None:
    text = server.kubectl("explain", f"{KINDS[kind].plural}.dialplane.io.spec")
    for name, field in KINDS[kind].spec_schema["properties"].items():
        assert name in text
        first_words = " ".join(field["description"].split()[:3])
        assert first_words in " ".join(text.split())


@pytest.mark.parametrize("kind", KINDS)
def test_kubectl_get_shows_the_columns(server: ApiServer, kind: str) -> None:
    manifest = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "example"}, "spec": MINIMAL[kind]}
    server.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    for name in (f"{KINDS[kind].plural}.dialplane.io", *KINDS[kind].short_names):
        heading = server.kubectl("get", name, "-o", "wide").splitlines()[0].split()
        assert heading == ["NAME", *(column.name.upper() for column in KINDS[kind].columns)]
    heading = server.kubectl("get", name).splitlines()[0].split()
    assert heading == ["NAME", *(column.name.upper() for column in KINDS[kind].columns if not column.wide)]


def test_kubectl_shows_the_reason_of_what_is_down(server: ApiServer) -> None:
    key = Key("SipTrunk", "down")
    manifest = {"apiVersion": API_VERSION, "kind": key.kind, "metadata": {"name": "down"}, "spec": MINIMAL[key.kind]}
    server.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    conditions = (
        Condition(ConditionType.READY, Truth.TRUE, Reason.VERIFIED, "runs this version"),
        Condition(ConditionType.REACHABLE, Truth.FALSE, Reason.UNREACHABLE, "no answer to OPTIONS"),
    )
    status = status_of(Report(key, "", 1, conditions), {}, datetime.now(UTC))
    path = f"/apis/{API_VERSION}/namespaces/default/siptrunks/down/status"
    answer = server.rest().request("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
    assert answer.ok, answer.message
    shown = server.kubectl("get", "siptrunks", "down", "-o", "wide").splitlines()[1].split()
    assert shown[-5:] == ["Unreachable", "no", "answer", "to", "OPTIONS"]


def test_one_word_lists_every_kind(server: ApiServer) -> None:
    server.kubectl("get", "dialplane")
    resources = server.kubectl("api-resources", "--categories=dialplane", "-o", "name").split()
    assert sorted(resources) == sorted(f"{kind.plural}.dialplane.io" for kind in KINDS.values())


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_what_is_applied_twice_is_unchanged(server: ApiServer, example: str) -> None:
    namespace = f"applied-{example}"
    server.kubectl("create", "namespace", namespace)
    apply = ("apply", "--namespace", namespace, "-f", str(EXAMPLES / example))
    assert all(line.endswith(" created") for line in server.kubectl(*apply).splitlines())
    # Kubernetes keeps a Secret's stringData as data, so that some versions of kubectl find a difference in every one.
    again = [line for line in server.kubectl(*apply).splitlines() if not line.startswith("secret/")]
    assert again
    assert [line for line in again if not line.endswith(" unchanged")] == []


def test_a_manifest_of_any_form_is_unchanged_the_second_time(server: ApiServer) -> None:
    specs = [(kind, spec) for kind, spec in MINIMAL.items()]
    specs += [(example.kind, example.admitted) for examples in FORMS.values() for example in examples]
    manifests = [
        {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": f"form-{number}"}, "spec": spec}
        for number, (kind, spec) in enumerate(specs)
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    server.kubectl("apply", "-f", "-", stdin=text, limit_seconds=60)
    again = server.kubectl("apply", "-f", "-", stdin=text, limit_seconds=60).splitlines()
    assert len(again) == len(manifests)
    assert [line for line in again if not line.endswith(" unchanged")] == []
