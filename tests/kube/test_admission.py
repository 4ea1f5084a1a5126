"""Admission on a real API server, as the chart sets it up: a collision is refused however it is applied.

One operator for all of it, a process without an Asterisk. What kube-proxy does, which is not here, is done by the Service's
`externalName`: the API server calls the name that Helm made the certificate for, and arrives at the process.
"""

import asyncio
import base64
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import testbed.helm
from testbed import ports
from testbed.fork import start
from testbed.kube.server import ApiServer, KubectlError
from testbed.manifests import Manifest, condition, manifest
from tests.eventually import eventually
from tests.kube.conftest import OPERATOR, Site, rules

sys.path.append(str(testbed.helm.folder()))
helm = importlib.import_module("helm_sdkpy")

CHART = Path(__file__).parents[2] / "charts" / "dialplane"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
NAMESPACE = "reviewed"
TAKEN = "spec.number: '101' is taken by Extension/ann; choose another"


def phone(name: str, number: str = "101", **spec: Any) -> Manifest:
    return manifest("Extension", name, number=number, credentialsSecretRef={"name": f"{name}-sip"}, **spec)


class Reviewed:
    """A namespace whose changes are reviewed by an operator that writes its log into the folder."""

    def __init__(self, site: Site, folder: Path, port: int, metrics: int) -> None:
        self.site, self.folder, self.port, self._metrics = site, folder, port, metrics

    def start(self) -> None:
        """The operator, once it answers reviews."""
        words = (
            "operator",
            f"--namespace={NAMESPACE}",
            "--lease=",
            f"--config-dir={self.folder / 'etc'}",
            f"--metrics-address={ports.LOOPBACK}:{self._metrics}",
            f"--webhook-listen={ports.LOOPBACK}:{self.port}",
            f"--webhook-cert={self.folder / 'tls.crt'}",
            f"--webhook-key={self.folder / 'tls.key'}",
        )
        kubeconfig = self.site.server.kubeconfig(OPERATOR, namespace=NAMESPACE)
        env = {"KUBECONFIG": str(kubeconfig), "ASTERISK_AMI_PORT": "1"}
        self._process = start("dialplane.cli:main", words, output=self.folder / "log", env=env, cwd=self.folder)
        self.until(lambda: "webhook_serves" in self.log and "barrier_passed" in self.log)

    def end(self, sig: signal.Signals) -> int | None:
        """The exit code."""
        assert self._process.pid is not None
        os.kill(self._process.pid, sig)
        self._process.join(20)
        return self._process.exitcode

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text() if (self.folder / "log").exists() else ""

    def until(self, condition: Callable[[], object]) -> None:
        asyncio.run(eventually(condition, why=lambda: self.log))

    def apply(self, *manifests: Manifest, options: tuple[str, ...] = (), namespace: str = NAMESPACE) -> str:
        text = "---\n".join(yaml.safe_dump(each) for each in manifests)
        return self.site.server.kubectl("apply", f"--namespace={namespace}", *options, "--filename=-", stdin=text)


def install(server: ApiServer, name: str, chart: Path, action: str = "Install", **values: Any) -> None:
    config = helm.Configuration(namespace=NAMESPACE, kubeconfig=str(server.kubeconfig()))
    asyncio.run(getattr(helm, action)(config).run(name, str(chart), values=values, wait=False))


