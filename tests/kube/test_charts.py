"""The charts, through Helm itself: they lint, they install, and the Role is exactly what the operator asks for."""

import copy
import inspect
import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from dialplane.cli.commands.operator import operator
from dialplane.kube.access import WANTED, needed
from dialplane.kube.operator import addresses
from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import GROUP
from testbed.kube.server import ApiServer
from tests.eventually import eventually
from tests.kube.charts import CHARTS, apps, declared, helm, install
from tests.kube.conftest import OPERATOR, Running, Site, operating

CRDS = CHARTS.parent / "crds"
IMAGE = {"repository": "asterisk", "tag": "22"}


@pytest.mark.parametrize("chart", ["dialplane", "dialplane-crds"])
async def test_the_charts_lint(chart: str) -> None:
    result = await helm.Lint(helm.Configuration()).run(str(CHARTS / chart))
    assert not [m for m in json.dumps(result).split('"') if m.startswith("[ERROR]")], result


def test_the_chart_of_the_kinds_links_to_the_kinds_themselves() -> None:
    names = {p.name for p in (CHARTS / "dialplane-crds" / "files").iterdir()}
    assert names == {p.name for p in CRDS.iterdir()}
    assert names == {f"dialplane.io_{kind.plural}.yaml" for kind in KINDS.values()}


async def test_the_chart_installs_the_kinds_as_they_are_written(server: ApiServer) -> None:
    plain = kinds_of(server)
    with ApiServer() as fresh:
        await install(Site(fresh, "default"), "dialplane-crds")
        crds = kinds_of(fresh)
    assert {c["metadata"]["annotations"]["helm.sh/resource-policy"] for c in crds} == {"keep"}
    assert {c["metadata"]["name"]: c["spec"] for c in crds} == {c["metadata"]["name"]: c["spec"] for c in plain}


def kinds_of(server: ApiServer) -> list[dict[str, Any]]:
    """Our CRDs on that server."""
    crds = server.request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions").body["items"]
    return [crd for crd in crds if crd["spec"]["group"] == GROUP]


async def test_the_role_is_enough_to_run_and_grants_nothing_beyond(server: ApiServer, site: Site) -> None:
    site.revoke(OPERATOR)
    await install(site, "dialplane")
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{site.namespace}"
    rules = site.ok(server.request("GET", f"{rbac}/roles/office"))["rules"]
    granted = {
        (verb, group, resource)
        for r in rules
        for verb in r["verbs"]
        for group in r["apiGroups"]
        for resource in r["resources"]
    }
    wanted = {
        (r.verb, r.address.group, "/".join(filter(None, (r.address.plural, r.subresource))))
        for r in (*needed(addresses().values(), lease="office"), *WANTED)
    }
    assert granted == wanted
    binding = {
        "metadata": {"name": "as-user"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": OPERATOR}],
        "roleRef": {"kind": "Role", "apiGroup": "rbac.authorization.k8s.io", "name": "office"},
    }
    site.ok(server.request("POST", f"{rbac}/rolebindings", binding))
    site.extension("ann")
    running: Running
    config = server.kubeconfig(OPERATOR, namespace=site.namespace)
    async with operating(config, site.namespace, lease=True, lease_name="office") as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"))


async def test_the_right_to_create_secrets_is_apart(site: Site) -> None:
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{site.namespace}"
    await install(site, "dialplane", rbac={"generateCredentials": True})
    role = site.ok(site.server.request("GET", f"{rbac}/roles/office-generate-credentials"))
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]


async def test_the_right_to_restart_asterisk_is_apart_and_for_its_pod_alone(site: Site) -> None:
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{site.namespace}"
    asterisk = {"enabled": True, "image": IMAGE, "configMap": "base"}
    await install(site, "dialplane", asterisk=asterisk, rbac={"restartAsterisk": True})
    role = site.ok(site.server.request("GET", f"{rbac}/roles/office-restart-asterisk"))
    pod = "office-asterisk-0"  # what the StatefulSet office-asterisk calls its one pod
    assert apps(site, "statefulsets", "office-asterisk")["spec"]["replicas"] == 1
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": [pod], "verbs": ["get", "delete"]}
    ]
    (container,) = apps(site, "deployments", "office-controller")["spec"]["template"]["spec"]["containers"]
    assert f"--asterisk-pod={pod}" in container["args"]


