"""The gateway as devices see it: who gets in, whose connection counts, and how one ends."""

import asyncio
import json
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dialplane.api.websockets import Socket
from dialplane.services.elevator.gateway import batches, connects, replica, session, silence, takeovers
from dialplane.services.elevator.gateway.takeovers import Takeovers
from dialplane.services.elevator.tables import sessions, telephones
from dialplane.store import Store, StoreError, StoreUnavailable
from dialplane.tasks import Backoff
from tests.elevator.gateways import (
    PROFILE,
    SITE,
    beat,
    closed,
    gateway,
    ready,
    say,
    token,
    view,
)
from tests.eventually import eventually


async def test_an_old_device_works_unchanged(store: Store) -> None:
    """It knows heartbeat, log, snapshot and command alone."""
    taken: list[tuple[str, str, str | None]] = []

    class Album:
        def receive(self, device: str, payload: str, command: str | None) -> object:
            taken.append((device, payload, command))
            return None

    async with gateway(store, view("dev_12345"), pictures=Album()) as running:
        device = await running.device("dev_12345")
        await say(device, "heartbeat", device_id="dev_12345", payload="alive")
        assert await device.recv() == '{"type":"pong"}'
        await say(device, "log", device_id="dev_12345", payload="door open")
        await say(device, "snapshot", device_id="dev_12345", payload="aGk=")
        assert await running.journals("dev_12345", 1, "log") == [("log", {"level": "info", "text": "door open"})]
        assert taken == [("dev_12345", "aGk=", None)]
        await device.close()


@pytest.mark.parametrize(
    ("device", "shown"),
    [
        ("lift-1", "wrong-token-0123456789"),
        ("lift-2", token("lift-1")),
        ("nobody", "wrong-token-0123456789"),
        ("tokenless", "wrong-token-0123456789"),
        ("", token("lift-1")),
    ],
)
async def test_whoever_proves_nothing_gets_the_same_answer(store: Store, device: str, shown: str) -> None:
    async with gateway(store, view("lift-1", "lift-2", others={"tokenless": None})) as running:
        with pytest.raises(InvalidStatus) as refused:
            await running.device(device, shown)
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body or b"")["detail"] == "no device of this name has this token"
        url = f"ws://127.0.0.1:{await running.port}/ws?device_id=lift-1"
        async with connect(url, additional_headers={"Authorization": f"Bearer {token('lift-1')}"}, proxy=None) as right:
            await beat(right)