@pytest.fixture(scope="module")
def reviewed(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    site, folder = Site(server, NAMESPACE), tmp_path_factory.mktemp("reviewed")
    labels = {"kubernetes.io/metadata.name": NAMESPACE}  # by itself since Kubernetes 1.21
    site.ok(server.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": labels}}))
    site.grant(OPERATOR, rules())
    install(server, "office", CHART, admission={"enabled": True})
    for name, value in site.get("Secret", "office-admission")["data"].items():
        (folder / name).write_bytes(base64.b64decode(value))
    site.patch("Service", "office-admission", {"spec": {"type": "ExternalName", "externalName": "localhost"}})
    path = f"{WEBHOOKS}/office.{NAMESPACE}.dialplane.io"
    with ports.lease(2) as lease:
        made = Reviewed(site, folder, lease.take(), lease.take())
        change = [{"op": "replace", "path": "/webhooks/0/clientConfig/service/port", "value": made.port}]
        site.ok(server.rest().request("PATCH", path, change, content_type="application/json-patch+json"))
        made.start()
        site.secret("ann-sip", username="101", password="x")
        made.apply(manifest("Asterisk", "pbx"), phone("ann"))
        made.until(lambda: refused(lambda: made.apply(phone("probe"), options=("--dry-run=server",))))
        yield made
        assert made.end(signal.SIGTERM) == 0, made.log
        assert "kopf_stops_late" not in made.log
        site.ok(server.request("DELETE", path))


def refused(apply: Callable[[], object]) -> str:
    """What kubectl says of a change that is refused; empty where it passes."""
    try:
        apply()
    except KubectlError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "options", [(), ("--server-side",), ("--dry-run=server",), ("--server-side", "--dry-run=server")]
)
def test_a_taken_number_is_refused_and_whose_it_is_said(reviewed: Reviewed, options: tuple[str, ...]) -> None:
    message = refused(lambda: reviewed.apply(phone("bob"), options=options))
    assert f'admission webhook "admission.dialplane.io" denied the request: {TAKEN}' in message
    assert [each["metadata"]["name"] for each in reviewed.site.items("Extension")] == ["ann"]


def test_a_change_into_a_taken_number_is_refused_too(reviewed: Reviewed) -> None:
    reviewed.apply(phone("cid", "103"))
    assert TAKEN in refused(lambda: reviewed.apply(phone("cid")))
    reviewed.apply(phone("cid", "104"))
    assert reviewed.site.get("Extension", "cid")["spec"]["number"] == "104"
    reviewed.site.delete("Extension", "cid")


def test_what_may_follow_is_a_warning(reviewed: Reviewed) -> None:
    dry = ("--dry-run=server", "--warnings-as-errors")
    assert "Warning: spec.credentialsSecretRef: Secret 'dan-sip' does not exist" in refused(
        lambda: reviewed.apply(phone("dan", "105"), options=dry)
    )
    reviewed.apply(phone("ann"), options=dry)


def test_a_helm_upgrade_is_refused_as_a_whole(reviewed: Reviewed, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: phones, version: 0.1.0}")
    (tmp_path / "templates" / "phone.yaml").write_text(yaml.safe_dump(phone("eve", "106")))
    install(reviewed.site.server, "phones", tmp_path)
    (tmp_path / "templates" / "phone.yaml").write_text(yaml.safe_dump(phone("eve")))
    with pytest.raises(helm.UpgradeError, match="is taken by Extension/ann"):
        install(reviewed.site.server, "phones", tmp_path, "Upgrade")
    assert reviewed.site.get("Extension", "eve")["spec"]["number"] == "106"


def test_another_namespace_is_untouched(reviewed: Reviewed, site: Site) -> None:
    reviewed.apply(phone("ann"), phone("bob"), namespace=site.namespace)
    assert len(site.items("Extension")) == 2


def test_after_kill_9_everything_passes_and_is_judged_when_somebody_is_back(reviewed: Reviewed) -> None:
    assert reviewed.end(signal.SIGKILL) == -signal.SIGKILL
    (reviewed.folder / "log").unlink()
    reviewed.site.secret("zoe-sip", username="101", password="x")
    reviewed.apply(phone("zoe"))
    reviewed.start()
    reviewed.until(lambda: condition(reviewed.site.get("Extension", "zoe"), "Accepted").get("reason") == "Conflict")
    assert "denied the request" in refused(lambda: reviewed.apply(phone("bob")))
