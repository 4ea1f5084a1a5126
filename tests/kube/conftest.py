"""A real API server for all of these tests, a namespace of its own for each test, and an operator in it."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dialplane.kube.api import Connection, KubeApi
from dialplane.kube.operator import Operator, Options
from dialplane.reconcile.site import Ports
from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import API_VERSION, GROUP
from testbed.kube.namespace import OPERATOR
from testbed.kube.rest import MERGE_PATCH, Answer
from testbed.kube.server import ApiServer
from tests.conftest import LIMITED
from tests.eventually import eventually
from tests.kube.proxy import Proxy
from tests.kube.trivial import TrivialSite

__all__ = ["LIMITED", "OPERATOR", "Proxy"]  # names of other modules that tests take from here

CRDS = Path(__file__).parents[2] / "crds"
_SERIAL = itertools.count(1)


def crd(kind: str) -> dict[str, Any]:
    """The real CRD, as it is shipped."""
    found: dict[str, Any] = YAML(typ="safe").load(CRDS / f"{GROUP}_{KINDS[kind].plural}.yaml")
    return found


def install(server: ApiServer, kind: str) -> None:
    answer = server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd(kind))
    assert answer.ok, answer.message
    path = f"/apis/{API_VERSION}/{KINDS[kind].plural}"
    for _ in range(300):
        if server.request("GET", path).ok:
            return
        time.sleep(0.05)
    raise AssertionError(path)


def rules(*, without: tuple[str, str] = ("", "")) -> list[dict[str, Any]]:
    """The operator's Role; `without` (resource, verb) is left out."""
    plurals = [k.plural for k in KINDS.values()]
    wanted = [
        *((GROUP, p, ["list", "watch"]) for p in plurals),
        *((GROUP, f"{p}/status", ["patch"]) for p in plurals),
        ("", "secrets", ["list", "watch"]),
        ("", "configmaps", ["list", "watch"]),
        ("", "events", ["create", "patch"]),
        ("coordination.k8s.io", "leases", ["get", "create", "update"]),
    ]
    resource, verb = without
    return [
        {"apiGroups": [group], "resources": [name], "verbs": [v for v in verbs if (name, v) != (resource, verb)]}
        for group, name, verbs in wanted
        if any((name, v) != (resource, verb) for v in verbs)
    ]


