"""A restart that the annotation asks for: with real calls on a real Asterisk, once per value, and never unasked."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.reconcile.place import MEMORY
from dialplane.reconcile.ports import SupervisorError
from dialplane.reconcile.restart import NOBODY
from dialplane.reconcile.restart_request import ANNOTATION
from dialplane.resources.conditions import ConditionType
from dialplane.resources.key import Key
from testbed.local_peer import LocalPeer
from testbed.manifests import manifest
from testbed.ports import LOOPBACK
from tests.reconcile.site_rig import FAST, Rig, extensions

PBX = Key("Asterisk", "pbx")
PHONE = Key("Extension", "e101")
QUICK = replace(FAST, drain_check=0.1, lost_grace=30)
EMERGENCY = {"numbers": ["112"], "trunks": ["alpha"], "callerId": "+4930112"}
HOUR = timedelta(hours=1)


@dataclass
class Keeper:
    """Keeps the test's Asterisk running."""

    rig: Rig
    fault: str = ""
    refusal: str = ""
    instead: Callable[[], Awaitable[None]] | None = None
    restarts: int = field(default=0, init=False)

    async def check(self) -> None:
        if self.refusal:
            raise SupervisorError(self.refusal)

    async def restart(self) -> None:
        self.restarts += 1
        if self.fault:
            raise SupervisorError(self.fault)
        await (self.instead or self.rig.restart)()


@dataclass
class Office:
    """A site with phones 101 and 102 and a carrier for emergency calls, verified, whose restart can be asked for."""

    rig: Rig
    keeper: Keeper
    spec: dict[str, Any] = field(default_factory=dict)
    value: str = ""
    phones: dict[str, LocalPeer] = field(default_factory=dict)

    async def open(self, **restart: Any) -> None:
        rig = self.rig
        self.carrier = await rig.carrier("alpha")
        await self.carrier.ask("challenge_calls", on=False)
        host, port = self.carrier.address
        rig.put(manifest("SipTrunk", "alpha", host=host, port=port), *extensions([101, 102]))
        rig.supervisor = self.keeper
        self.spec = {"emergency": EMERGENCY, "restart": restart}
        self.put()
        rig.run()
        await rig.settled()

    def put(self) -> None:
        pbx = self.rig.pbx(**self.spec)
        if self.value:
            pbx["metadata"]["annotations"] = {ANNOTATION: self.value}
        self.rig.put(pbx)

    def ask(self, value: str, **restart: Any) -> None:
        self.value = value
        self.spec["restart"] = self.spec["restart"] | restart
        self.put()

    @property
    def told(self) -> tuple[str, str, str]:
        """Value and phase, and the reason of the condition, as the newest status has them."""
        status = self.rig.sink.statuses.get(PBX, {})
        told = status.get("restart", {})
        reasons = [c["reason"] for c in status.get("conditions", ()) if c["type"] == "Restarted"]
        return told.get("value", ""), told.get("phase", ""), *(reasons or [""])  # type: ignore[return-value]

    @property
    def message(self) -> str:
        conditions = self.rig.sink.statuses[PBX]["conditions"]
        return str(next(c["message"] for c in conditions if c["type"] == "Restarted"))

    async def until(self, phase: str, seconds: float = 30) -> None:
        await self.rig.until(lambda: self.told[:2] == (self.value, phase), seconds)

    async def call(self, number: str = "102") -> dict[str, Any]:
        for name in ("101", "102"):
            if name not in self.phones:
                phone = self.phones[name] = await self.rig.phone(name)
                assert (await phone.ask("register"))["code"] == 200
                await phone.ask("answer", code=200, ring_seconds=0.1)
        call = await self.phones["101"].ask("call", number=number)
        assert call["code"] == 200, call
        return call

    async def hang_up(self, call: dict[str, Any]) -> None:
        assert (await self.phones["101"].ask("hangup", call=call["call"]))["bye"] == 200


@pytest_asyncio.fixture(loop_scope="session")
async def office(tmp_path: Path) -> Any:
    async with Rig(tmp_path, timing=QUICK) as rig:
        yield Office(rig, Keeper(rig))


async def test_it_waits_for_calls_and_emergency_calls_work_until_the_stop(office: Office) -> None:
    await office.open()
    first = await office.call()
    before = office.rig.asterisk.pid
    office.ask("one")
    await office.until("Draining")
    assert office.told[2] == "Draining"
    assert office.rig.sink.statuses[PBX]["state"] == "Normal"
    assert office.rig.says("e101", "Verified"), "every call works while calls are waited for"
    emergency = await office.call("112")
    await office.hang_up(first)
    await asyncio.sleep(0.5)
    assert office.keeper.restarts == 0
    await office.hang_up(emergency)
    await office.until("Restarted")
    assert office.told[2] == "Restarted"
    assert office.rig.asterisk.pid != before
    assert office.keeper.restarts == 1
    await office.rig.until(lambda: office.rig.sink.statuses[PBX]["state"] == "Normal")
    seen = office.rig.sink.every(PHONE)
    assert [said[1:] for said in seen][-3:] == [("True", "Verified"), ("Unknown", "Restarting"), ("True", "Verified")]
    told = [status for _, status, _ in office.rig.sink.every(PBX, ConditionType.RESTARTED)]
    assert sorted(set(told), reverse=True) == ["Unknown", "True"]
    assert told[-1] == "True"
    assert await office.rig.registers("102", "secret-102")


