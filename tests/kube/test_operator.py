"""The operator against a real API server: what it sees, what it writes, and how it ends."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from dialplane.kube.errors import KindNotServedError, RightMissingError
from dialplane.resources.key import Key
from testbed.kube.namespace import crds_gone
from tests.kube.conftest import LIMITED, OPERATOR, Site, install, rules
from tests.kube.middleman import Middleman
from tests.kube.proxy import Proxy

Operate = Callable[..., Any]


async def test_an_empty_namespace_is_an_empty_snapshot(operate: Operate) -> None:
    async with operate() as running:
        await running.until(lambda: running.rounds)
        assert running.sites[0].rounds == [()]


async def test_every_resource_gets_its_status(site: Site, operate: Operate) -> None:
    site.secret("ann-sip", username="101", password="p")
    site.extension("ann")
    async with operate() as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"))
    status = site.get("Extension", "ann")["status"]
    assert status["observedGeneration"] == 1
    assert {c["type"]: c["status"] for c in status["conditions"]} == {"Accepted": "True", "Ready": "True"}


async def test_our_own_status_patches_do_not_mark_the_site_dirty(site: Site, operate: Operate) -> None:
    site.extension("ann")
    async with operate() as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"))
        await running.quiet()
        assert running.rounds == 1


async def test_a_restart_on_an_unchanged_site_writes_no_status(site: Site, operate: Operate) -> None:
    for number in range(101, 111):
        site.extension(f"ext-{number}", str(number))
    async with operate() as running:
        await running.until(lambda: running.rounds)
        await running.quiet()
    versions = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in site.items("Extension")}
    patches = site.status_patches()
    async with operate() as running:
        await running.until(lambda: running.rounds)
        await running.quiet()
    assert site.status_patches() == patches
    assert {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in site.items("Extension")} == versions


async def test_nothing_but_the_status_is_ever_written_to_a_resource(site: Site, operate: Operate) -> None:
    site.extension("ann")
    async with operate() as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"))
        await running.quiet()
    metadata = site.get("Extension", "ann")["metadata"]
    assert "finalizers" not in metadata
    assert "annotations" not in metadata


async def test_a_changed_secret_value_starts_a_round_and_an_unrelated_one_does_not(
    site: Site, operate: Operate
) -> None:
    site.secret("ann-sip", username="101", password="old")
    site.secret("other", key="1")
    site.extension("ann")
    async with operate() as running:
        await running.until(lambda: running.rounds)
        await running.quiet()
        rounds = running.rounds
        site.patch("Secret", "other", {"stringData": {"key": "2"}})
        site.patch("Secret", "ann-sip", {"metadata": {"labels": {"a": "b"}}})
        await running.quiet()
        assert running.rounds == rounds
        site.patch("Secret", "ann-sip", {"stringData": {"password": "new"}})
        await running.until(lambda: running.rounds == rounds + 1)
        values = running.sites[0].source.snapshot().secrets
        assert values["ann-sip"]["password"].get_secret_value() == "new"
        assert set(values) == {"ann-sip"}


async def test_a_secret_that_existed_before_it_was_referred_to_is_there_in_the_first_round(
    site: Site, operate: Operate
) -> None:
    site.secret("ann-sip", username="101", password="p")
    seen: list[set[str]] = []
    async with operate() as running:
        await running.until(lambda: running.rounds)
        await running.quiet()
        source = running.sites[0].source
        original = source.snapshot
        source.snapshot = lambda: (seen.append(set(original().secrets)), original())[1]
        site.extension("ann")
        await running.until(lambda: seen)
    assert seen[0] == {"ann-sip"}


CAMPAIGN = {
    "tenant": "acme",
    "agents": [{"id": "ann", "callbackNumber": "+15550100"}],
    "destinations": {"configMapRef": {"name": "people", "key": "may.csv"}},
}


async def test_a_config_map_that_is_referred_to_is_followed_and_the_others_are_not_even_read(
    site: Site, operate: Operate
) -> None:
    site.config_map("people", **{"may.csv": "number\n+15550101\n"})
    site.config_map("large", text="x" * 500_000)
    site.create("Campaign", "spring", CAMPAIGN)
    async with operate() as running:
        await running.until(lambda: running.rounds)
        source, inventory = running.sites[0].source, running.operator.inventory
        assert source.snapshot().config_maps == {"people": {"may.csv": "number\n+15550101\n"}}
        await running.quiet()
        rounds = running.rounds
        site.patch("ConfigMap", "large", {"data": {"text": "y"}})
        site.patch("ConfigMap", "people", {"metadata": {"labels": {"a": "b"}}})
        await running.quiet()
        assert running.rounds == rounds
        site.patch("ConfigMap", "people", {"data": {"may.csv": "number\n+15550102\n"}})
        await running.until(lambda: running.rounds > rounds)
        assert source.snapshot().config_maps["people"] == {"may.csv": "number\n+15550102\n"}
        entry = inventory._config_maps.shelf.get("large")
        assert entry is not None
        assert entry.payload is None
        site.delete("ConfigMap", "people")
        await running.until(lambda: source.snapshot().config_maps == {})
        site.config_map("people", **{"may.csv": "number\n"})
        await running.until(lambda: source.snapshot().config_maps == {"people": {"may.csv": "number\n"}})


async def test_a_config_map_that_changed_while_the_watches_were_cut_is_seen_afterwards(
    site: Site, operate: Operate, proxy: Proxy
) -> None:
    site.config_map("people", **{"may.csv": "number\n+15550101\n"})
    site.create("Campaign", "spring", CAMPAIGN)
    through = proxy.kubeconfig(site.server.kubeconfig(OPERATOR, namespace=site.namespace))
    async with operate(kubeconfig=through) as running:
        await running.until(lambda: running.rounds)
        inventory = running.operator.inventory
        await proxy.cut()
        site.patch("ConfigMap", "people", {"data": {"may.csv": "number\n"}})
        await proxy.mend()
        changed = {"people": {"may.csv": "number\n"}}
        await running.until(lambda: dict(inventory.snapshot().config_maps) == changed, 30)


async def test_what_was_deleted_while_the_watches_were_cut_leaves_no_ghost(
    site: Site, operate: Operate, proxy: Proxy
) -> None:
    """One object of each kind, and a Secret of one that stays."""
    hangup = {"hangup": True}
    made = {
        "Asterisk": {},
        "SipTrunk": {"host": "sip.example.com", "registration": {"enabled": False}},
        "Schedule": {
            "open": [{"days": ["mon"], "from": "09:00", "to": "17:00"}],
            "whenOpen": hangup,
            "whenClosed": hangup,
        },
    }
    for kind, spec in made.items():
        site.create(kind, "gone", spec)
    for name in ("ann", "bob"):
        site.secret(f"{name}-sip", username="101", password="p")
        site.extension(name)
    through = proxy.kubeconfig(site.server.kubeconfig(OPERATOR, namespace=site.namespace))
    async with operate(kubeconfig=through) as running:
        await running.until(lambda: running.rounds)
        await proxy.cut()
        for kind in made:
            site.delete(kind, "gone")
        site.delete("Extension", "bob")
        site.delete("Secret", "ann-sip")
        await asyncio.sleep(1.0)
        await proxy.mend()
        inventory = running.operator.inventory
        await running.until(lambda: set(inventory.snapshot().resources) == {Key("Extension", "ann")}, 30)
        await running.until(lambda: not inventory.snapshot().secrets, 30)


async def test_a_change_during_an_outage_is_seen_after_it(site: Site, operate: Operate, proxy: Proxy) -> None:
    site.extension("ann")
    through = proxy.kubeconfig(site.server.kubeconfig(OPERATOR, namespace=site.namespace))
    async with operate(kubeconfig=through, resync_seconds=1.0) as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"))
        await proxy.cut()
        site.patch("Extension", "ann", {"spec": {"number": "202"}})
        await asyncio.sleep(1.0)
        await proxy.mend()
        await running.until(lambda: site.get("Extension", "ann")["status"]["observedGeneration"] == 2, 30)


async def test_a_stop_without_an_api_server_is_quick_and_no_error(site: Site, operate: Operate, proxy: Proxy) -> None:
    through = proxy.kubeconfig(site.server.kubeconfig(OPERATOR, namespace=site.namespace))
    async with operate(kubeconfig=through, lease=True) as running:
        await running.until(lambda: running.rounds)
        await proxy.cut()
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 2.0


async def test_a_recreated_resource_gets_a_status_of_its_own(site: Site, operate: Operate) -> None:
    site.extension("ann")
    async with operate() as running:
        for _ in range(3):
            await running.until(lambda: site.get("Extension", "ann").get("status"))
            site.delete("Extension", "ann")
            site.extension("ann")
        await running.until(lambda: site.get("Extension", "ann").get("status"))


async def test_a_status_is_never_patched_over_a_newer_version(site: Site, operate: Operate) -> None:
    """Somebody else writes while we do: our patch gets a 409, the object is read again, and the end is right."""
    site.extension("ann")
    async with operate() as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"))
        await running.quiet()
        inventory = running.operator.inventory
        stale = inventory.held(Key("Extension", "ann"))
        site.patch("Extension", "ann", {"metadata": {"labels": {"changed": "meanwhile"}}})
        site.patch("Extension", "ann", {"status": {"conditions": [], "contacts": [{"uri": "foreign"}]}}, "status")
        await running.until(lambda: inventory.held(Key("Extension", "ann")).version != stale.version)
        entry = inventory._shelves["Extension"]._entries
        entry["ann"] = type(entry["ann"])(stale.uid, stale.version, entry["ann"].mark, stale)  # as if not heard yet
        running.sites[0].fields = {"contacts": []}
        await running.sites[0].once()
        await running.until(lambda: site.get("Extension", "ann")["status"].get("contacts") == [])
        status = site.get("Extension", "ann")["status"]
        assert {c["type"] for c in status["conditions"]} == {"Accepted", "Ready"}


async def test_kubectl_shows_the_columns(site: Site, operate: Operate) -> None:
    site.extension("ann", "101")
    async with operate() as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"))
    shown = await asyncio.to_thread(site.server.kubectl, "get", "extensions.dialplane.io", "-n", site.namespace)
    header, row = shown.splitlines()
    assert header.split()[:2] == ["NAME", "NUMBER"]
    cells = dict(zip(header.split(), row.split(), strict=False))
    assert cells["NUMBER"] == "101"
    assert "True" in row


async def test_a_kind_that_is_not_served_ends_the_process_with_the_cure(site: Site, operate: Operate) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert site.server.request("DELETE", f"{crds}/schedules.dialplane.io").ok
    try:
        for _ in range(200):
            if site.server.request("GET", site.path("Schedule")).status == 404:
                break
            await asyncio.sleep(0.05)
        async with operate() as running:
            with pytest.raises(KindNotServedError, match=r"schedules\.dialplane\.io .*not served.*install the CRDs"):
                await asyncio.wait_for(running.task, 20)
    finally:
        await asyncio.to_thread(crds_gone, site.server, "schedules")
        install(site.server, "Schedule")


@pytest.mark.parametrize(
    ("resource", "verb", "named"),
    [
        ("siptrunks", "watch", "watch siptrunks.dialplane.io"),
        ("siptrunks/status", "patch", "patch siptrunks/status.dialplane.io"),
        ("extensions", "list", "list extensions.dialplane.io"),
        ("extensions/status", "patch", "patch extensions/status.dialplane.io"),
        ("secrets", "list", "list secrets"),
        ("secrets", "watch", "watch secrets"),
        ("configmaps", "list", "list configmaps"),
        ("configmaps", "watch", "watch configmaps"),
        ("leases", "create", "create leases.coordination.k8s.io"),
        ("leases", "update", "update leases.coordination.k8s.io dialplane"),
    ],
)
async def test_a_missing_right_ends_the_process_naming_it_and_the_cure(
    site: Site, operate: Operate, resource: str, verb: str, named: str
) -> None:
    site.grant(LIMITED, rules(without=(resource, verb)))
    async with operate(LIMITED, lease=True) as running:
        with pytest.raises(RightMissingError) as caught:
            await asyncio.wait_for(running.task, 20)
    assert named in str(caught.value)
    assert site.namespace in str(caught.value)
    assert "grant" in str(caught.value)


async def test_a_right_that_is_taken_away_later_ends_the_process(site: Site, operate: Operate) -> None:
    site.grant(LIMITED, rules())
    async with operate(LIMITED, resync_seconds=0.5) as running:
        await running.until(lambda: running.rounds)
        site.revoke(LIMITED)
        with pytest.raises(RightMissingError, match=r"missing rights in namespace .*: list asterisks"):
            await asyncio.wait_for(running.task, 20)


async def test_a_server_that_refuses_everything_for_a_moment_does_not_end_it(site: Site, operate: Operate) -> None:
    """As one does that starts and has not read its Roles yet."""
    site.extension("ann")
    refusing = [False]

    async def moody(_: str, __: str) -> int:
        return HTTPStatus.FORBIDDEN if refusing[0] else 0

    async with Middleman(site.server) as between:
        between.before = moody
        through = between.kubeconfig(site.server.kubeconfig(OPERATOR, namespace=site.namespace))
        async with operate(kubeconfig=through, lease=True, lease_seconds=2.0, resync_seconds=0.5) as running:
            await running.until(lambda: site.get("Extension", "ann").get("status"))
            refusing[0] = True
            site.patch("Extension", "ann", {"spec": {"number": "202"}})
            await asyncio.sleep(3.0)
            assert not running.operator._lease.held()
            refusing[0] = False
            await running.until(lambda: site.get("Extension", "ann")["status"]["observedGeneration"] == 2, 30)
            assert len(running.sites) == 1  # nobody else led meanwhile: the term goes on


async def test_without_the_right_to_post_events_the_statuses_are_written_all_the_same(
    site: Site, operate: Operate
) -> None:
    site.grant(LIMITED, rules(without=("events", "create")))
    site.extension("ann")
    async with operate(LIMITED) as running:
        await running.until(lambda: site.get("Extension", "ann").get("status"))


async def test_an_invalid_manifest_is_told_by_a_warning_event(site: Site, operate: Operate) -> None:
    site.extension("bad", generateCredentials=True)  # beside a credentialsSecretRef
    async with operate() as running:
        await running.until(lambda: [e for e in site.items("Event") if e["involvedObject"]["name"] == "bad"])
    (event, *_) = [e for e in site.items("Event") if e["involvedObject"]["name"] == "bad"]
    assert (event["type"], event["reason"], event["source"]["component"]) == ("Warning", "Invalid", "dialplane")


async def test_generated_credentials_are_created_once_and_owned(site: Site, operate: Operate) -> None:
    site.grant(LIMITED, [*rules(), {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}])
    ann = site.extension("ann")
    async with operate(LIMITED) as running:
        await running.until(lambda: running.rounds)
        store = running.sites[0].credentials
        await store.create("ann-credentials", {"username": "101", "password": "one"}, Key("Extension", "ann"))
        await store.create("ann-credentials", {"username": "101", "password": "two"}, Key("Extension", "ann"))
    secret = site.get("Secret", "ann-credentials")
    assert secret["data"]["password"] == "b25l"
    assert secret["metadata"]["ownerReferences"][0]["uid"] == ann["metadata"]["uid"]


async def test_without_the_right_to_create_secrets_the_resource_is_told_why(site: Site, operate: Operate) -> None:
    site.extension("ann")
    async with operate() as running:
        await running.until(lambda: running.rounds)
        for _ in range(3):
            await running.sites[0].credentials.create("x", {"username": "1"}, Key("Extension", "ann"))
        assert "may not create secrets" in running.sites[0].credentials.denied
        await running.until(lambda: [e for e in site.items("Event") if e["reason"] == "SecretMissing"])
    (event,) = [e for e in site.items("Event") if e["reason"] == "SecretMissing"]
    assert (event["type"], event["count"]) == ("Warning", 1)
    assert "rbac.generateCredentials=true" in event["message"]
