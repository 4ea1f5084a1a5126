"""When a modem is reset."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.gsm import Gateway, dongle, imei
from dialplane.asterisk.modem import Modem
from dialplane.resources.key import Key
from dialplane.services.sms.watchdog import Care, Remedy, judge
from dialplane.store import Store
from tests.sms.rig import Site, message

LIMIT = 60.0
WELL = Modem("one", "chan_dongle", "Free")
SEARCHING = Modem("one", "chan_dongle", "GSM not registered")
AWAY = Modem("one", "chan_dongle", "Not connected")
BUSY = Modem("one", "chan_dongle", "GSM not registered", calls=1)
FULL = Modem("one", "chan_dongle", "Free", tasks_queued=3)


@dataclass
class Case:
    """A modem over time, looked at every three seconds."""

    now: float = 0.0
    care: Care = field(default_factory=Care)
    done: list[tuple[float, str]] = field(default_factory=list)

    def look(self, modem: Modem | None, until: float, limit: float = LIMIT) -> list[tuple[float, str]]:
        """The remedies up to then."""
        before = len(self.done)
        while self.now < until:
            self.now += 3.0
            self.care, remedy = judge(self.care, modem, self.now, limit=limit)
            if remedy is not None:
                self.done.append((self.now, str(remedy)))
        return self.done[before:]


def test_a_modem_that_is_well_is_left_alone() -> None:
    assert Case().look(WELL, 10_000) == []


def test_one_out_of_service_is_reset_then_restarted_and_ever_more_rarely() -> None:
    pauses = Case().look(SEARCHING, 20_000)
    assert [remedy for _, remedy in pauses[:3]] == [Remedy.RESET, Remedy.RESTART, Remedy.RESET]
    times = [0.0, *(at for at, _ in pauses)]
    gaps = [round(after - before, -1) for before, after in itertools.pairwise(times)]
    assert gaps[:7] == [60, 120, 240, 480, 960, 1920, 3600]
    assert set(gaps[7:]) == {3600}


@pytest.mark.parametrize("modem", [AWAY, None], ids=["unplugged", "unknown"])
def test_one_that_is_not_there_cannot_be_reset(modem: Modem | None) -> None:
    assert Case().look(modem, 10_000) == []


def test_one_that_comes_back_gets_its_time_to_register() -> None:
    case = Case()
    case.look(AWAY, 1_000)
    assert [at for at, _ in case.look(SEARCHING, 1_100)] == [pytest.approx(1_063, abs=3)]


def test_never_during_a_call_but_after_it() -> None:
    case = Case()
    assert case.look(BUSY, 600) == []
    assert len(case.look(SEARCHING, 606)) == 1


def test_a_queue_that_does_not_move_is_a_reason() -> None:
    assert [remedy for _, remedy in Case().look(FULL, 70)] == [Remedy.RESET]


def test_a_queue_that_becomes_shorter_is_none() -> None:
    case = Case()
    for tasks in range(40, 0, -1):
        case.look(Modem("one", "chan_dongle", "SMS", tasks_queued=tasks), case.now + 30)
    assert case.done == []


def test_after_a_while_in_service_it_begins_anew() -> None:
    case = Case()
    case.look(SEARCHING, 1_000)
    case.look(WELL, 2_000)
    assert [at for at, _ in case.look(SEARCHING, 2_070)] == [pytest.approx(2_063, abs=3)]


def test_a_short_recovery_does_not() -> None:
    case = Case()
    case.look(SEARCHING, 190)
    case.look(WELL, 200)
    assert case.look(SEARCHING, 300) == []


def test_zero_seconds_switch_it_off() -> None:
    assert Case().look(SEARCHING, 10_000, limit=0.0) == []


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[[], Site]]:
    store = await asyncio.to_thread(Store.open, f"sqlite:///{tmp_path}/store.db")
    async with Gateway.running(tmp_path, [dongle(0, watchdogSeconds=4, sms={"perMinute": 120})]) as gateway:
        yield lambda: Site(gateway, store)
    store.close()


async def test_a_modem_that_is_silently_stuck_is_reset_and_an_event_tells_of_it(serve: Callable[[], Site]) -> None:
    async with serve().running() as site:
        await site.is_online()
        await site.peer.ask("stuck", imei=imei(0))
        site.send(message("hello"))
        await site.until(lambda: bool(site.notices), within=20)
        assert site.notices == [
            (Key("Dongle", "gsm-0"), "ModemReset", "the watchdog reset the modem: its queue does not move")
        ]
        await site.is_online()