async def test_nothing_is_ready_from_the_order_until_it_was_verified_again(office: Office) -> None:
    """The pod of Asterisk, say: told to go, it takes its time, and refuses every call meanwhile."""
    await office.open()
    ordered, go = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        ordered.set()
        await go.wait()
        await office.rig.restart()

    office.keeper.instead = slowly
    office.ask("one")
    await asyncio.wait_for(ordered.wait(), 20)
    assert office.rig.loop.connected, "no connection has failed"
    await office.rig.until(lambda: office.rig.says("e101", "Restarting"))
    for name, kind in (("alpha", "SipTrunk"), ("pbx", "Asterisk")):
        assert office.rig.says(name, "Restarting", kind)
    assert office.rig.sink.statuses[PBX]["state"] == "Restarting"
    go.set()
    await office.until("Restarted")
    await office.rig.until(lambda: office.rig.says("e101", "Verified"))


async def test_a_changed_bind_waits_for_the_restart_and_is_ready_after_it(office: Office) -> None:
    await office.open()
    port = office.rig.asterisk.tls_port
    transport = {"name": "udp", "protocol": "udp", "bind": f"{LOOPBACK}:{port}"}
    office.spec["transports"] = [transport]
    office.put()
    await office.rig.until(lambda: office.rig.says("pbx", "RestartRequired", "Asterisk"))
    await asyncio.sleep(2)  # Asterisk tells its age to the second
    office.ask("one")
    await office.until("Restarted")
    await office.rig.until(lambda: office.rig.says("pbx", "Verified", "Asterisk"))
    assert f":{port}" in await office.rig.asterisk.console("pjsip show transport udp")


async def test_calls_that_stay_up_end_the_attempt_and_a_new_value_is_another(office: Office) -> None:
    await office.open(drainSeconds=1)
    call = await office.call()
    office.ask("one")
    await office.until("GivenUp")
    assert office.told[2] == "CallsUp"
    assert "ask anew" in office.message
    assert office.rig.sink.statuses[PBX]["state"] == "Normal"
    await office.hang_up(call)
    await asyncio.sleep(0.5)
    assert office.keeper.restarts == 0
    office.ask("two")
    await office.until("Restarted")
    assert office.keeper.restarts == 1


async def test_force_ends_calls_after_the_wait_but_never_an_emergency_call(office: Office) -> None:
    await office.open(drainSeconds=1, force=True)
    emergency = await office.call("112")
    await office.call()
    office.ask("one")
    await office.until("Draining")
    await asyncio.sleep(1.8)
    assert office.keeper.restarts == 0
    await office.hang_up(emergency)
    await office.until("Restarted")
    assert office.keeper.restarts == 1


async def test_a_call_that_begins_in_the_last_moment_is_waited_for(office: Office) -> None:
    await office.open()
    async with office.rig.loop._turn:  # a pass that takes long
        office.ask("one")
        judged = office.rig.loop._judged
        assert judged is not None
        office.rig.loop._restarts.hear(office.rig.source.snapshot(), judged.plan.pbx)
        await office.until("Draining")
        await asyncio.sleep(0.5)  # it counts zero, and waits for its turn
        call = await office.call()
    await asyncio.sleep(0.5)
    assert office.keeper.restarts == 0
    assert office.told[1] == "Draining"
    await office.hang_up(call)
    await office.until("Restarted")


async def test_a_request_that_is_withdrawn_is_forgotten(office: Office) -> None:
    await office.open()
    call = await office.call()
    office.ask("one")
    await office.until("Draining")
    office.ask("")
    await office.rig.until(lambda: office.told == ("", "", ""))
    await office.hang_up(call)
    await asyncio.sleep(0.5)
    assert office.keeper.restarts == 0
    assert office.rig.sink.statuses[PBX]["state"] == "Normal"


async def test_a_value_is_acted_upon_once_whoever_leads(office: Office) -> None:
    await office.open()
    office.ask("one")
    await office.until("Restarted")
    for _ in range(2):
        await office.rig.rerun()
        await office.rig.settled()
        await asyncio.sleep(0.5)
    assert office.keeper.restarts == 1
    assert office.told == ("one", "Restarted", "Restarted")


async def test_a_controller_that_never_saw_the_site_leaves_an_old_annotation_alone(office: Office) -> None:
    office.value = "one"
    await office.open()
    await asyncio.sleep(0.5)
    assert office.told == ("one", "Skipped", "")
    await office.rig.end()
    (office.rig.config / MEMORY).unlink()
    office.ask((datetime.now(UTC) + HOUR).isoformat())  # a time is no more than a word here
    await office.rig.rerun()
    await office.until("Skipped")
    assert office.keeper.restarts == 0
    office.ask("a third")
    await office.until("Restarted")
    assert office.keeper.restarts == 1


