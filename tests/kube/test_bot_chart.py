"""The replicas of bots that the chart installs."""

import inspect
from typing import Any

import pytest

from dialplane.cli.commands.bot import root
from tests.kube.charts import apps, declared, helm, install
from tests.kube.conftest import Site
from tests.kube.test_gateway_chart import STORE, budgets, objects

BOT = {"enabled": True, "secrets": ["ari", "elevenlabs"]}


async def test_bots_are_started_with_options_that_exist_and_have_their_secrets_alone(site: Site) -> None:
    storage = {"url": "s3://recordings/office", "credentialsSecret": "storage"}
    await install(site, "dialplane", bot={**BOT, "replicas": 3}, store=STORE, storage=storage)
    deployment = apps(site, "deployments", "office-bot")["spec"]
    pod = deployment["template"]["spec"]
    assert (deployment["replicas"], pod["automountServiceAccountToken"]) == (3, False)
    (container,) = pod["containers"]
    command, *options = container["args"]
    assert command == "bot"
    assert {option.partition("=")[0] for option in options} <= {
        name
        for parameter in inspect.signature(root).parameters.values()
        if parameter.name != "context"
        for name in declared(parameter)
    }
    assert {"--secrets-dir=/etc/dialplane/secrets", "--drain-seconds=900"} <= set(options)
    assert pod["terminationGracePeriodSeconds"] > 900
    secrets = {each["name"]: each["secret"] for each in pod["volumes"] if "secret" in each}
    mounts = {
        mount["mountPath"]: secrets[mount["name"]] for mount in container["volumeMounts"] if mount.get("readOnly")
    }
    assert {path: secret["secretName"] for path, secret in mounts.items()} == {
        "/etc/dialplane/secrets/ari": "ari",
        "/etc/dialplane/secrets/elevenlabs": "elevenlabs",
    }
    assert all(secret["optional"] for secret in secrets.values())
    environment = {each["name"]: each for each in container["env"]}
    assert environment["DIALPLANE_STORE_URL"]["valueFrom"]["secretKeyRef"] == {"name": "store", "key": "url"}
    assert environment["DIALPLANE_STORAGE_URL"]["value"] == "s3://recordings/office"
    assert container["envFrom"] == [{"secretRef": {"name": "storage"}}]
    labels = deployment["template"]["metadata"]["labels"]
    budget = budgets(site)["office-bot"]["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"].items() <= labels.items()) == (1, True)
    metrics = objects(site, "api/v1", "services")["office-bot-metrics"]["spec"]
    assert metrics["selector"].items() <= labels.items()


async def test_nobody_reaches_a_bot_but_for_its_metrics_and_it_reaches_asterisk(site: Site) -> None:
    asterisk = {"enabled": True, "image": {"repository": "asterisk"}, "configMap": "base"}
    narrow = {"botLabels": {"app": "bots-of-mine"}}
    await install(site, "dialplane", bot=BOT, store=STORE, asterisk=asterisk, networkPolicy=narrow)
    policies = objects(site, "apis/networking.k8s.io/v1", "networkpolicies")
    (rule,) = policies["office-bot"]["spec"]["ingress"]
    assert (rule["ports"][0]["port"], rule["from"]) == ("http", [{"podSelector": {}}])
    labels = apps(site, "deployments", "office-bot")["spec"]["template"]["metadata"]["labels"]
    rules = {each["ports"][0]["port"]: each["from"] for each in policies["office-asterisk"]["spec"]["ingress"][1:]}
    may = {
        port: [each["podSelector"]["matchLabels"].items() <= labels.items() for each in of]
        for port, of in rules.items()
    }
    assert may == {5038: [False], 8088: [False, True, False]}


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        ({"bot": BOT}, r"set store\.urlSecret"),
        ({"bot": {"enabled": True}, "store": STORE}, r"bot\.secrets: name the Secret of ARI's account"),
        ({"bot": {**BOT, "secrets": ["../store"]}, "store": STORE}, "secrets"),
        ({"bot": {**BOT, "drainSeconds": -1}, "store": STORE}, "drainSeconds"),
    ],
)
async def test_bots_that_cannot_work_are_refused(site: Site, values: dict[str, Any], cure: str) -> None:
    with pytest.raises(helm.exceptions.InstallError, match=cure):
        await install(site, "dialplane", **values)
