"""`Asterisk.status` and the gauges beside it say what the running Asterisk says, and no more than is known."""

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from dialplane.reconcile.pending import Pending
from dialplane.resources.key import Key
from testbed.local_peer import LocalPeer
from testbed.manifests import manifest
from tests.kube.fakes import Clock
from tests.reconcile.ami_proxy import Proxy
from tests.reconcile.site_rig import Rig, extension, extensions
from tests.reconcile.test_calls import BROKEN

PBX = Key("Asterisk", "pbx")
NUMBERS = ("activeChannels", "activeCalls", "registrations")


def value(name: str, **labels: str) -> float | None:
    """What a scrape of this process would show."""
    return REGISTRY.get_sample_value(f"dialplane_{name}", labels)


def says(rig: Rig, **fields: Any) -> Callable[[], bool]:
    """Whether the status has these values; None: it has none."""
    return lambda: all(rig.sink.statuses.get(PBX, {}).get(name) == wanted for name, wanted in fields.items())


async def phones(rig: Rig) -> tuple[LocalPeer, LocalPeer]:
    caller, callee = await rig.phone("101"), await rig.phone("102")
    for phone in (caller, callee):
        assert (await phone.ask("register"))["code"] == 200
    await callee.ask("answer", code=200, ring_seconds=0.1)
    return caller, callee


async def test_the_status_follows_asterisk(tmp_path: Path) -> None:
    async with Rig(tmp_path, own=True) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        status = rig.sink.statuses[PBX]
        assert status["state"] == "Normal"
        assert status["version"] in await rig.asterisk.console("core show version")
        started = datetime.fromisoformat(status["startedAt"])
        assert timedelta() <= datetime.now(UTC) - started < timedelta(minutes=2)
        assert value("asterisk_start_timestamp_seconds") == started.timestamp()
        assert "res_pjsip.so" in status["lastReload"]["modules"]
        assert status["lastReload"]["result"] == "Verified"
        assert status["configRevision"]
        assert [status[name] for name in NUMBERS] == [0, 0, 0]

        caller, callee = await phones(rig)
        await rig.until(says(rig, registrations=2))
        assert value("registered_contacts") == 2
        assert value("conditions", kind="Extension", type="Registered", status="True") == 2
        assert (await caller.ask("call", number="102"))["code"] == 200
        await rig.until(says(rig, activeChannels=2, activeCalls=1))
        assert (value("active_channels"), value("active_calls")) == (2, 1)
        await caller.ask("hangup")
        await rig.until(says(rig, activeChannels=0, activeCalls=0))
        await callee.ask("register", expires=0)
        await rig.until(says(rig, registrations=1))
        await asyncio.sleep(1.2)  # two more looks
        assert says(rig, activeChannels=0, activeCalls=0)()
        assert (value("active_channels"), value("active_calls")) == (0, 0)