async def test_an_asterisk_that_started_after_the_time_asked_for_is_left_alone(office: Office) -> None:
    await office.open()
    office.ask((datetime.now(UTC) - HOUR).isoformat())
    await office.until("Restarted")
    assert office.keeper.restarts == 0


async def test_a_controller_that_dies_after_the_order_finds_the_restart_done(office: Office) -> None:
    await office.open()
    ordered, restarting = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        ordered.set()
        await restarting.wait()

    office.keeper.instead = hang
    office.ask("one")
    await asyncio.wait_for(ordered.wait(), 20)
    await office.rig.end()
    await asyncio.sleep(0.5)
    await office.rig.restart()
    await office.rig.rerun()
    await office.until("Restarted")
    assert office.keeper.restarts == 1


async def test_a_controller_that_dies_before_the_order_gives_it_in_the_end(office: Office) -> None:
    await office.open()
    dying = asyncio.Event()

    async def die() -> None:
        dying.set()
        await asyncio.sleep(3600)

    office.keeper.instead = die  # nothing happens
    office.ask("one")
    await asyncio.wait_for(dying.wait(), 20)
    await office.until("Restarting")
    await office.rig.end()
    office.keeper.instead = None
    call = await office.call()
    office.rig.timing = replace(QUICK, supervisor_limit=3)
    await office.rig.rerun()
    await office.until("Draining")
    await asyncio.sleep(0.5)
    assert office.keeper.restarts == 1  # the one that did nothing
    await office.hang_up(call)
    await office.until("Restarted")
    assert office.keeper.restarts == 2


FAULTS = {
    "fails": "masked",
    "hangs": "within 1 s",
    "lies": "has not started anew",
    "denied beforehand": "not granted",
    "nobody": NOBODY,
}
"""What the supervisor does, and what is said of it."""


async def test_a_restart_that_fails_is_told_and_heals_when_somebody_restarts_asterisk(office: Office) -> None:
    office.rig.timing = replace(QUICK, supervisor_limit=1, restart_limit=2)

    async def hang() -> None:
        await asyncio.sleep(3600)

    async def lie() -> None:
        await asyncio.sleep(0)

    keeper, ordered = office.keeper, 0
    await office.open()
    for how, said in FAULTS.items():
        keeper.fault = "the unit is masked" if how == "fails" else ""
        keeper.refusal = "not granted" if how == "denied beforehand" else ""
        keeper.instead = {"hangs": hang, "lies": lie}.get(how)
        ordered += how in {"fails", "hangs", "lies"}
        if how == "nobody":
            office.rig.supervisor = None
            await office.rig.rerun()
            await office.rig.settled()
        office.ask(how)
        await office.until("Failed")
        assert office.told[2] == "RestartFailed"
        assert said in office.message
        assert keeper.restarts == ordered
        await office.rig.until(lambda: office.rig.says("e101", "Verified"))
        assert office.rig.sink.statuses[PBX]["state"] == "Normal"
    await asyncio.sleep(0.3)
    await office.rig.restart()
    await office.until("Restarted")
    assert keeper.restarts == ordered


async def test_a_clock_that_is_set_meanwhile_makes_no_restart_late(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.open()

    async def set_the_clock_and_restart() -> None:
        right = time.time
        monkeypatch.setattr(time, "time", lambda: right() + HOUR.total_seconds())
        await office.rig.restart()

    office.keeper.instead = set_the_clock_and_restart
    office.ask("one")
    await office.until("Restarted")
    told = {reason for _, _, reason in office.rig.sink.every(PBX, ConditionType.RESTARTED)}
    assert told <= {"Draining", "Restarting", "Restarted"}


async def test_a_controller_without_a_supervisor_ends_what_another_began(office: Office) -> None:
    await office.open()
    call = await office.call()
    office.ask("one")
    await office.until("Draining")
    office.rig.supervisor = None
    await office.rig.rerun()
    await office.rig.settled()
    await office.hang_up(call)
    await office.until("Failed")
    assert NOBODY in office.message


async def test_an_asterisk_that_answers_nothing_is_restarted_only_by_force(office: Office) -> None:
    await office.open(drainSeconds=1)
    await office.rig.asterisk.stop()
    office.ask("one")
    await office.until("GivenUp")
    assert "could not say" in office.message
    office.keeper.instead = office.rig.asterisk.start
    office.ask("two", force=True)
    await office.until("Restarted")
    assert office.keeper.restarts == 1


async def test_one_who_does_not_lead_restarts_nothing(office: Office) -> None:
    await office.open()
    office.rig.leader.may = False
    office.ask("one")
    await asyncio.sleep(0.6)
    assert office.keeper.restarts == 0
    office.rig.leader.may = True
    await office.until("Restarted")
    assert office.keeper.restarts == 1
