"""The real Kubernetes API of the test bed: what every test that builds on it may rely on."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from testbed import cache
from testbed.kube import binaries, build, crd_server
from testbed.kube.component import Component
from testbed.kube.crd_server import CrdServer
from testbed.kube.rest import Rest, UnreachableError
from testbed.kube.server import ApiServer, KubectlError
from testbed.process import StoppedEarlyError

ROOT = Path(__file__).parents[2]


def manifest(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    version = {"Lease": "coordination.k8s.io/v1"}.get(kind, "v1")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "default"}, **fields}


def crd(schema: dict[str, Any], *, plural: str = "lines", kind: str = "Line") -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.testbed.dialplane.io"},
        "spec": {
            "group": "testbed.dialplane.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": schema, "status": {"type": "object"}},
                        }
                    },
                }
            ],
        },
    }


def line(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "testbed.dialplane.io/v1", "kind": "Line", "metadata": {"name": name}, "spec": spec}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if alive(pid)]}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer({"reader": (), "nobody": (), "member": ("operators",)}) as server:
        yield server


@pytest.fixture(scope="module")
def crds(api: ApiServer) -> Iterator[CrdServer]:
    with CrdServer(api) as server:
        rules = [
            {"rule": "self.first <= self.last", "message": "first must not exceed last"},
            {"rule": "self.number == oldSelf.number", "message": "number is immutable"},
        ]
        schema = {
            "type": "object",
            "required": ["number"],
            "properties": {
                "number": {"type": "string", "maxLength": 20},
                "first": {"type": "integer", "default": 1},
                "last": {"type": "integer", "default": 9},
            },
            "x-kubernetes-validations": rules,
        }
        answer = server.create_crd(crd(schema))
        assert answer.ok, answer.message
        yield server


def test_a_server_is_ready_and_says_its_version(api: ApiServer) -> None:
    version = json.loads(api.kubectl("version", "-o", "json"))["serverVersion"]
    assert (int(version["major"]), int(version["minor"].rstrip("+"))) == api.version
    assert "default" in api.kubectl("get", "namespaces")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/namespaces", manifest("Namespace", "site-a") | {"metadata": {"name": "site-a"}}),
        ("/api/v1/namespaces/default/secrets", manifest("Secret", "trunk", stringData={"password": "x"})),
        (
            "/api/v1/namespaces/default/events",
            manifest("Event", "event", involvedObject={"namespace": "default"}),
        ),
        ("/apis/coordination.k8s.io/v1/namespaces/default/leases", manifest("Lease", "leader", spec={})),
        ("/api/v1/namespaces/default/serviceaccounts", manifest("ServiceAccount", "operator")),
    ],
    ids=["namespace", "secret", "event", "lease", "service account"],
)
def test_no_admission_stands_in_the_way_of(api: ApiServer, path: str, body: dict[str, Any]) -> None:
    answer = api.request("POST", path, body)
    assert answer.status == 201, answer.message


def test_rbac_refuses_a_user_without_rights(api: ApiServer) -> None:
    refusal = api.request("GET", "/api/v1/namespaces/default/secrets", user="nobody")
    assert refusal.status == 403
    assert 'User "nobody" cannot list resource "secrets"' in refusal.message
    with pytest.raises(KubectlError, match="Forbidden"):
        api.kubectl("get", "secrets", user="nobody")


@pytest.mark.parametrize(("subject", "user"), [("--user=reader", "reader"), ("--group=operators", "member")])
def test_rbac_admits_a_user_to_whom_a_binding_grants_it(api: ApiServer, subject: str, user: str) -> None:
    api.kubectl("create", "role", f"read-{user}", "--verb=list", "--resource=secrets")
    api.kubectl("create", "rolebinding", f"read-{user}", f"--role=read-{user}", subject)
    assert api.request("GET", "/api/v1/namespaces/default/secrets", user=user).status == 200
    assert api.request("GET", "/api/v1/namespaces/default/configmaps", user=user).status == 403


def test_an_unknown_token_is_nobody(api: ApiServer) -> None:
    rest = Rest(api.url, authority=api.certificates.authority, token="made-up")
    assert rest.request("GET", "/api/v1/namespaces").status == 401


def test_what_holds_keys_is_ours_alone(api: ApiServer) -> None:
    assert api.directory.stat().st_mode & 0o077 == 0
    assert api.kubeconfig("reader").stat().st_mode & 0o077 == 0


def test_an_outage_keeps_data_address_and_tokens_and_two_servers_share_nothing(api: ApiServer) -> None:
    with ApiServer() as other:
        config = other.kubeconfig()
        other.kubectl("create", "configmap", "kept", "--from-literal=answer=42")
        assert api.request("GET", "/api/v1/namespaces/default/configmaps/kept").status == 404

        other.stop()
        assert other.pids == []
        with pytest.raises(UnreachableError):
            other.request("GET", "/readyz")
        assert api.request("GET", "/readyz").ok

        other.start()
        assert other.kubeconfig().read_text() == config.read_text()
        assert other.request("GET", "/api/v1/namespaces/default/configmaps/kept").body["data"] == {"answer": "42"}

        other.kill()
        other.start()
        assert other.request("GET", "/api/v1/namespaces/default/configmaps/kept").ok
        pids, directory = other.pids, other.directory
        assert len(pids) == 2
    wait_until_gone(pids)
    assert not directory.exists()


def test_no_process_outlives_a_parent_that_is_killed() -> None:
    program = (
        "import time; from testbed.kube.server import ApiServer\n"
        "server = ApiServer(); server.start(); print(*server.pids, server.directory, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        *pids, directory = parent.stdout.readline().split()
        assert all(alive(int(pid)) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    wait_until_gone([int(pid) for pid in pids])
    subprocess.run(["rm", "-r", directory], check=True)


def test_a_program_that_fails_to_start_says_why(tmp_path: Path) -> None:
    component = Component("server", ["sh", "-c", "echo no such flag; exit 3"], directory=tmp_path)
    with pytest.raises(StoppedEarlyError, match=r"server ended with 3\nno such flag"):
        component.start(lambda: False)


def test_programs_named_by_the_environment_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / name).write_text("#!/bin/sh\necho Kubernetes v1.36.2\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    found = binaries.locate()
    assert found.kube_apiserver == tmp_path / "kube-apiserver"
    assert found.etcd == tmp_path / "etcd"
    assert found.version == (1, 36)


def archive_of(names: tuple[str, ...]) -> bytes:
    """Laid out as the release archives are: programs two folders deep, and nothing else of interest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in names:
            content = f"#!/bin/sh\necho {name} Kubernetes v1.36.2\n".encode()
            member = tarfile.TarInfo(f"controller-tools/envtest/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """A machine with an empty cache and nothing installed, and a release site that it reaches."""
    published = archive_of(("README.md", "etcd", "kube-apiserver", "kubectl"))

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(published)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(binaries.shutil, "which", lambda _name: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        Thread(target=site.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{site.server_port}/{{version}}-{{machine}}.tar.gz"
        monkeypatch.setattr(binaries, "_ENVTEST", address)
        yield published
        site.shutdown()


def test_a_release_archive_is_used_when_its_hash_is_the_published_one(
    release: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha512(release).hexdigest()
    monkeypatch.setattr(binaries, "_ENVTEST_SHA512", {"amd64": digest, "arm64": digest})
    found = binaries.locate()
    assert found.version == (1, 36)
    assert found.etcd.parent == found.kube_apiserver.parent == found.kubectl.parent
    assert os.access(found.etcd, os.X_OK)

    monkeypatch.setattr(binaries, "_ENVTEST", "http://127.0.0.1:1/gone")
    assert binaries.locate() == found, "works offline afterwards"


@pytest.mark.usefixtures("release")
def test_a_release_archive_with_another_hash_is_an_error_and_leaves_nothing() -> None:
    for _ in range(2):
        with pytest.raises(cache.BuildError, match="SHA-512 differs"):
            binaries.locate()


@pytest.mark.usefixtures("release")
def test_without_release_site_it_builds_and_a_failed_build_is_never_taken_for_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_mirror(*_: object, **__: object) -> Path:
        raise cache.BuildError("no mirror either")

    monkeypatch.setattr(binaries, "_ENVTEST", "http://127.0.0.1:1/refused")
    monkeypatch.setattr(binaries.debian, "tree", no_mirror)
    for _ in range(2):
        with pytest.raises(cache.BuildError, match="no mirror either"):
            binaries.locate()
        assert not build.is_built()


def test_a_discarded_artefact_is_made_again_when_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built: list[Path] = []
    path = cache.artefact("part/one", built.append)
    cache.discard(path)
    assert not path.exists()
    cache.discard(path)
    assert cache.artefact("part/one", built.append) == path
    assert len(built) == 2


def test_where_the_api_server_enforces_cel_itself_it_is_the_crd_server(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crd_server, "_FIRST_WITH_CEL", api.version)
    with CrdServer(api) as server:
        assert server.url == api.url
        assert server.pids == []
        assert server.create_crd(crd({"type": "object"}, plural="trunks", kind="Trunk")).ok
        resource = {**line("carrier"), "kind": "Trunk"}
        assert server.create(resource).ok
    assert api.kubectl("get", "trunks.testbed.dialplane.io", "-o", "name").strip().endswith("/carrier")


def test_the_crd_server_admits_what_satisfies_its_rules_and_fills_in_defaults(crds: CrdServer) -> None:
    answer = crds.create(line("good", number="101", last=5))
    assert answer.status == 201, answer.message
    assert answer.body["spec"] == {"number": "101", "first": 1, "last": 5}


def test_the_crd_server_refuses_what_breaks_a_cel_rule_and_says_which(crds: CrdServer) -> None:
    refusal = crds.create(line("bad", number="101", first=7, last=5))
    assert refusal.status == 422
    assert "first must not exceed last" in refusal.message


def test_the_crd_server_enforces_transition_rules(crds: CrdServer) -> None:
    assert crds.create(line("moving", number="102")).ok
    assert crds.update(line("moving", number="102", last=7)).ok
    refusal = crds.update(line("moving", number="103"))
    assert refusal.status == 422
    assert "number is immutable" in refusal.message


def test_a_status_is_written_apart_from_the_spec(crds: CrdServer) -> None:
    resource = line("reporting", number="104")
    assert crds.create(resource).ok
    assert crds.patch(resource, {"status": {}, "spec": {"last": 3}}, subresource="status").ok
    assert crds.get(resource).body["spec"]["last"] == 9
    assert crds.delete(resource).ok
    assert crds.get(resource).status == 404


def test_a_crd_whose_rule_does_not_compile_is_refused_with_the_reason(crds: CrdServer) -> None:
    schema = {"type": "object", "x-kubernetes-validations": [{"rule": "self.nothing > 1"}]}
    refusal = crds.create_crd(crd(schema, plural="wrongs", kind="Wrong"))
    assert crds.get_crd("wrongs.testbed.dialplane.io").status == 404
    assert refusal.status == 422
    assert "undefined field 'nothing'" in refusal.message


def test_the_crd_server_knows_the_users_of_its_core(api: ApiServer, crds: CrdServer) -> None:
    path = crds.collection(line("any"))
    assert crds.rest("nobody").request("GET", path).status == 403
    # Not `kubectl create role`: it looks the resource up in the core, which may not serve it.
    rule = {"apiGroups": ["testbed.dialplane.io"], "resources": ["lines"], "verbs": ["list"]}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "lines"},
        "rules": [rule],
    }
    assert api.request("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", role).ok
    api.kubectl("create", "rolebinding", "lines", "--role=lines", "--user=reader")
    assert crds.rest("reader").request("GET", path).status == 200
