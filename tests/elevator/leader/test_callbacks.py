"""Callbacks to a program that is a process of its own: in order, until it answers, and nobody waits for another."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dialplane.services.elevator.leader import callback_sender
from dialplane.services.elevator.leader.callback_request import CallbackTarget
from dialplane.services.elevator.leader.callback_sender import CallbackSender
from dialplane.services.elevator.tables import callbacks
from dialplane.services.elevator.tables.callbacks import DueCallback, NewCallback
from dialplane.store import Store
from dialplane.tasks import Backoff
from testbed.peer import PeerProcess
from tests.databases import NOW
from tests.elevator.leader.lifts import SITE
from tests.eventually import eventually

SECRET = "secret-of-the-back-end"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a test."""
    monkeypatch.setattr(callback_sender, "AWAY", Backoff(0.05, 0.2))
    monkeypatch.setattr(callback_sender, "REFUSED", Backoff(0.05, 0.2))
    monkeypatch.setattr(callback_sender, "GAP_SECONDS", 0.02)


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[PeerProcess]:
    options = {"directory": str(tmp_path)}
    async with await PeerProcess.launch("receiver", tmp_path / "receiver.log", options, name="program") as peer:
        yield peer


def add(store: Store, *bodies: tuple[str, Any], made: datetime | None = None) -> None:
    new = [NewCallback(device, "status", body) for device, body in bodies]
    with store.write() as connection:
        callbacks.add(connection, SITE, new, now=made or datetime.now(UTC))


def waiting(store: Store) -> int:
    return len(callbacks.heads(store, SITE, now=datetime.now(UTC) + timedelta(days=1)))


def attempts(store: Store) -> int:
    """How often the oldest one was tried in vain."""
    [head, *_] = callbacks.heads(store, SITE, now=datetime.now(UTC) + timedelta(days=1))
    found = callbacks.get(store, head.seq)
    return found.attempts if found else -1


@asynccontextmanager
async def sending(
    store: Store,
    destination: Callable[[DueCallback], CallbackTarget | None],
    leads: Callable[[], bool] = lambda: True,
) -> AsyncIterator[CallbackSender]:
    sender = CallbackSender(store, SITE, destination=destination, leads=leads, now=lambda: datetime.now(UTC))
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def to(program: PeerProcess, secret: str | None = None) -> Callable[[DueCallback], CallbackTarget]:
    """Each device has a place of its name."""

    def destination(callback: DueCallback) -> CallbackTarget:
        url = f"http://127.0.0.1:{program.address[1]}/callback/{callback.device}"
        return CallbackTarget(url, SecretStr(secret) if secret else None)

    return destination


def received(program: PeerProcess, device: str, answer: int = 200) -> list[Any]:
    place = f"callback/{device}"
    return [json.loads(e["text"]) for e in program.events if e.get("place") == place and e["answer"] == answer]


async def test_the_callbacks_of_a_device_come_in_order_each_until_it_is_taken(
    store: Store, program: PeerProcess
) -> None:
    await program.ask("behave", place="callback/a", refuse=3)
    add(store, *(("a", {"n": n}) for n in range(5)), ("b", {"n": 0}))
    async with sending(store, to(program)):
        await eventually(lambda: waiting(store) == 0, why=lambda: program.events)
    assert received(program, "a") == [{"n": n} for n in range(5)]
    assert received(program, "a", 503) == [{"n": 0}] * 3
    assert received(program, "b") == [{"n": 0}]


async def test_a_program_that_hangs_holds_up_no_other(store: Store, program: PeerProcess) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):  # it takes what comes, and says nothing
            pass
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        slow = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        ours = to(program)
        add(store, *((f"slow-{n}", {}) for n in range(100)), *((f"quick-{n}", {}) for n in range(20)))
        async with sending(store, lambda each: CallbackTarget(slow) if "slow" in each.device else ours(each)):
            await eventually(lambda: waiting(store) == 100, within=8)  # less than one request's limit


