"""The same manifests mean the same through both doors: read from a folder, and applied by kubectl and listed back."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialplane.kube.inventory import CONFIG_MAP, SECRET, Inventory, line_of
from dialplane.kube.operator import references
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import parse
from dialplane.resources.snapshot import Snapshot
from dialplane.standalone.files import read_paths
from dialplane.standalone.site import Site, SiteReader
from testbed.kube.namespace import Namespace
from testbed.kube.server import ApiServer, KubectlError
from testbed.manifests import PLURALS
from tests.system.doors import ROOT

pytestmark = pytest.mark.xdist_group("door-kube")

_SERIAL = itertools.count(1)

PHONE = """
apiVersion: dialplane.io/v1alpha1
kind: Extension
metadata: {{name: phone}}
spec:
  number: "101"
  credentialsSecretRef: {{name: phone}}
  {line}
---
apiVersion: v1
kind: Secret
metadata: {{name: phone}}
stringData: {{username: "101", password: "0123"}}
"""

SAME = [
    'displayName: "0101"',
    "displayName: '101'",
    'displayName: "yes"',
    "displayName: 'null'",
    'displayName: "12:30"',
    'displayName: "1e3"',
    'displayName: "2026-01-02"',
    'displayName: "Zoë Älmås 张伟"',
    'displayName: "\\u00e9t\\u00e9"',
    "displayName: >-\n    two\n    words",
    "displayName: |-\n    one line",
    "displayName: Anna # not Bert",
    "displayName: O'Hara & Sons",
    "displayName: 101a",
    "displayName: !!str 0101",
    "callWaiting: false",
    "callWaiting: True",
    "ringSeconds: 20",
    "ringSeconds: 0x14",
    "permissions: [internal, national]",
    "permissions: []",
    "permissions:\n  - internal\n  - local",
    "forward: {busy: '0049301', noAnswer: \"*97\"}",
    "voicemail: {enabled: true, pinSecretRef: {name: phone, key: password}}",
]
# What one of the two would understand otherwise, or not at all.
REFUSED = [
    "displayName: 0101",
    "displayName: 101",
    "displayName: yes",
    "displayName: 1e3",
    "displayName: 12:30",
    "displayName: 2026-01-02",
    "displayName: null",
    "callWaiting: yes",
    'callWaiting: "false"',
    "callWaiting: off",
    "ringSeconds: 020",
    'ringSeconds: "20"',
    "ringSeconds: 1_0",
    "ringSeconds: 20.5",
    "permissions: internal",
    "permissions: [everything]",
    "forward: {busy: 0049301}",
    "forward: {busy: 112}",
]


PEOPLE = """
apiVersion: dialplane.io/v1alpha1
kind: Campaign
metadata: {{name: spring}}
spec:
  tenant: acme
  agents: [{{id: ann, callbackNumber: "+15550100"}}]
  destinations: {{configMapRef: {{name: people, key: may.csv}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: people}}
data:
  {entry}
"""
SAME_LISTS = [
    "may.csv: |\n    number,caseId\n    +15550101,A-1\n",
    "may.csv: |-\n    number\n    +15550101",
    "may.csv: >\n    number\n    +15550101\n",
    'may.csv: "number\\r\\n+15550101\\r\\n"',
    'may.csv: "+15550101"',
    'may.csv: "0101"',
    "may.csv: Zoë 张伟",
    "may.csv: ''",
    "other.csv: text",
    "may.csv: !!str 0101",
]
REFUSED_LISTS = ["may.csv: 15550101", "may.csv: 0101", "may.csv: yes", "may.csv: 12:30", "may.csv: [a]", "may.csv: 1e3"]


@pytest.fixture(scope="module")
def planner() -> Planner:
    return Planner(load())


def from_folder(folder: Path) -> Site:
    return SiteReader().read(read_paths([folder]))


def from_cluster(server: ApiServer, folder: Path) -> Snapshot:
    """What the operator's inventory makes of the server's objects.

    Raises:
        KubectlError: the server does not take the manifests.
    """
    namespace = Namespace(server, f"same-{next(_SERIAL)}")
    namespace.kubectl("apply", "--validate=false", "-f", str(folder))
    inventory = Inventory(namespace.name, tuple(KINDS), parse, references)
    objects: dict[str, list[dict[str, Any]]] = {kind: namespace.items(kind) for kind in PLURALS}
    answer = server.request("GET", f"/api/v1/namespaces/{namespace.name}/secrets")
    objects[SECRET] = [o for o in answer.body["items"] if o["type"] == "Opaque"]
    objects[CONFIG_MAP] = namespace.items(CONFIG_MAP)
    for kind, them in objects.items():
        inventory.listed(kind, [line_of(kind, o["metadata"]) for o in them])
    for kind, them in objects.items():
        for each in them:
            inventory.event(kind, "ADDED", {"kind": kind, "apiVersion": "v1", **each})
    assert inventory.passed, inventory.waiting_for
    found = {o["metadata"]["name"]: o for o in objects[CONFIG_MAP]}
    inventory.reread(CONFIG_MAP, inventory.unread(CONFIG_MAP), found, whole=True)
    return inventory.snapshot()


def meaning(snapshot: Snapshot) -> dict[str, Any]:
    """All that a plan is made of."""
    secrets = {n: {k: v.get_secret_value() for k, v in found.items()} for n, found in snapshot.secrets.items()}
    lists = {name: dict(values) for name, values in snapshot.config_maps.items()}
    found = {str(key): (r.spec, r.problems) for key, r in sorted(snapshot.resources.items())}
    return found | {"Secrets": secrets, "ConfigMaps": lists}


@pytest.mark.parametrize("name", ["office", "elevators", "voice-bot"])
def test_the_example_is_the_same_site(api_server: Callable[[], ApiServer], planner: Planner, name: str) -> None:
    folder = ROOT / "examples" / name
    site, listed = from_folder(folder), from_cluster(api_server(), folder)
    assert not site.findings
    assert meaning(site.snapshot) == meaning(listed)
    here, there = planner.plan(site.snapshot, {}, ""), planner.plan(listed, {}, "")
    assert not here.problems
    assert here.files.keys() == there.files.keys()
    differing = {name for name, text in here.files.items() if there.files[name] != text}
    # A trunk's auth is named by a mark that the namespace keys.
    assert differing <= {"pjsip_auth.conf", "pjsip_endpoint.conf", "pjsip_registration.conf"}


@pytest.mark.parametrize("line", SAME)
def test_a_value_is_read_alike(api_server: Callable[[], ApiServer], tmp_path: Path, line: str) -> None:
    (tmp_path / "phone.yaml").write_text(PHONE.format(line=line))
    site = from_folder(tmp_path)
    assert not site.findings
    assert meaning(site.snapshot) == meaning(from_cluster(api_server(), tmp_path))


@pytest.mark.parametrize("line", REFUSED)
def test_a_value_that_would_be_read_otherwise_is_refused_here(
    api_server: Callable[[], ApiServer], tmp_path: Path, line: str
) -> None:
    (tmp_path / "phone.yaml").write_text(PHONE.format(line=line))
    site = from_folder(tmp_path)
    assert site.findings
    assert all(resource.spec is None for resource in site.snapshot.resources.values())
    try:
        listed = from_cluster(api_server(), tmp_path)
    except KubectlError:
        return  # refused there, too
    # Taken there, by a reader that is sure of what ours calls doubtful, or by a server that drops an empty field.
    assert any(re.search("readers|no value", finding.message) for finding in site.findings) or any(
        resource.spec is None for resource in listed.resources.values()
    ), meaning(listed)


@pytest.mark.parametrize("entry", SAME_LISTS)
def test_a_config_map_is_read_alike(api_server: Callable[[], ApiServer], tmp_path: Path, entry: str) -> None:
    (tmp_path / "people.yaml").write_text(PEOPLE.format(entry=entry))
    site = from_folder(tmp_path)
    assert not site.findings
    assert site.snapshot.config_maps
    assert meaning(site.snapshot) == meaning(from_cluster(api_server(), tmp_path))


@pytest.mark.parametrize("entry", REFUSED_LISTS)
def test_a_value_of_a_config_map_that_would_be_read_otherwise_is_refused_here(
    api_server: Callable[[], ApiServer], tmp_path: Path, entry: str
) -> None:
    (tmp_path / "people.yaml").write_text(PEOPLE.format(entry=entry))
    errors = from_folder(tmp_path).errors
    assert errors
    try:
        from_cluster(api_server(), tmp_path)
    except KubectlError:
        return  # refused there, too
    assert any("readers" in finding.message for finding in errors)