async def test_both_pods_share_the_volume_on_one_node(site: Site) -> None:
    await install(site, "dialplane", asterisk={"enabled": True, "image": IMAGE, "configMap": "base"})
    controller = apps(site, "deployments", "office-controller")["spec"]
    asterisk = apps(site, "statefulsets", "office-asterisk")["spec"]["template"]
    assert controller["strategy"] == {"type": "Recreate"}
    (term,) = controller["template"]["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["labelSelector"]["matchLabels"].items() <= asterisk["metadata"]["labels"].items()
    claims = {
        v["persistentVolumeClaim"]["claimName"]
        for spec in (controller["template"]["spec"], asterisk["spec"])
        for v in spec["volumes"]
        if "persistentVolumeClaim" in v
    }
    assert claims == {"office-config", "office-spool"}
    mounts = [
        {m["mountPath"] for m in spec["containers"][0]["volumeMounts"] if m["name"] == "spool"}
        for spec in (controller["template"]["spec"], asterisk["spec"])
    ]
    assert mounts == [{"/var/spool/asterisk"}] * 2, "a recording or a message would end with the pod"


async def test_the_controller_is_started_with_options_that_exist(site: Site) -> None:
    asterisk = {"enabled": True, "image": IMAGE, "configMap": "base"}
    await install(site, "dialplane", asterisk=asterisk, rbac={"restartAsterisk": True}, admission={"enabled": True})
    (container,) = apps(site, "deployments", "office-controller")["spec"]["template"]["spec"]["containers"]
    command, *options = container["args"]
    offered = {name for p in inspect.signature(operator).parameters.values() for name in declared(p)}
    assert command == "operator"
    assert {option.partition("=")[0] for option in options} <= offered


async def test_ami_is_open_to_the_controller_alone(site: Site) -> None:
    await install(site, "dialplane", asterisk={"enabled": True, "image": IMAGE, "configMap": "base"})
    path = f"/apis/networking.k8s.io/v1/namespaces/{site.namespace}/networkpolicies/office-asterisk"
    rules = site.ok(site.server.request("GET", path))["spec"]["ingress"]
    (ami,) = [r for r in rules if {"protocol": "TCP", "port": 5038} in r["ports"]]
    assert [p["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for p in ami["from"]] == ["controller"]


@pytest.mark.parametrize(
    "values",
    [
        {"controller": {"replicas": 2}},
        {"asterisk": {"enabled": True}},
        {"rbac": {"restartAsterisk": True}},
        {"asterisk": {"ports": {"ami": 0}}},
        {"admission": {"enabled": True, "port": 0}},
        {"contoller": {}},
    ],
)
async def test_values_that_cannot_work_are_refused(site: Site, values: dict[str, Any]) -> None:
    with pytest.raises(helm.InstallError):
        await install(site, "dialplane", **values)


async def test_two_controllers_need_a_volume_for_several_nodes(site: Site) -> None:
    await install(site, "dialplane", controller={"replicas": 2}, volume={"accessMode": "ReadWriteMany"})
    assert apps(site, "deployments", "office-controller")["spec"]["replicas"] == 2


PROMETHEUS_RULE = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "prometheusrules.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {"plural": "prometheusrules", "singular": "prometheusrule", "kind": "PrometheusRule"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


async def test_the_alerts_are_a_rule_for_the_prometheus_operator_when_asked_for(site: Site) -> None:
    server = site.server
    server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", PROMETHEUS_RULE)
    path = f"/apis/monitoring.coreos.com/v1/namespaces/{site.namespace}/prometheusrules"
    await eventually(lambda: server.request("GET", path).ok)  # a kind is served a moment after it is there
    await install(site, "dialplane", alerts={"enabled": True, "labels": {"release": "prometheus"}})
    (rule,) = site.ok(server.request("GET", path))["items"]
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["spec"] == YAML(typ="safe").load(CHARTS / "dialplane" / "files" / "alerts.yaml")


async def test_the_api_has_its_port_and_its_tokens_and_the_store_its_url(site: Site) -> None:
    api = {"enabled": True, "port": 8090, "tokensSecret": "tokens", "trustedProxies": ["192.0.2.0/24", "192.0.2.9"]}
    await install(site, "dialplane", api=api, store={"urlSecret": {"name": "store", "key": "url"}})
    pod = apps(site, "deployments", "office-controller")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {"--listen=:8090", "--api-tokens=/etc/dialplane/api-tokens"} <= set(container["args"])
    assert {"--trusted-proxy=192.0.2.0/24", "--trusted-proxy=192.0.2.9"} <= set(container["args"])
    assert {"containerPort": 8090, "name": "api", "protocol": "TCP"} in container["ports"]
    (url,) = [each for each in container["env"] if each["name"] == "DIALPLANE_STORE_URL"]
    assert url["valueFrom"]["secretKeyRef"] == {"name": "store", "key": "url"}
    (tokens,) = [each for each in pod["volumes"] if each["name"] == "api-tokens"]
    assert tokens["secret"]["secretName"] == "tokens"


async def test_the_api_is_not_installed_without_tokens(site: Site) -> None:
    with pytest.raises(helm.exceptions.InstallError, match=r"api\.tokensSecret"):
        await install(site, "dialplane", api={"enabled": True})


async def test_the_platform_of_calls_is_let_in_to_one_path_alone(site: Site) -> None:
    callback = {"enabled": True, "host": "calls.example.com", "className": "outside", "tlsSecret": "tls"}
    await install(site, "dialplane", api={"enabled": True, "tokensSecret": "tokens", "callbackIngress": callback})
    path = f"/apis/networking.k8s.io/v1/namespaces/{site.namespace}/ingresses/office-callback"
    spec = site.ok(site.server.request("GET", path))["spec"]
    assert (spec["ingressClassName"], spec["tls"]) == ("outside", [{"hosts": [callback["host"]], "secretName": "tls"}])
    (rule,) = spec["rules"]
    (way,) = rule["http"]["paths"]
    assert (rule["host"], way["pathType"]) == (callback["host"], "Exact")
    assert way["path"] == "/api/v1/infinity/callback/call-record"
    assert way["backend"]["service"] == {"name": "office-controller", "port": {"name": "api"}}


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        (
            {"api": {"enabled": True, "tokensSecret": "tokens", "callbackIngress": {"enabled": True}}},
            r"callbackIngress\.host",
        ),
        ({"api": {"callbackIngress": {"enabled": True, "host": "calls.example.com"}}}, r"set api\.enabled"),
        ({"admission": {"enabled": True, "port": 8080}}, r"admission\.port 8080 is taken"),
    ],
)
async def test_a_way_in_that_leads_nowhere_is_not_installed(site: Site, values: dict[str, Any], cure: str) -> None:
    with pytest.raises(helm.exceptions.InstallError, match=cure):
        await install(site, "dialplane", **values)


async def test_who_may_reach_the_api_can_be_narrowed(site: Site) -> None:
    ingress = {"namespaceSelector": {"matchLabels": {"name": "ingress"}}}
    api = {"enabled": True, "tokensSecret": "tokens"}
    await install(site, "dialplane", api=api, networkPolicy={"apiFrom": [ingress]})
    path = f"/apis/networking.k8s.io/v1/namespaces/{site.namespace}/networkpolicies/office-controller"
    rules = site.ok(site.server.request("GET", path))["spec"]["ingress"]
    assert [rule["from"] for rule in rules if rule["ports"][0]["port"] == "api"] == [[ingress]]


ADMISSION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def webhook(site: Site) -> dict[str, Any]:
    """The configuration, but for what the API server fills in."""
    path = f"{ADMISSION}/office.{site.namespace}.dialplane.io"
    return site.ok(site.server.request("GET", path))


async def upgrade(site: Site, **values: Any) -> None:
    config = helm.Configuration(namespace=site.namespace, kubeconfig=str(site.server.kubeconfig()))
    await helm.Upgrade(config).run("office", str(CHARTS / "dialplane"), values=values, wait=False)


async def test_the_webhook_is_for_the_namespace_alone_and_holds_up_nobody(site: Site) -> None:
    await install(site, "dialplane")
    assert not [
        each
        for each in site.ok(site.server.request("GET", ADMISSION))["items"]
        if site.namespace in each["metadata"]["name"].split(".")
    ], "it is off by default"
    await upgrade(site, admission={"enabled": True})
    (asked,) = webhook(site)["webhooks"]
    assert asked["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": site.namespace}}
    assert (asked["failurePolicy"], asked["timeoutSeconds"], asked["sideEffects"]) == ("Ignore", 2, "None")
    (rule,) = asked["rules"]
    assert rule["operations"] == ["CREATE", "UPDATE"]
    assert sorted(rule["resources"]) == sorted(kind.plural for kind in KINDS.values()), "and no statuses"
    pod = apps(site, "deployments", "office-controller")["spec"]["template"]["spec"]
    (files,) = [each["secret"] for each in pod["volumes"] if each["name"] == "admission"]
    assert files == {"secretName": "office-admission", "optional": True, "defaultMode": 0o440}
    service = site.get("Service", "office-admission")["spec"]
    assert service["publishNotReadyAddresses"]
    assert (
        service["selector"].items()
        <= apps(site, "deployments", "office-controller")["spec"]["selector"]["matchLabels"].items()
    )