async def test_the_newest_connection_counts_and_the_older_is_closed(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        older = await running.device("lift-1")
        await beat(older)
        await eventually(
            lambda: sessions.open_at(store, SITE, "gateway-aaaaaaaa"), holds=lambda found: found == {"lift-1": 1}
        )
        newer = await running.device("lift-1")
        assert await closed(older) == session.DeviceClose.SUPERSEDED
        await beat(newer)
        await eventually(
            lambda: sessions.open_at(store, SITE, "gateway-aaaaaaaa"), holds=lambda found: found == {"lift-1": 2}
        )
        noted = [kind for kind, _ in await running.journals("lift-1", 4)]
        assert sorted(noted) == ["connected", "connected", "disconnected", "superseded"]
        assert running.connected == {"lift-1"}


@pytest.mark.databases
async def test_a_newer_connection_at_another_gateway_counts(store: Store) -> None:
    async with (
        gateway(store, view("lift-1")) as first,
        gateway(store, view("lift-1"), replica="gateway-bbbbbbbb") as second,
    ):
        older = await first.device("lift-1")
        await beat(older)
        await ready(first, "lift-1")
        newer = await second.device("lift-1")
        assert await closed(older) == session.DeviceClose.SUPERSEDED
        await beat(newer)
        await ready(second, "lift-1")
        assert first.connected == set()
        found = await store.call(sessions.get, SITE, ["lift-1"])
        assert (found["lift-1"].epoch, found["lift-1"].replica) == (2, "gateway-bbbbbbbb")
        assert found["lift-1"].closed_at is None


async def test_a_session_that_was_closed_while_the_gateway_counted_as_dead_is_opened_again(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        await beat(device)
        await ready(running, "lift-1")
        sessions.close_of_replicas(store, SITE, [], now=datetime.now(UTC))
        await running.gateway._connections.compare()
        await eventually(
            lambda: sessions.open_at(store, SITE, "gateway-aaaaaaaa"), holds=lambda found: found == {"lift-1": 2}
        )
        await beat(device)


async def test_heartbeats_are_answered_while_the_database_is_not_to_be_had(store: Store, store_url: str) -> None:
    async with gateway(store, view("lift-1")) as running:
        with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            device = await running.device("lift-1")
            await say(device, "hello", firmware="3.1", capabilities=["ack"])
            for _ in range(3):
                await beat(device)
            assert running.gateway._connections.epochs == {}
            other.execute("COMMIT")
        await ready(running, "lift-1")
        await eventually(lambda: sessions.get(store, SITE, ["lift-1"])["lift-1"].firmware == "3.1")


async def test_a_change_of_the_view_closes_whom_it_no_longer_admits(store: Store) -> None:
    async with gateway(store, view("lift-1", "lift-2", "lift-3")) as running:
        devices = [await running.device(name) for name in ("lift-1", "lift-2", "lift-3")]
        for each in devices:
            await beat(each)
        running.gateway.observe(view("lift-3", number=2, others={"lift-2": "another-token-0123456789"}))
        assert await closed(devices[0]) == session.DeviceClose.GONE
        assert await closed(devices[1]) == session.DeviceClose.TOKEN_CHANGED
        await beat(devices[2])
        assert running.reported["gateway"] == {"serves": 2, "listens": f"127.0.0.1:{await running.port}"}


async def test_a_token_that_changes_between_admission_and_service_opens_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(store, view("lift-1")) as running:
        accept = Socket.accept

        async def slowly(self: Socket[Any]) -> None:
            running.gateway.observe(view(number=2, others={"lift-1": "another-token-0123456789"}))
            await accept(self)

        monkeypatch.setattr(Socket, "accept", slowly)
        device = await running.device("lift-1")
        assert await closed(device) == session.DeviceClose.TOKEN_CHANGED
        assert running.connected == set()


async def test_a_gateway_that_did_not_run_for_a_while_takes_nobody_for_silent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "LOOK", 0.05)
    monkeypatch.setattr(silence, "STALL", 0.3)
    async with gateway(store, view("lift-1", profile=replace(PROFILE, timeout_seconds=1))) as running:
        device = await running.device("lift-1")
        await beat(device)
        time.sleep(1.2)  # the process is stopped, as on a machine that is moved
        await asyncio.sleep(0.2)
        await beat(device)
        assert await closed(device) == session.DeviceClose.SILENT


async def test_a_connection_whose_session_was_refused_gets_one_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "LOOK", 0.05)
    monkeypatch.setattr(silence, "COMPARE_EVERY", 1)
    monkeypatch.setattr(connects, "OPENED_WITHIN", 0.2)
    open_all, calls = sessions.open_all, 0

    def refuse_once(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StoreError("no")
        return open_all(*arguments, **options)

    monkeypatch.setattr(sessions, "open_all", refuse_once)
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        await beat(device)
        await ready(running, "lift-1")
        assert running.gateway._connections.epochs == {"lift-1": 1}
        assert calls == 2


async def test_silence_ends_a_connection_though_it_is_open(store: Store) -> None:
    async with gateway(store, view("lift-1", profile=replace(PROFILE, timeout_seconds=2))) as running:
        device = await running.device("lift-1")
        assert await closed(device) == session.DeviceClose.SILENT
        await eventually(lambda: sessions.open_at(store, SITE, "gateway-aaaaaaaa"), holds=lambda found: found == {})


@pytest.mark.parametrize(
    ("message", "times", "code"),
    [
        ('{"type":"heartbeat","device_id":"lift-2"}', session.WRONG_IDS, session.DeviceClose.WRONG_DEVICE),
        ("[[[[", session.BAD_IN_A_ROW, session.DeviceClose.BAD_MESSAGES),
        (b"\x00\xff", session.BAD_IN_A_ROW, session.DeviceClose.BAD_MESSAGES),
        ('{"type":"weather"}', 400, session.DeviceClose.TOO_FAST),
        (json.dumps({"type": "log", "payload": "x" * 70_000}), 1, 1009),
        (json.dumps({"type": "snapshot", "payload": "x" * 400_000}), 1, 1009),
    ],
)
async def test_what_a_device_may_not_send_closes_its_connection(
    store: Store, message: str | bytes, times: int, code: int
) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        with suppress(ConnectionClosed):
            for _ in range(times):
                await device.send(message)
        assert await closed(device) == code


async def test_garbage_in_between_is_dropped_and_an_unknown_type_ignored(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        for _ in range(2):
            for text in ("no json", '{"type":"weather"}', '{"device_id":"lift-9"}'):
                await device.send(text)
            await beat(device)


async def test_a_twin_is_reported_and_the_newest_stays(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        for number in range(takeovers.MOST + 3):
            device = await connect(
                f"ws://127.0.0.1:{await running.port}/ws?device_id=lift-1&token={token('lift-1')}",
                proxy=None,
                local_addr=(f"127.0.0.{2 + number % 2}", 0),
            )
            await beat(device)
        assert running.reported["twin/lift-1"]["addresses"] == ["127.0.0.2", "127.0.0.3"]
        await running.journals("lift-1", 1, "conflict")
        await beat(device)


def test_a_twin_is_shown_by_many_takeovers_from_other_addresses_in_a_short_time() -> None:
    seen = Takeovers()
    for number in range(20):
        assert not seen.note("moves", "192.0.2.1", "192.0.2.1", number)
        assert not seen.note("slow", "192.0.2.1", "192.0.2.2", number * 20.0)
    shown = [seen.note("twin", "192.0.2.1", "192.0.2.2", number) for number in range(9)]
    assert shown == [number == takeovers.MOST for number in range(9)]
    assert seen.has_twin("twin")
    assert seen.end(8 + takeovers.CALM) == []
    assert seen.end(9 + takeovers.CALM) == ["twin"]
    assert not seen.has_twin("twin")


async def test_an_alarm_of_a_device_is_raised_once_and_ended(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        for _ in range(3):
            await say(device, "alarm", payload={"detail": "button"})
        await eventually(
            lambda: telephones.get(store, SITE).get("lift-1"), holds=lambda found: found and found.in_alarm
        )
        await say(device, "alarm_end")
        await eventually(lambda: telephones.get(store, SITE)["lift-1"].alarm, holds=lambda found: found == "Ended")
        noted = await running.journals("lift-1", 2, "alarm")
        assert [data["state"] for _, data in noted] == ["Raised", "Ended"]


async def test_a_stop_writes_alarms_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "STOP_WITHIN", 0.3)
    monkeypatch.setattr(batches, "BACKOFF", Backoff(60, 60))
    free, away, raise_alarm = threading.Event(), threading.Event(), telephones.raise_alarm

    def raise_later(*arguments: Any) -> bool:
        if not away.is_set():
            away.set()
            raise StoreUnavailable("for a moment")
        return raise_alarm(*arguments)

    monkeypatch.setattr(telephones, "raise_alarm", raise_later)
    monkeypatch.setattr(sessions, "close_all", lambda *_, **__: free.wait(20))
    try:
        async with gateway(store, view("lift-1")) as running:
            device = await running.device("lift-1")
            await say(device, "hello")
            await ready(running, "lift-1")
            await say(device, "alarm")
            await eventually(away.is_set)
        assert telephones.in_alarm(store, SITE) == {"lift-1"}
    finally:
        free.set()


async def test_what_a_device_says_of_itself_is_kept_also_before_its_session_is_written(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        await say(device, "hello", firmware="3.1", capabilities=["ack"])
        found = await eventually(
            lambda: sessions.get(store, SITE, ["lift-1"]).get("lift-1"), holds=lambda each: each and each.firmware
        )
        assert found is not None
        assert (found.firmware, found.capabilities) == ("3.1", ("ack",))


async def test_lines_come_into_the_journal_no_faster_than_it_takes_them(store: Store) -> None:
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        for _ in range(3):
            await say(device, "log", payload=[f"line {number}" for number in range(60)])
        await beat(device)
        assert len(await running.journals("lift-1", 100, "log")) <= 130


async def test_a_stop_writes_when_each_device_was_last_heard(store: Store) -> None:
    begun = datetime.now(UTC)
    async with gateway(store, view("lift-1")) as running:
        device = await running.device("lift-1")
        await beat(device)
        await ready(running, "lift-1")
        await asyncio.sleep(0.1)
        await beat(device)
        beaten = datetime.now(UTC)
    assert await closed(device) == 1012
    found = sessions.get(store, SITE, ["lift-1"])["lift-1"]
    assert found.closed_at is not None
    assert begun < found.connected_at < found.seen_at <= beaten
    assert (beaten - found.seen_at).total_seconds() < 0.1


async def test_no_token_is_in_what_the_gateway_writes(
    store: Store, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    with capture_logs() as logged:
        async with gateway(store, view("lift-1")) as running:
            device = await running.device("lift-1")
            for text in ("[", json.dumps({"type": "log", "payload": "here"})):
                await device.send(text)
            await beat(device)
            with pytest.raises(InvalidStatus):
                await running.device("lift-1", "guessed-token-0123456789")
            await ready(running, "lift-1")
            await device.close()
            noted = await running.journals("lift-1", 3)
    out, err = capfd.readouterr()
    mine = [record.getMessage() for record in caplog.records if record.name.startswith(("dialplane", "uvicorn"))]
    written = f"{logged}{noted}{running.reported}{out}{err}{mine}"
    assert token("lift-1") not in written
    assert "guessed-token" not in written
