"""An API server of one's own: etcd and kube-apiserver on loopback, with RBAC on and named users.

Users authenticate with tokens (``--token-auth-file``), which needs no certificate per user. The
member :data:`ADMIN` is in ``system:masters`` and may do all; every other user may do nothing until a
RoleBinding says so, exactly as in a cluster.
"""

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import ports
from testbed.kube import binaries, certificates
from testbed.kube.component import Component
from testbed.kube.rest import Answer, Rest, UnreachableError

ADMIN = "admin"
_MASTERS = "system:masters"
_PORTS = 3
# Plug-ins that wait for a controller manager, which there is none of: without them nobody makes the
# ServiceAccount "default" that the first asks for.
_NO_ADMISSION = "ServiceAccount"


class KubectlError(RuntimeError):
    """kubectl ended with an error; the message is what it wrote to stderr."""


class ApiServer:
    """A running Kubernetes API, ready in a few seconds, gone without a trace at the end.

    Use it as a context manager. Any number may run side by side. :meth:`stop` and :meth:`start` make
    an outage: data, ports, tokens and certificates stay the same.
    """

    def __init__(
        self,
        users: Iterable[str] | Mapping[str, Sequence[str]] = (),
        *,
        directory: Path | None = None,
        audited: Sequence[str] = (),
    ) -> None:
        """Prepare one; nothing runs yet.

        Args:
            users: further users, by name, or by name with the groups each is in.
            audited: users whose every request is recorded, a JSON line each, in :attr:`audit_log`.
            directory: where data, keys and logs live and stay; by default a directory of its own,
                removed at the end.

        Raises:
            BuildError: a program is missing and cannot be had.
        """
        self.programs = binaries.locate()
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="dialplane-kube-"))
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        groups = users if isinstance(users, Mapping) else dict.fromkeys(users, ())
        self._groups: dict[str, Sequence[str]] = {ADMIN: (_MASTERS,), **groups}
        self._tokens = {name: secrets.token_urlsafe(24) for name in self._groups}
        self._lease = ports.lease(_PORTS)
        etcd_port, peer_port, port = (self._lease.take() for _ in range(_PORTS))
        self.url = f"https://{ports.LOOPBACK}:{port}"
        self.etcd_url = f"http://{ports.LOOPBACK}:{etcd_port}"
        self.certificates = certificates.make(self.directory)
        self._write_tokens()
        self._audited = tuple(audited)
        self.audit_log = self.directory / "audit.log"
        self._etcd = Component("etcd", self._etcd_command(peer_port), directory=self.directory)
        self._server = Component("kube-apiserver", self._server_command(port), directory=self.directory)
        self._etcd_port = etcd_port
        self._rest: dict[str, Rest] = {}

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
    def version(self) -> tuple[int, int]:
        """Of the API, such as ``(1, 36)``."""
        return self.programs.version

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [component.pid for component in (self._etcd, self._server) if component.pid is not None]

    def start(self) -> None:
        """Start it and wait until it serves; after :meth:`stop` or :meth:`kill`, on the same data and ports.

        Raises:
            StoppedEarlyError: a program ended instead; the message carries the end of its log.
            TimeoutError: it was not ready after a minute; likewise.
        """
        self._etcd.start(self._etcd_listens)
        self._server.start(self._serves)

    def stop(self) -> None:
        """Stop it; clients find the port closed until :meth:`start`.

        A server asked to end waits a minute for open watches, so it gets two seconds: what it has
        confirmed is in etcd, which is stopped in order.
        """
        for rest in self._rest.values():
            rest.close()
        self._server.stop(limit_seconds=2)
        self._etcd.stop()

    def kill(self) -> None:
        """End both programs at once, as a power cut would."""
        self._server.kill()
        self._etcd.kill()

    def close(self) -> None:
        """Stop it for good, give its ports back, and remove its directory if it made that itself."""
        self.stop()
        self._lease.release()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def token(self, user: str = ADMIN) -> str:
        """The bearer token of ``user``.

        Raises:
            KeyError: this server was made without that user.
        """
        return self._tokens[user]

    def rest(self, user: str = ADMIN) -> Rest:
        """Plain REST as ``user``."""
        if user not in self._rest:
            self._rest[user] = Rest(self.url, authority=self.certificates.authority, token=self.token(user))
        return self._rest[user]

    def request(self, method: str, path: str, body: object = None, *, user: str = ADMIN) -> Answer:
        """Send one request as ``user``; every HTTP status is an answer, none raises.

        Raises:
            UnreachableError: the server does not run.
        """
        return self.rest(user).request(method, path, body)

    def kubeconfig(self, user: str = ADMIN, *, namespace: str = "default") -> Path:
        """A kubeconfig file for ``user``, complete in itself, readable by us alone."""
        authority = base64.b64encode(self.certificates.authority.read_bytes()).decode()
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testbed", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": self.token(user)}}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user, "namespace": namespace}}],
            "current-context": "testbed",
        }
        path = self.directory / f"kubeconfig-{user.replace('/', '_')}-{namespace}"
        # JSON is YAML, and needs no YAML library.
        _write_private(path, json.dumps(content, indent=1))
        return path

    def kubectl(self, *arguments: str, user: str = ADMIN, stdin: str | None = None, limit_seconds: float = 30) -> str:
        """Run kubectl as ``user`` and return what it wrote to stdout.

        Raises:
            KubectlError: it failed; the message says why.
            subprocess.TimeoutExpired: it took longer than ``limit_seconds`` and was killed.
        """
        done = subprocess.run(
            [
                self.programs.kubectl,
                f"--kubeconfig={self.kubeconfig(user)}",
                # Its own, since kubectl files what a server offers under host and port, and ports come again.
                f"--cache-dir={self.directory / 'kubectl-cache'}",
                *arguments,
            ],
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
        )
        if done.returncode != 0:
            raise KubectlError(done.stderr.strip())
        return done.stdout

    def _etcd_listens(self) -> bool:
        try:
            socket.create_connection((ports.LOOPBACK, self._etcd_port), timeout=1).close()
        except OSError:
            return False
        return True

    def _serves(self) -> bool:
        try:
            # The namespace comes last: the server makes it itself, some time after it calls itself ready.
            return all(self.request("GET", path).ok for path in ("/readyz", "/api/v1/namespaces/default"))
        except UnreachableError:
            return False

    def _write_tokens(self) -> None:
        lines = [f'{self._tokens[user]},{user},{user},"{",".join(groups)}"\n' for user, groups in self._groups.items()]
        _write_private(self.directory / "tokens.csv", "".join(lines))

    def _etcd_command(self, peer_port: int) -> list[str | Path]:
        peer_url = f"http://{ports.LOOPBACK}:{peer_port}"
        command: list[str | Path] = [
            self.programs.etcd,
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
        ]
        # Since 3.5. The data need not survive a power cut of this machine, only a kill, for which the kernel cares.
        unsafe = "--unsafe-no-fsync"
        offered = subprocess.run([self.programs.etcd, "--help"], capture_output=True, text=True, check=False)
        return [*command, unsafe] if unsafe in offered.stdout + offered.stderr else command

    def _server_command(self, port: int) -> list[str | Path]:
        keys = self.certificates
        return [
            self.programs.kube_apiserver,
            f"--etcd-servers={self.etcd_url}",
            f"--bind-address={ports.LOOPBACK}",
            f"--advertise-address={ports.LOOPBACK}",
            f"--secure-port={port}",
            f"--tls-cert-file={keys.server_certificate}",
            f"--tls-private-key-file={keys.server_key}",
            f"--cert-dir={self.directory}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--disable-admission-plugins={_NO_ADMISSION}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={keys.service_account_key}",
            f"--service-account-key-file={keys.service_account_key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            "--profiling=false",
            *self._audit_options(),
        ]

    def _audit_options(self) -> list[str]:
        if not self._audited:
            return []
        policy = self.directory / "audit-policy.json"
        # Written before the answer goes out: whoever has the answer finds the line. Metadata: no bodies, no secrets.
        rules = [{"level": "Metadata", "users": self._audited, "omitStages": ["RequestReceived"]}, {"level": "None"}]
        content = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
        _write_private(policy, json.dumps(content))
        # An audited server is there to measure with: it turns nobody away, as the naive operator's thousands at once
        # would be (429), until kopf gives some up for good.
        patient = ["--max-requests-inflight=3000", "--max-mutating-requests-inflight=6000"]
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}", *patient]


def _write_private(path: Path, content: str) -> None:
    """Write it whole or not at all: a process that starts may read it at this moment."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # 0600
    with os.fdopen(descriptor, "w") as handle:
        handle.write(content)
    Path(name).replace(path)
