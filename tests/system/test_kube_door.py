"""What only Kubernetes has: kubectl's views, cut connections, missing kinds and rights."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from testbed.kube.namespace import OPERATOR, Namespace, chart_rules
from testbed.kube.server import ApiServer
from tests.kube.proxy import Proxy
from tests.system.doors import Kube
from tests.system.world import World, phones, start

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("kube")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cut(api_server: Callable[[], ApiServer]) -> AsyncIterator[Proxy]:
    proxy = Proxy(api_server().url)
    await proxy.mend()
    yield proxy
    await proxy.cut()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(
    tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer], cut: Proxy
) -> AsyncIterator[World]:
    """The operator reaches the API server through a proxy that can be cut."""
    config = cut.kubeconfig(api_server().kubeconfig(OPERATOR))
    async with start("kube", tmp_path_factory.mktemp("kube"), api_server, kubeconfig=config) as world:
        await world.carrier()
        extensions, secrets = phones(("101", "102", "103"))
        secrets["carrier"] = {"username": "carrier", "password": "secret-of-carrier"}
        await world.door.apply([world.pbx(), world.trunk(), *extensions], secrets)
        await world.door.wait_ready()
        yield world


async def kubectl(world: World, *arguments: str) -> str:
    """In a thread, since the operator's connection runs through this process."""
    assert isinstance(world.door, Kube)
    return await asyncio.to_thread(world.door.namespace.kubectl, *arguments)


async def test_kubectl_get_shows_what_an_operator_looks_for(site: World) -> None:
    await site.carriers["carrier"].event("register", code=200)
    await site.door.until("SipTrunk", "carrier", lambda seen: "registration" in seen["status"])
    await kubectl(site, "wait", "siptrunk/carrier", "--for=condition=Registered", "--timeout=20s")
    shown = await kubectl(site, "get", "extensions.dialplane.io,siptrunks,asterisks")
    tables = [[line.split() for line in table.splitlines()] for table in shown.strip().split("\n\n")]
    by_kind = {table[1][0].partition("/")[0].partition(".")[0]: (table[0], table[1]) for table in tables}
    header, row = by_kind["asterisk"]
    assert header[1:] == ["STATE", "VERSION", "CHANNELS", "REGISTRATIONS", "READY", "AGE"]
    assert row[1] == "Normal"
    assert row[2].startswith("2")
    assert row[5] == "True"
    header, row = by_kind["extension"]
    assert {"NUMBER", "REGISTERED", "READY", "AGE"} <= set(header)
    assert {"101", "True"} <= set(row)
    header, row = by_kind["siptrunk"]
    assert {"HOST", "REGISTERED", "READY", "AGE"} <= set(header)
    assert row[header.index("REGISTERED")] == row[header.index("READY")] == "True"


async def test_kubectl_wait_knows_when_it_is_ready(site: World) -> None:
    (extension,), secrets = phones(("110",))
    await site.door.apply([extension], secrets)
    await kubectl(site, "wait", "extensions.dialplane.io/e110", "--for=condition=Ready", "--timeout=20s")
    assert "110" in await site.endpoints()
    await site.door.delete("Extension", "e110")


async def test_kubectl_explain_reads_well(site: World) -> None:
    async with asyncio.timeout(30):
        while "number" not in (text := await explained(site)):
            await asyncio.sleep(0.5)  # the server publishes its OpenAPI a moment after a kind is served
    for name in ("displayName", "permissions", "forward", "voicemail", "credentialsSecretRef"):
        assert re.search(rf"^ +{name}\s+<", text, re.MULTILINE), text
    assert not re.search(r"<>|\bNone\b|pydantic|``|\$ref", text), text


async def explained(site: World) -> str:
    try:
        return await kubectl(site, "explain", "extensions.dialplane.io.spec")
    except RuntimeError as error:
        return str(error).replace("number", "")


async def test_events_tell_of_transitions(site: World) -> None:
    shown = await kubectl(
        site, "get", "events", "--output=jsonpath={range .items[*]}{.involvedObject.kind} {.reason}{'\\n'}{end}"
    )
    assert "Extension Verified" in shown.splitlines(), shown


