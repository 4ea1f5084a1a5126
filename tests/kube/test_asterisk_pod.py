"""The pod as a supervisor, on a real API server that knows what the operator may."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from dialplane.kube.access import Rights
from dialplane.kube.api import Connection, KubeApi
from dialplane.kube.asterisk_pod import AsteriskPod
from dialplane.reconcile.ports import SupervisorError
from tests.kube.conftest import LIMITED, Site

POD = "office-asterisk-0"
GRANT = [{"apiGroups": [""], "resources": ["pods"], "resourceNames": [POD], "verbs": ["get", "delete"]}]


@pytest.fixture
async def pod(site: Site) -> AsyncIterator[AsteriskPod]:
    connection = Connection(kubeconfig=str(site.server.kubeconfig(LIMITED, namespace=site.namespace)))
    async with KubeApi(await connection.configuration()) as api:
        yield AsteriskPod(api, Rights(api, site.namespace), site.namespace, POD)


def make(site: Site, name: str = POD, **metadata: Any) -> str:
    spec = {"containers": [{"name": "asterisk", "image": "asterisk"}]}
    body = {"metadata": {"name": name, **metadata}, "spec": spec}
    made = site.ok(site.server.request("POST", site.path("Pod"), body))
    return str(made["metadata"]["uid"])


def pods(site: Site) -> dict[str, str]:
    return {p["metadata"]["name"]: p["metadata"]["uid"] for p in site.items("Pod")}


async def test_it_deletes_the_pod_of_that_name_alone(site: Site, pod: AsteriskPod) -> None:
    site.grant(LIMITED, GRANT)
    make(site)
    other = make(site, "other")
    await pod.check()
    await pod.restart()
    assert pods(site) == {"other": other}


async def test_one_that_is_going_already_is_left_to_go(site: Site, pod: AsteriskPod) -> None:
    site.grant(LIMITED, GRANT)
    make(site, finalizers=["example.com/slow"])
    await pod.restart()
    first = site.get("Pod", POD)["metadata"]
    assert first["deletionTimestamp"]
    await pod.restart()
    assert site.get("Pod", POD)["metadata"]["resourceVersion"] == first["resourceVersion"]


async def test_one_that_was_made_anew_meanwhile_stays(
    site: Site, pod: AsteriskPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.grant(LIMITED, GRANT)
    old = make(site)
    site.delete("Pod", POD)
    new = make(site)

    async def late() -> str:
        return old

    monkeypatch.setattr(pod, "_uid", late)
    await pod.restart()
    assert pods(site) == {POD: new}


async def test_without_the_right_it_says_how_to_grant_it(site: Site, pod: AsteriskPod) -> None:
    uid = make(site)
    for way in (pod.check, pod.restart):
        with pytest.raises(SupervisorError, match="restartAsterisk"):
            await way()
    site.grant(LIMITED, [{**GRANT[0], "verbs": ["get"]}])
    for way in (pod.check, pod.restart):
        with pytest.raises(SupervisorError, match="restartAsterisk"):
            await way()
    assert pods(site) == {POD: uid}


async def test_a_pod_that_is_not_there_is_told(site: Site, pod: AsteriskPod) -> None:
    site.grant(LIMITED, GRANT)
    for way in (pod.check, pod.restart):
        with pytest.raises(SupervisorError, match=f"no pod {POD}"):
            await way()