async def test_only_headers_are_ours_and_they_prove_the_body(store: Store, program: PeerProcess) -> None:
    add(store, ("a", {"device_id": "a", "status": "online", "timestamp": "2026-04-03T08:30:00Z"}))
    async with sending(store, to(program, SECRET)):
        event = await program.event("received", place="callback/a")
    assert json.loads(event["text"]).keys() == {"device_id", "status", "timestamp"}
    stamp, body = event["headers"]["X-Timestamp"], event["text"]
    proof = hmac.new(SECRET.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
    assert event["headers"]["X-Signature"] == f"sha256={proof}"
    assert event["headers"]["X-Callback-Id"] == "office-1"


async def test_a_redirect_is_not_followed_and_tried_again(store: Store, program: PeerProcess) -> None:
    await program.ask("behave", place="callback/a", refuse=2, code=307)
    add(store, ("a", {}))
    async with sending(store, to(program)):
        await eventually(lambda: waiting(store) == 0)
    assert [e["place"] for e in program.events if e["event"] == "received"] == ["callback/a"] * 3


async def test_what_nobody_wants_any_more_goes_and_what_has_no_secret_waits(store: Store, program: PeerProcess) -> None:
    add(store, ("gone", {}), ("unsigned", {}))
    incomplete = CallbackTarget(f"http://127.0.0.1:{program.address[1]}/callback/unsigned", is_complete=False)
    async with sending(store, lambda each: None if each.device == "gone" else incomplete):
        await eventually(lambda: waiting(store) == 1)
        add(store, ("gone", {}))
        await eventually(lambda: waiting(store) == 1)
    assert not [e for e in program.events if e["event"] == "received"]


async def test_what_was_not_taken_outlives_the_process(store: Store, program: PeerProcess) -> None:
    add(store, ("a", {"n": 1}))
    async with sending(store, lambda _: CallbackTarget("http://127.0.0.1:1/")):
        await eventually(lambda: attempts(store) >= 2)
    async with sending(store, to(program)):
        await eventually(lambda: waiting(store) == 0)
    assert received(program, "a") == [{"n": 1}]


async def test_who_does_not_lead_sends_nothing(store: Store, program: PeerProcess) -> None:
    leading, asked = False, 0

    def leads() -> bool:
        nonlocal asked
        asked += 1
        return leading

    add(store, ("a", {}))
    async with sending(store, to(program), leads) as sender:
        sender.wake()
        await eventually(lambda: asked >= 2)
        assert waiting(store) == 1
        leading = True
        sender.wake()
        await eventually(lambda: waiting(store) == 0)


@pytest.mark.databases
def test_callbacks_are_bounded_in_number_and_age(store: Store) -> None:
    add(store, ("old", {}), made=NOW - timedelta(days=2))
    add(store, *(("many", {"n": n}) for n in range(7)), ("one", {}), made=NOW)
    assert callbacks.prune(store, SITE, before=NOW - timedelta(days=1), most=5) == 3
    found = [callbacks.get(store, each.seq) for each in callbacks.heads(store, SITE, now=NOW)]
    assert {each.device: each.body for each in found if each} == {"many": {"n": 2}, "one": {}}


@pytest.mark.databases
def test_a_postponed_callback_keeps_those_after_it_waiting(store: Store) -> None:
    add(store, ("a", {"n": 1}), ("a", {"n": 2}), made=NOW)
    [head] = callbacks.heads(store, SITE, now=NOW)
    callbacks.settle(store, [], {head.seq: NOW + timedelta(seconds=5)})
    assert callbacks.heads(store, SITE, now=NOW + timedelta(seconds=4)) == ()
    [again] = callbacks.heads(store, SITE, now=NOW + timedelta(seconds=5))
    assert (again.seq, attempts(store)) == (head.seq, 1)
    callbacks.settle(store, [head.seq], {})
    assert [callbacks.get(store, each.seq) for each in callbacks.heads(store, SITE, now=NOW)] != [None]
    assert callbacks.get(store, head.seq) is None