async def test_guessed_passwords_are_one_event_on_the_extension_that_counts_them(site: World) -> None:
    guesser = await site.phone("102", "guessed", name="guesser")
    for _ in range(3):
        assert (await guesser.ask("register"))["code"] == 401
    shown = ""
    async with asyncio.timeout(20):
        while "AuthenticationFailed" not in shown:
            await asyncio.sleep(0.5)
            what = "{.involvedObject.name} {.type} {.reason} {.count} {.message}{'\\n'}"
            shown = await kubectl(site, "get", "events", f"--output=jsonpath={{range .items[*]}}{what}{{end}}")
    (told,) = [line for line in shown.splitlines() if "AuthenticationFailed" in line]
    assert re.fullmatch(
        r"e102 Warning AuthenticationFailed (\d) refused: wrong password \(\1\); from 127\.0\.0\.0/24", told
    )
    assert await site.door.metric("dialplane_security_events_total", kind="ChallengeResponseFailed") == 3
    assert "guessed" not in site.door.log


async def test_the_columns_of_asterisk_show_what_it_carries(site: World) -> None:
    caller, _ = await site.registered("101"), await site.registered("103")
    assert (await caller.ask("call", number="103"))["code"] == 200
    row: list[str] = []
    assert await site.door.stop() == 0
    await site.door.start()  # it asks for the numbers when it connects, and then once a minute
    async with asyncio.timeout(30):
        while row[2:4] != ["2", "2"]:
            await asyncio.sleep(0.5)
            shown = await kubectl(site, "get", "pbx", "--no-headers")
            row = shown.split()[1:]
    assert row[0] == "Normal"
    assert row[4] == "True"
    assert await site.door.metric("dialplane_active_channels") == 2
    assert await site.door.metric("dialplane_registered_contacts") == 2
    await caller.ask("hangup")


async def test_what_was_deleted_while_the_watch_was_cut_is_gone_afterwards(site: World, cut: Proxy) -> None:
    before = await site.endpoints()
    assert "103" in before
    await cut.cut()
    await site.door.delete("Extension", "e103")
    (extension,), secrets = phones(("104",))
    await site.door.apply([extension], secrets)
    await cut.mend()
    await site.until_endpoints(before - {"103"} | {"104"}, limit_seconds=60)
    await site.door.wait_ready()


async def test_a_server_that_was_away_changes_nothing_in_asterisk(site: World, cut: Proxy) -> None:
    reloads, before = len(site.reloads), await site.endpoints()
    await cut.cut()
    assert (await (await site.phone("101")).ask("register"))["code"] == 200
    await asyncio.sleep(2)
    await cut.mend()
    (extension,), secrets = phones(("105",))
    await site.door.apply([extension], secrets)
    await site.door.wait_ready(limit_seconds=60)
    assert await site.endpoints() == before | {"105"}
    assert [m for m in site.reloads[reloads:] if m == "res_pjsip.so"] == ["res_pjsip.so"]


async def test_an_empty_namespace_empties_asterisk(site: World) -> None:
    for kind in ("Extension", "SipTrunk", "Asterisk"):
        await site.door.delete(kind, *(name for k, name in tuple(site.door.specs) if k == kind))
    await site.until_endpoints(set())
    assert (await (await site.phone("101")).ask("register"))["code"] in {401, 403}


async def test_the_signal_ends_it_at_once_and_well(site: World) -> None:
    started = asyncio.get_running_loop().time()
    assert await site.door.stop() == 0
    assert asyncio.get_running_loop().time() - started < 3


async def test_a_missing_right_ends_it_with_a_clear_word(
    site: World, api_server: Callable[[], ApiServer], tmp_path: Path
) -> None:
    """One right of the chart's Role; tests/kube/test_operator.py takes away others."""
    rules = [rule for rule in chart_rules() if rule["verbs"] != ["create"]]
    door = Kube(tmp_path, site.asterisk, Namespace(api_server(), "lacks-create", rules))
    await door.start()
    assert await door.child.wait(20) == 1
    last = door.log.strip().splitlines()[-1]
    assert "level=error" in last
    assert "create leases.coordination.k8s.io" in last
    assert "Traceback" not in door.log
    await door.close()
