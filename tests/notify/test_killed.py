"""A controller that is killed tells again what it had not noted as told: each message arrives, repeats by their id."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dialplane.store import Store, events
from testbed import fork
from testbed.peer import PeerProcess
from testbed.process import Child
from tests.eventually import eventually
from tests.notify.site import sms

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def controller(directory: Path, store_url: str, url: str) -> AsyncIterator[Child]:
    output = directory / "controller.log"
    output.write_text("")
    env = {"STORE": store_url, "NOTIFIER": url}
    child = await fork.program("controller", "tests.notify.process", output=output, env=env, cwd=ROOT)
    try:
        async with asyncio.timeout(60):
            while "ready" not in output.read_text():
                child.check()
                await asyncio.sleep(0.05)
        yield child
    finally:
        await child.stop(limit_seconds=0)


def told(receiver: PeerProcess) -> list[tuple[str, str]]:
    """Text and id of what arrived."""
    return [(e["text"].split("\n")[0], e["delivery"]) for e in receiver.events if e["event"] == "received"]


@pytest.mark.databases
async def test_one_that_was_sent_and_not_noted_is_told_again_under_the_same_id(
    store_url: str, store: Store, receiver: PeerProcess, tmp_path: Path
) -> None:
    url = f"json://127.0.0.1:{receiver.address[1]}/hook/a"
    await store.call(events.record, [sms("once more")])
    await receiver.ask("behave", place="hook/a", hang=60)
    async with controller(tmp_path, store_url, url) as child:
        await receiver.event("received")
        await child.stop(limit_seconds=0)
    await receiver.ask("behave", place="hook/a")
    async with controller(tmp_path, store_url, url):
        await receiver.event("received", after=2)
    [(text, first), (again, second)] = told(receiver)
    assert (text, first) == (again, second) == ("once more", second)


async def test_120_messages_over_three_kills_all_arrive(
    store_url: str, store: Store, receiver: PeerProcess, tmp_path: Path
) -> None:
    wanted = {f"number {number}" for number in range(120)}
    url = f"json://127.0.0.1:{receiver.address[1]}/hook/a"
    for kill in range(4):
        await store.call(events.record, [sms(f"number {number}") for number in range(kill * 30, kill * 30 + 30)])
        async with controller(tmp_path, store_url, url) as child:
            before = len(told(receiver))
            async with asyncio.timeout(20):
                while len(told(receiver)) < before + 5 and kill < 3:
                    await asyncio.sleep(0.01)
            if kill < 3:
                await child.stop(limit_seconds=0)
            else:
                await eventually(lambda: {text for text, _ in told(receiver)}, 60, holds=lambda texts: texts == wanted)
    ids = {delivery for _, delivery in told(receiver)}
    assert len(ids) == len(wanted), "a repeat carries the id of the first"
