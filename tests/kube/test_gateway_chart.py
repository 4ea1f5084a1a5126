"""The gateways that the chart installs for devices in lifts."""

import inspect
from typing import Any

import pytest

from dialplane.cli.commands.gateway import gateway
from tests.kube.charts import apps, declared, helm, install
from tests.kube.conftest import Site

STORE = {"urlSecret": {"name": "store", "key": "url"}}


def objects(site: Site, group: str, plural: str) -> dict[str, dict[str, Any]]:
    """Every object of that kind in the site, by name."""
    found = site.ok(site.server.request("GET", f"/{group}/namespaces/{site.namespace}/{plural}"))["items"]
    return {each["metadata"]["name"]: each for each in found}


def budgets(site: Site) -> dict[str, dict[str, Any]]:
    """Every PodDisruptionBudget, which Kubernetes before 1.21 has in another version."""
    version = "v1" if site.server.request("GET", "/apis/policy/v1").ok else "v1beta1"
    return objects(site, f"apis/policy/{version}", "poddisruptionbudgets")


async def test_there_are_no_gateways_by_default(site: Site) -> None:
    await install(site, "dialplane")
    assert set(objects(site, "apis/apps/v1", "deployments")) == {"office-controller"}


async def test_gateways_are_started_with_options_that_exist_and_have_the_database_alone(site: Site) -> None:
    wanted = {"enabled": True, "replicas": 3, "port": 8443, "tlsSecret": "devices", "trustedProxies": ["192.0.2.0/24"]}
    storage = {"url": "s3://pictures/office", "credentialsSecret": "storage", "publicUrl": "https://lifts.example.com"}
    await install(site, "dialplane", gateway=wanted, store=STORE, storage=storage)
    deployment = apps(site, "deployments", "office-gateway")["spec"]
    pod = deployment["template"]["spec"]
    assert (deployment["replicas"], pod["automountServiceAccountToken"]) == (3, False)
    (container,) = pod["containers"]
    command, *options = container["args"]
    assert command == "gateway"
    assert {option.partition("=")[0] for option in options} <= {
        name for parameter in inspect.signature(gateway).parameters.values() for name in declared(parameter)
    }
    assert {
        "--listen=:8443",
        "--tls-certificate=/etc/dialplane/devices/tls.crt",
        "--tls-key=/etc/dialplane/devices/tls.key",
        "--trusted-proxy=192.0.2.0/24",
    } <= set(options)
    (tls,) = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert tls == "devices"
    environment = {each["name"]: each for each in container["env"]}
    assert environment["DIALPLANE_STORE_URL"]["valueFrom"]["secretKeyRef"] == {"name": "store", "key": "url"}
    assert environment["DIALPLANE_STORAGE_URL"]["value"] == "s3://pictures/office"
    assert environment["DIALPLANE_PUBLIC_URL"]["value"] == "https://lifts.example.com"
    assert container["envFrom"] == [{"secretRef": {"name": "storage"}}]
    controller = apps(site, "deployments", "office-controller")["spec"]["template"]["spec"]["containers"][0]
    assert controller["envFrom"] == container["envFrom"], "who shows pictures needs the same storage"
    assert environment["DIALPLANE_STORAGE_URL"] in controller["env"]


async def test_devices_reach_any_gateway_and_metrics_are_apart(site: Site) -> None:
    await install(site, "dialplane", gateway={"enabled": True, "service": {"type": "LoadBalancer"}}, store=STORE)
    labels = apps(site, "deployments", "office-gateway")["spec"]["template"]["metadata"]["labels"]
    services = objects(site, "api/v1", "services")
    for name, ports in (("office-gateway", ["devices"]), ("office-gateway-metrics", ["http"])):
        spec = services[name]["spec"]
        assert spec["selector"].items() <= labels.items()
        assert [port["targetPort"] for port in spec["ports"]] == ports
    assert services["office-gateway"]["spec"]["externalTrafficPolicy"] == "Local"
    selected = services["office-controller"]["spec"]["selector"]
    assert not selected.items() <= labels.items(), "the API is not there"
    budget = budgets(site)["office-gateway"]["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"].items() <= labels.items()) == (1, True)


async def test_one_gateway_may_be_moved(site: Site) -> None:
    await install(site, "dialplane", gateway={"enabled": True, "replicas": 1}, store=STORE)
    assert budgets(site) == {}


async def test_who_may_reach_the_gateways_can_be_narrowed(site: Site) -> None:
    ingress = {"namespaceSelector": {"matchLabels": {"name": "ingress"}}}
    await install(site, "dialplane", gateway={"enabled": True}, store=STORE, networkPolicy={"devicesFrom": [ingress]})
    policies = objects(site, "apis/networking.k8s.io/v1", "networkpolicies")
    rules = {rule["ports"][0]["port"]: rule["from"] for rule in policies["office-gateway"]["spec"]["ingress"]}
    assert rules == {"devices": [ingress], "http": [{"podSelector": {}}]}


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        ({"gateway": {"enabled": True}}, r"set store\.urlSecret"),
        ({"gateway": {"enabled": True, "port": 8080}, "store": STORE}, "port"),
        ({"storage": {"url": "https://pictures.example.com"}}, "url"),
    ],
)
async def test_gateways_that_cannot_work_are_refused(site: Site, values: dict[str, Any], cure: str) -> None:
    with pytest.raises(helm.exceptions.InstallError, match=cure):
        await install(site, "dialplane", **values)