async def test_the_certificate_is_kept_over_upgrades_until_it_is_deleted(site: Site) -> None:
    await install(site, "dialplane", admission={"enabled": True})
    first, trusted = site.get("Secret", "office-admission")["data"], webhook(site)["webhooks"][0]["clientConfig"]
    assert trusted["caBundle"] == first["ca.crt"]
    await upgrade(site, admission={"enabled": True}, controller={"logLevel": "DEBUG"})
    assert site.get("Secret", "office-admission")["data"] == first
    assert webhook(site)["webhooks"][0]["clientConfig"] == trusted
    site.delete("Secret", "office-admission")
    await upgrade(site, admission={"enabled": True})
    second = site.get("Secret", "office-admission")["data"]
    assert second["tls.crt"] != first["tls.crt"]
    assert webhook(site)["webhooks"][0]["clientConfig"]["caBundle"] == second["ca.crt"]


def cert_manager(server: ApiServer, plural: str, kind: str) -> None:
    """A kind of cert-manager's, as far as Helm looks at it."""
    crd = copy.deepcopy(PROMETHEUS_RULE)
    crd["metadata"]["name"] = f"{plural}.cert-manager.io"
    crd["spec"] |= {"group": "cert-manager.io", "names": {"plural": plural, "singular": kind.lower(), "kind": kind}}
    assert server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).ok