async def test_an_asterisk_that_is_away_has_no_numbers(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        caller, _ = await phones(rig)
        assert (await caller.ask("call", number="102"))["code"] == 200
        await rig.until(says(rig, activeChannels=2, registrations=2))
        before = dict(rig.sink.statuses[PBX])
        await rig.asterisk.stop()
        await rig.until(says(rig, state="Error"))
        assert (value("ami_connected"), value("active_calls")) == (0, None)
        await rig.until(says(rig, state="Error", **dict.fromkeys(NUMBERS)))
        kept = rig.sink.statuses[PBX]
        assert {name: kept[name] for name in ("version", "startedAt", "configRevision")} == {
            name: before[name] for name in ("version", "startedAt", "configRevision")
        }
        await rig.rerun()  # a controller that never saw it run
        await rig.until(lambda: rig.says("pbx", "AsteriskUnreachable", "Asterisk"))
        assert says(rig, state="Error", **dict.fromkeys(NUMBERS))()
        await asyncio.sleep(1)
        await rig.asterisk.start()
        await rig.listen()
        await rig.until(says(rig, state="Normal", activeChannels=0, activeCalls=0))
        await rig.until(lambda: rig.sink.statuses[PBX]["startedAt"] > before["startedAt"])
        await rig.end()
        assert value("ami_connected") is None  # nobody claims anything
        assert value("converged") is None


async def test_a_reload_that_is_not_answered_is_shown(tmp_path: Path) -> None:
    proxy = Proxy()
    async with Rig(tmp_path) as rig, proxy.run():
        proxy.target = rig.asterisk.settings.ami_port
        rig.ami_port = proxy.port
        rig.put(rig.pbx(), *extensions([101]))
        rig.run()
        await rig.settled()
        revision = rig.sink.statuses[PBX]["configRevision"]
        unanswered = {"module": "res_pjsip.so", "result": "unanswered"}
        before = value("reloads_total", **unanswered) or 0
        proxy.cut_on = b"Action: Reload"
        rig.put(extension("102"))
        await rig.until(lambda: "unanswered" in rig.sink.statuses[PBX]["lastReload"]["result"])
        last = rig.sink.statuses[PBX]["lastReload"]
        assert last["modules"] == ["res_pjsip.so"]
        assert value("reloads_total", **unanswered) == before + 1
        proxy.cut_on = None
        await rig.settled()
        assert rig.sink.statuses[PBX]["configRevision"] != revision
        assert value("pending_seconds") == 0


async def test_what_asterisk_refuses_is_a_problem_with_that_reason(tmp_path: Path) -> None:
    refused = {"kind": "Extension", "type": "Ready", "reason": "RejectedByAsterisk"}
    async with Rig(tmp_path) as rig:
        broken = manifest("SipTrunk", "alpha", host="127.0.0.9", credentialsSecretRef={"name": "nowhere"})
        rig.put(rig.pbx(), *extensions([101, 102]), broken)
        rig.run()
        await rig.settled()
        assert value("problems", **refused) is None
        assert value("problems", kind="SipTrunk", type="Accepted", reason="SecretMissing") == 1
        assert value("resources", kind="Extension") == 2
        assert [value("conditions", kind="Extension", type="Ready", status=s) for s in ("True", "False")] == [2, 0]
        await rig.rerun({"extensions.conf.j2": BROKEN})
        await rig.until(lambda: (value("problems", **(refused | {"kind": "Asterisk"})) or 0) == 1)


async def test_every_phase_is_timed(tmp_path: Path) -> None:
    def counts() -> dict[str, float]:
        phases = ("plan", "write", "reload", "read-back", "report", "pass")
        return {phase: value("phase_seconds_count", phase=phase) or 0.0 for phase in phases}

    before, changes = counts(), value("change_seconds_count") or 0
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101]))
        rig.run()
        await rig.settled()
    after = counts()
    assert all(after[phase] > before[phase] for phase in after), (before, after)
    assert (value("change_seconds_count") or 0) > changes
    whole = value("phase_seconds_sum", phase="pass")
    assert whole is not None
    assert math.isfinite(whole)


@pytest.mark.parametrize(
    ("steps", "waits"),
    [
        ("", 0),
        ("seen", 10),
        ("seen taken", 10),
        ("seen taken judged", 10),
        ("seen taken judged telling", 10),
        ("seen taken judged telling told", 0),
        ("seen taken telling told", 10),  # only an older verdict was told
        ("seen taken judged telling seen told", 9),
        ("seen taken seen judged telling told", 9),  # the second came too late for that pass
        ("seen taken seen taken judged telling told", 0),  # a pass failed, the next one worked on both
        ("seen taken judged telling telling told", 0),
    ],
)
def test_a_change_waits_until_its_own_verdict_is_told(steps: str, waits: int) -> None:
    clock = Clock()
    pending = Pending(clock)
    first = True
    for step in steps.split():
        if step == "seen" and not first:
            clock.now += 1
        first = False
        getattr(pending, step)()
    clock.now = 1010.0
    assert pending.seconds == waits