@dataclass
class Site:
    """One namespace of the server."""

    server: ApiServer
    namespace: str
    logs: list[str] = field(default_factory=list)

    def path(self, kind: str, name: str = "") -> str:
        if kind in KINDS:
            root = f"/apis/{API_VERSION}/namespaces/{self.namespace}/{KINDS[kind].plural}"
        elif kind == "Lease":
            root = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        else:
            root = f"/api/v1/namespaces/{self.namespace}/{kind.lower()}s"
        return f"{root}/{name}" if name else root

    def create(self, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
        return self.ok(self.server.request("POST", self.path(kind), body))

    def extension(self, name: str, number: str = "101", **more: Any) -> dict[str, Any]:
        spec = {"number": number, "credentialsSecretRef": {"name": f"{name}-sip"}, **more}
        return self.create("Extension", name, spec)

    def secret(self, name: str, **values: str) -> dict[str, Any]:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
        return self.ok(self.server.request("POST", self.path("Secret"), body))

    def config_map(self, name: str, **values: str) -> dict[str, Any]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}
        return self.ok(self.server.request("POST", self.path("ConfigMap"), body))

    def patch(self, kind: str, name: str, change: dict[str, Any], subresource: str = "") -> dict[str, Any]:
        path = self.path(kind, name) + (f"/{subresource}" if subresource else "")
        return self.ok(self.server.rest().request("PATCH", path, change, content_type=MERGE_PATCH))

    def delete(self, kind: str, name: str) -> None:
        self.ok(self.server.request("DELETE", self.path(kind, name)))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self.ok(self.server.request("GET", self.path(kind, name)))

    def items(self, kind: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.ok(self.server.request("GET", self.path(kind)))["items"]
        return items

    def grant(self, user: str, role: list[dict[str, Any]]) -> None:
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        self.ok(self.server.request("POST", f"{rbac}/roles", {"metadata": {"name": user}, "rules": role}))
        binding = {
            "metadata": {"name": user},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
            "roleRef": {"kind": "Role", "apiGroup": "rbac.authorization.k8s.io", "name": user},
        }
        self.ok(self.server.request("POST", f"{rbac}/rolebindings", binding))

    def revoke(self, user: str) -> None:
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        self.ok(self.server.request("DELETE", f"{rbac}/rolebindings/{user}"))

    def status_patches(self) -> int:
        """How many status patches the server has answered, by its own count (of all namespaces)."""
        text = self.server.request("GET", "/metrics").text
        lines = [line for line in text.splitlines() if line.startswith("apiserver_request_total{")]
        ours = [x for x in lines if 'verb="PATCH"' in x and 'subresource="status"' in x and f'group="{GROUP}"' in x]
        return sum(int(float(line.rpartition(" ")[2])) for line in ours)

    @staticmethod
    def ok(answer: Answer) -> dict[str, Any]:
        assert answer.ok, f"{answer.status}: {answer.message}"
        return answer.body


@pytest.fixture
def site(server: ApiServer) -> Site:
    namespace = f"site-{next(_SERIAL)}"
    server.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    made = Site(server, namespace)
    made.grant(OPERATOR, rules())
    return made


class Running:
    """An operator in this process and loop; `site` is its current site loop."""

    def __init__(self) -> None:
        self.sites: list[TrivialSite] = []
        self.operator: Operator
        self.task: asyncio.Task[None]

    def make_site(self, ports: Ports) -> TrivialSite:
        self.sites.append(TrivialSite(ports))
        return self.sites[-1]

    @property
    def rounds(self) -> int:
        return sum(len(s.rounds) for s in self.sites)

    async def until(self, condition: Callable[[], object], seconds: float = 15.0) -> None:
        """Wait for it; what ends the operator ends the test with its error."""

        def holds() -> object:
            if self.task.done():
                self.task.result()
                raise AssertionError("the operator ended")
            return condition()

        await eventually(holds, seconds)

    async def quiet(self, seconds: float = 0.7) -> None:
        """Wait until no round happened for so long."""
        before = -1
        while before != self.rounds:
            before = self.rounds
            await asyncio.sleep(seconds)


Start = Callable[..., Any]


@asynccontextmanager
async def operating(kubeconfig: Path, namespace: str, **options: Any) -> AsyncIterator[Running]:
    running = Running()
    connection = Connection(kubeconfig=str(kubeconfig))
    given = Options(namespace, running.make_site, connection=connection, **{"listen": "", "lease": False, **options})
    stop = asyncio.Event()
    async with KubeApi(await connection.configuration()) as api:
        running.operator = Operator(given, api)
        running.task = asyncio.create_task(running.operator.run(stop))
        try:
            yield running
        finally:
            ended_by_itself = running.task.done()
            stop.set()
            await asyncio.wait({running.task}, timeout=10)
            assert running.task.done(), "the operator did not stop"
            if not ended_by_itself:
                running.task.result()


@pytest.fixture
def operate(site: Site) -> Callable[..., Any]:
    """Start an operator in the test's namespace: `async with operate(...) as running`."""

    def start(user: str = OPERATOR, kubeconfig: Path | None = None, **options: Any) -> Any:
        config = kubeconfig or site.server.kubeconfig(user, namespace=site.namespace)
        return operating(config, site.namespace, **options)

    return start


@pytest.fixture
async def proxy(server: ApiServer) -> AsyncIterator[Proxy]:
    made = Proxy(server.url)
    await made.mend()
    yield made
    await made.cut()


Eventually = Callable[[Callable[[], object]], Awaitable[None]]