@pytest.mark.parametrize(
    ("reference", "issuer"),
    [
        ({}, ("Issuer", "office-admission")),
        ({"name": "company", "kind": "ClusterIssuer"}, ("ClusterIssuer", "company")),
    ],
)
async def test_cert_manager_makes_and_renews_the_certificate(
    server: ApiServer, site: Site, reference: dict[str, str], issuer: tuple[str, str]
) -> None:
    certificates = f"/apis/cert-manager.io/v1/namespaces/{site.namespace}"
    if not server.request("GET", f"{certificates}/issuers").ok:
        cert_manager(server, "certificates", "Certificate")
        cert_manager(server, "issuers", "Issuer")
        for plural in ("certificates", "issuers"):
            await eventually(lambda path=f"{certificates}/{plural}": server.request("GET", path).ok)
    await install(
        site, "dialplane", admission={"enabled": True, "certManager": {"enabled": True, "issuerRef": reference}}
    )
    wanted = site.ok(server.request("GET", f"{certificates}/certificates/office-admission"))["spec"]
    assert (wanted["issuerRef"]["kind"], wanted["issuerRef"]["name"]) == issuer
    assert wanted["secretName"] == "office-admission-tls"
    assert wanted["dnsNames"] == [f"office-admission.{site.namespace}.svc"]
    made = site.ok(server.request("GET", f"{certificates}/issuers"))["items"]
    assert [each["metadata"]["name"] for each in made] == ([] if reference else ["office-admission"])
    configured = webhook(site)
    assert (
        configured["metadata"]["annotations"]["cert-manager.io/inject-ca-from"] == f"{site.namespace}/office-admission"
    )
    assert "caBundle" not in configured["webhooks"][0]["clientConfig"]
