"""Where CRDs are enforced as a current Kubernetes enforces them: structural schemas, defaults and CEL.

CEL rules (``x-kubernetes-validations``) came with Kubernetes 1.25. Where our API server is that new, it
is used itself. Where it is older, Kubernetes' own CRD server of a current release runs beside it: the
very code that kube-apiserver contains, as a program of its own. It keeps its objects in the same etcd
under another prefix, and asks the API server, its *core*, who a caller is and what he may do.

It has no discovery root, so kubectl cannot use it; speak REST, for which the methods here are enough.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed import ports
from testbed.kube import binaries, build
from testbed.kube.component import Component
from testbed.kube.rest import MERGE_PATCH, Answer, Rest, UnreachableError
from testbed.kube.server import ADMIN, ApiServer

_FIRST_WITH_CEL = (1, 25)
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SECONDS_TO_ESTABLISH = 30
_HTTP_NOT_FOUND = 404
# They need kinds that an old core does not serve, or (NamespaceLifecycle) namespaces that live in the core only.
_NO_ADMISSION = (
    "NamespaceLifecycle,MutatingAdmissionPolicy,MutatingAdmissionWebhook,"
    "ValidatingAdmissionPolicy,ValidatingAdmissionWebhook"
)

Manifest = Mapping[str, Any]


def program() -> Path:
    """The program that enforces CEL here: kube-apiserver where it is new enough, else the CRD server.

    Raises:
        BuildError: it is missing and cannot be had.
    """
    found = binaries.locate()
    return found.kube_apiserver if found.version >= _FIRST_WITH_CEL else build.crd_server()


class CrdServer:
    """CRDs and their objects over REST, with the server's own words for each refusal.

    Use it as a context manager, alone or on an :class:`ApiServer` that runs already. All objects are
    written as the admin unless :meth:`rest` is used with another user of the core.
    """

    def __init__(self, core: ApiServer | None = None) -> None:
        """Prepare one; nothing runs yet.

        Args:
            core: an API server that runs and outlives this; by default one of its own.

        Raises:
            BuildError: a program is missing and cannot be had.
        """
        enforcer = program()
        self._own_core = core is None
        self.core = core or ApiServer()
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}
        self._component: Component | None = None
        self._rest: dict[str, Rest] = {}
        self.url = self.core.url
        if enforcer != self.core.programs.kube_apiserver:
            self._lease = ports.lease(1)
            port = self._lease.take()
            self.url = f"https://{ports.LOOPBACK}:{port}"
            command = self._command(enforcer, port)
            self._component = Component("crd-server", command, directory=self.core.directory)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """The processes that run now, without the core's."""
        return [] if self._component is None or self._component.pid is None else [self._component.pid]

    def start(self) -> None:
        """Start it, and its core if that is its own.

        Raises:
            StoppedEarlyError: a program ended instead; the message carries the end of its log.
            TimeoutError: it was not ready after a minute; likewise.
        """
        if self._own_core:
            self.core.start()
        if self._component is not None:
            self._component.start(self._serves)

    def stop(self) -> None:
        """Stop it, and its core if that is its own; :meth:`start` goes on with the same data."""
        for rest in self._rest.values():
            rest.close()
        if self._component is not None:
            self._component.stop(limit_seconds=2)
        if self._own_core:
            self.core.stop()

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        if self._component is not None:
            self._lease.release()
        if self._own_core:
            self.core.close()

    def rest(self, user: str = ADMIN) -> Rest:
        """Plain REST as a user of the core."""
        if user not in self._rest:
            authority, token = self.core.certificates.authority, self.core.token(user)
            self._rest[user] = Rest(self.url, authority=authority, token=token)
        return self._rest[user]

    def create_crd(self, crd: Manifest) -> Answer:
        """Create a CustomResourceDefinition; when it is accepted, wait until its objects are served.

        Raises:
            TimeoutError: it was accepted and is not served half a minute later, for example because
                its names collide; the message carries its conditions.
        """
        answer = self.rest().request("POST", _CRDS, crd)
        if answer.ok:
            self._learn(crd)
            self._await_served(crd)
        return answer

    def get_crd(self, name: str) -> Answer:
        """Read a CRD back: what the server kept of it, without what it silently dropped."""
        return self.rest().request("GET", f"{_CRDS}/{name}")

    def create(self, resource: Manifest) -> Answer:
        """Create an object of a kind whose CRD was created here.

        The first one may take two seconds: right after it accepted a CRD, the server waits that long
        before it stores an object, in case the CRD's names turn out to collide.
        """
        return self.rest().request("POST", self.collection(resource), resource)

    def update(self, resource: Manifest, *, subresource: str = "") -> Answer:
        """Replace an object (PUT); where the manifest names no resourceVersion, the live one is taken.

        ``subresource`` may be ``status``. Transition rules (``oldSelf``) apply.
        """
        path = self.path(resource)
        metadata = dict(resource["metadata"])
        if "resourceVersion" not in metadata:
            live = self.rest().request("GET", path)
            if not live.ok:
                return live
            metadata["resourceVersion"] = live.body["metadata"]["resourceVersion"]
        suffix = f"/{subresource}" if subresource else ""
        return self.rest().request("PUT", path + suffix, {**resource, "metadata": metadata})

    def patch(self, resource: Manifest, change: Manifest, *, subresource: str = "") -> Answer:
        """Apply a JSON merge patch to an object; only its names are read from ``resource``."""
        suffix = f"/{subresource}" if subresource else ""
        return self.rest().request("PATCH", self.path(resource) + suffix, change, content_type=MERGE_PATCH)

    def get(self, resource: Manifest) -> Answer:
        """Read the live object of the same name."""
        return self.rest().request("GET", self.path(resource))

    def delete(self, resource: Manifest) -> Answer:
        """Delete an object."""
        return self.rest().request("DELETE", self.path(resource))

    def collection(self, resource: Manifest) -> str:
        """The path of all objects of this kind, in this object's namespace (``default`` if it names none).

        Raises:
            KeyError: no CRD of this kind was created here.
        """
        group_version, kind = resource["apiVersion"], resource["kind"]
        plural, namespaced = self._kinds[group_version.partition("/")[0], kind]
        namespace = resource.get("metadata", {}).get("namespace", "default")
        place = f"namespaces/{namespace}/" if namespaced else ""
        return f"/apis/{group_version}/{place}{plural}"

    def path(self, resource: Manifest) -> str:
        """The path of one object."""
        return f"{self.collection(resource)}/{resource['metadata']['name']}"

    def _learn(self, crd: Manifest) -> None:
        spec = crd["spec"]
        names = spec["names"]
        self._kinds[spec["group"], names["kind"]] = (names["plural"], spec["scope"] == "Namespaced")

    def _await_served(self, crd: Manifest) -> None:
        spec = crd["spec"]
        versions = [version["name"] for version in spec["versions"] if version["served"]]
        lists = [f"/apis/{spec['group']}/{version}/{spec['names']['plural']}" for version in versions]
        deadline = time.monotonic() + _SECONDS_TO_ESTABLISH
        while any(self.rest().request("GET", f"{path}?limit=1").status == _HTTP_NOT_FOUND for path in lists):
            if time.monotonic() > deadline:
                name = crd["metadata"]["name"]
                conditions = self.get_crd(name).body.get("status", {}).get("conditions")
                raise TimeoutError(f"{name} is not served: {conditions}")
            time.sleep(0.05)

    def _serves(self) -> bool:
        try:
            return all(self.rest().request("GET", path).ok for path in ("/readyz", _CRDS))
        except UnreachableError:
            return False

    def _command(self, program: Path, port: int) -> list[str | Path]:
        core, keys = self.core.kubeconfig(), self.core.certificates
        return [
            program,
            f"--etcd-servers={self.core.etcd_url}",
            "--etcd-prefix=/crd-server",
            f"--bind-address={ports.LOOPBACK}",
            f"--secure-port={port}",
            f"--tls-cert-file={keys.server_certificate}",
            f"--tls-private-key-file={keys.server_key}",
            f"--cert-dir={self.core.directory}",
            f"--kubeconfig={core}",
            f"--authentication-kubeconfig={core}",
            f"--authorization-kubeconfig={core}",
            "--authentication-skip-lookup",
            f"--disable-admission-plugins={_NO_ADMISSION}",
            # It would watch flow schemas of a version that an old core does not serve.
            "--enable-priority-and-fairness=false",
        ]
