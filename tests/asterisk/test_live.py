"""Live state follows a real Asterisk with real phones and a real carrier's answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from dialplane.asterisk.contacts import contacts, drop_contacts
from dialplane.asterisk.live import Change, LiveState, follow
from dialplane.asterisk.readback import gone, read_back
from dialplane.asterisk.status import asterisk_status, busy_contexts, missing_modules
from dialplane.plan.objects import Objects, PjsipObject, PjsipType
from testbed.agent import SipAgent
from testbed.digest import Credentials
from tests.asterisk.real_asterisk import Pbx, context, pjsip

pytestmark = pytest.mark.asyncio(loop_scope="module")

ULAW = ("allow", "ulaw")  # the default is none at all, and 488


def extension(number: str, *aor: tuple[str, str]) -> tuple[PjsipObject, ...]:
    return (
        pjsip(
            PjsipType.ENDPOINT, number, ("auth", number), ("aors", number), ("context", "internal"), ("allow", "ulaw")
        ),
        pjsip(PjsipType.AUTH, number, ("username", number), ("password", SecretStr(f"secret-{number}"))),
        pjsip(PjsipType.AOR, number, ("max_contacts", "2"), *aor),
    )


def trunk(name: str, port: int) -> tuple[PjsipObject, ...]:
    uri = f"sip:127.0.0.1:{port}"
    return (
        pjsip(PjsipType.ENDPOINT, name, ("aors", name), ("transport", "udp")),
        pjsip(PjsipType.AOR, name, ("contact", uri), ("qualify_frequency", "1"), ("qualify_timeout", "0.5")),
        pjsip(
            PjsipType.REGISTRATION,
            name,
            ("server_uri", uri),
            ("client_uri", f"sip:{name}@127.0.0.1:{port}"),
            ("retry_interval", "1"),
            ("forbidden_retry_interval", "1"),
            ("max_retries", "1000"),
        ),
    )


@asynccontextmanager
async def phone(pbx: Pbx, number: str) -> AsyncIterator[SipAgent]:
    server = ("127.0.0.1", pbx.asterisk.sip_port)
    agent = SipAgent(number, Credentials(number, f"secret-{number}"), server, hz=440, report=lambda _: None)
    await agent.open("127.0.0.1")
    try:
        yield agent
    finally:
        await agent.close()


async def until(changes: AsyncIterator[Change], seen: list[Change], wanted: object) -> LiveState:
    """The first view in which `wanted(view)` holds."""
    if seen and wanted(seen[-1].state):  # type: ignore[operator]
        return seen[-1].state
    async with asyncio.timeout(15):
        async for change in changes:
            seen.append(change)
            if wanted(change.state):  # type: ignore[operator]
                return change.state
    raise AssertionError("the stream ended")


def _state(state: LiveState) -> str:
    return state.registrations["acme"].state if "acme" in state.registrations else ""


async def test_a_phone_comes_moves_and_goes(pbx: Pbx) -> None:
    assert await pbx.hold(Objects((*extension("101"), *extension("102")))) == ()
    changes, seen = follow(pbx.ami), list[Change]()
    first = await until(changes, seen, lambda _: True)
    assert "101" not in first.contacts
    async with phone(pbx, "101") as agent:
        assert await agent.register() == 200
        state = await until(changes, seen, lambda s: "101" in s.contacts)
        (contact,) = state.contacts["101"]
        assert contact.uri.startswith("sip:101@127.0.0.1:")
        assert contact.registered
        assert contact.status == "NonQualified"
        assert seen[-1].aors == {"101"}
        assert await agent.register(expires=0) == 200
        await until(changes, seen, lambda s: "101" not in s.contacts)
    await changes.aclose()


async def test_a_qualified_contact_tells_its_state(pbx: Pbx) -> None:
    await pbx.hold(Objects(extension("101", ("qualify_frequency", "1"), ("qualify_timeout", "0.5"))))
    changes, seen = follow(pbx.ami), list[Change]()
    async with phone(pbx, "101") as agent:
        await agent.register()
        state = await until(changes, seen, lambda s: [c.status for c in s.contacts.get("101", ())] == ["Reachable"])
        rtt = state.contacts["101"][0].rtt_ms
        assert rtt is not None
        assert 0 < rtt < 500
        await drop_contacts(pbx.ami, ["101"])
    await changes.aclose()


async def test_dropped_contacts_are_gone_at_once_and_found_by_a_resync(pbx: Pbx) -> None:
    await pbx.hold(Objects((*extension("101"), *extension("102"))))
    resync = asyncio.Event()
    changes, seen = follow(pbx.ami, resync=resync), list[Change]()
    async with phone(pbx, "101") as one, phone(pbx, "101") as two, phone(pbx, "102") as other:
        for agent in (one, two, other):
            assert await agent.register() == 200
        await until(changes, seen, lambda s: len(s.contacts.get("101", ())) == 2 and "102" in s.contacts)
        assert await pbx.hold(Objects(extension("102"))) == ()
        left = await gone(pbx.ami, Objects(extension("101")))
        assert [(m.object, m.field) for m in left] == [("aor 101", "contact")]
        assert await drop_contacts(pbx.ami, ["101"]) == 2
        assert await drop_contacts(pbx.ami, ["101"]) == 0
        assert await gone(pbx.ami, Objects(extension("101"))) == ()
        assert set(await contacts(pbx.ami)) == {"102"}
        resync.set()
        state = await until(changes, seen, lambda s: "101" not in s.contacts)
        assert "102" in state.contacts
        await drop_contacts(pbx.ami, ["102"])
    await changes.aclose()


async def test_a_call_finds_no_contact_once_it_is_dropped(pbx: Pbx) -> None:
    dialplan = context("internal", ("_1XX", 1, "Dial", "PJSIP/${EXTEN},5"), ("_1XX", 2, "Hangup", "${HANGUPCAUSE}"))
    await pbx.hold(Objects((*extension("101"), *extension("102")), contexts=(dialplan,)))
    async with phone(pbx, "101") as callee, phone(pbx, "102") as caller:
        assert await callee.register() == 200
        assert await caller.register() == 200
        call = await caller.invite("101")
        assert call.code == 200
        await caller.hangup(call)
        await drop_contacts(pbx.ami, ["101"])
        assert (await caller.invite("101")).code >= 400
        await drop_contacts(pbx.ami, ["102"])


async def test_registered_contacts_are_no_difference_of_an_aor(pbx: Pbx) -> None:
    site = Objects((*extension("101"), *extension("102", ("contact", "sip:desk@127.0.0.1:1"))))
    await pbx.hold(site)
    async with phone(pbx, "101") as one, phone(pbx, "102") as two:
        await one.register()
        await two.register()
        assert await read_back(pbx.ami, site) == ()
        assert await read_back(pbx.ami, Objects(tuple(o for o in site.pjsip if o.type is PjsipType.AOR))) == ()
        await drop_contacts(pbx.ami, ["101", "102"])


async def test_a_trunk_registers_is_refused_and_is_lost(pbx: Pbx) -> None:
    async with phone(pbx, "carrier") as carrier:
        codes = {"REGISTER": 403}
        original = carrier.handle

        async def handle(request: object, source: tuple[str, int]) -> None:
            method = request.method  # type: ignore[attr-defined]
            if method in codes:
                carrier.answer(request, source, codes[method], extra=[("expires", "60")])  # type: ignore[arg-type]
            elif method == "OPTIONS" and "OPTIONS" in codes:
                return
            else:
                await original(request, source)  # type: ignore[arg-type]

        carrier.handle = handle  # type: ignore[method-assign]
        changes, seen = follow(pbx.ami), list[Change]()
        await until(changes, seen, lambda _: True)
        resynced = asyncio.Event()
        await pbx.hold(Objects(trunk("acme", carrier.address[1])))
        await changes.aclose()
        changes = follow(pbx.ami, seen[-1].state, resync=resynced)
        await until(changes, seen, lambda s: _state(s) == "Rejected")
        codes["REGISTER"] = 200
        state = await until(changes, seen, lambda s: _state(s) == "Registered")
        assert state.registrations["acme"].server_uri == f"sip:127.0.0.1:{carrier.address[1]}"
        state = await until(changes, seen, lambda s: [c.status for c in s.contacts.get("acme", ())] == ["Reachable"])
        assert not state.contacts["acme"][0].registered
        carrier._transport.close()  # type: ignore[union-attr]
        await until(changes, seen, lambda s: [c.status for c in s.contacts.get("acme", ())] == ["Unreachable"])
        await changes.aclose()
    await pbx.hold(Objects())


async def test_the_status_of_asterisk_and_where_its_calls_are(pbx: Pbx) -> None:
    contexts = (
        context("inner", ("s", 1, "Answer", ""), ("s", 2, "Wait", "30")),
        context("internal", ("101", 1, "Gosub", "routine,s,1")),
        context("routine", ("s", 1, "Gosub", "inner,s,1"), ("s", 2, "Return", "")),
    )
    assert await pbx.hold(Objects(extension("102"), contexts=contexts)) == ()
    assert await busy_contexts(pbx.ami) == {}
    async with phone(pbx, "102") as caller:
        await caller.register()
        call = await caller.invite("101")
        assert call.code == 200
        assert set(await busy_contexts(pbx.ami)) == {"inner", "routine", "internal"}
        status = await asterisk_status(pbx.ami)
        assert (status.active_channels, status.active_calls) == (1, 1)
        assert status.version.startswith("2")
        await caller.hangup(call)
        await drop_contacts(pbx.ami, ["102"])
    assert await missing_modules(pbx.ami, ["res_pjsip.so", "nosuch.so", "app_dial.so"]) == ("nosuch.so",)
