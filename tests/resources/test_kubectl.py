"""kubectl and an old API server take the CRDs, and show them to people as meant."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import API_VERSION
from testbed.kube.server import ApiServer
from tests.resources.examples import MINIMAL

pytestmark = pytest.mark.xdist_group("kubectl-resources")  # one server for all of them

FOLDER = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        running.kubectl("apply", "-f", str(FOLDER), "--validate=false" if running.version < (1, 25) else "--validate")
        running.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        _await_openapi(running)
        yield running


def _await_openapi(running: ApiServer) -> None:
    """An API server publishes what `explain` reads a moment after a kind is served."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        text = running.request("GET", "/openapi/v2").text
        if all(f'"kind":"{kind}"' in text for kind in KINDS):
            return
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


def test_one_word_lists_every_kind(server: ApiServer) -> None:
    server.kubectl("get", "dialplane")
    resources = server.kubectl("api-resources", "--categories=dialplane", "-o", "name").split()
    assert sorted(resources) == sorted(f"{kind.plural}.dialplane.io" for kind in KINDS.values())
