"""The soak of text messages: lines cut and the service killed at random, and then every message accounted for."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from bench.gsm import SITE, Gateway, dongle, manifest
from bench.sms_process import ServiceProcess
from bench.soak import Say, SoakFailedError
from dialplane.services.sms.tables import inbox, outgoing
from dialplane.services.sms.tables.inbox import Filter
from dialplane.store import Store, events

T = TypeVar("T")

_PER_MINUTE: Final = 120
_CUT_PAUSE: Final = 0.0002
"""Seconds between the packets that a character is split over."""
_SPOOL_SECONDS: Final = 20.0
"""How long a line may stay in the spool that the store has: a service that was killed did not delete it."""
_PAGE: Final = 500
_MOST_BYTES: Final = 400
_TEXT: Final = "№ {n} · сообщение · 短信 ✅ ${EXTEN} \\ ;\n"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens meanwhile."""

    kills: int = 0
    """Of the service."""
    cuts: int = 0
    """Of all its lines to Asterisk."""
    seconds: float = 10.0
    """Over how long it is spread."""
    seed: int = 1


async def outgoing_messages(
    directory: Path, *, messages: int, dongles: int, trouble: Trouble, store_url: str, say: Say, within: float
) -> None:
    """Send messages meanwhile: none goes out twice, and each says truly what became of it.

    Raises:
        SoakFailedError: with every finding.
    """
    modems = [dongle(number, group="out", sms={"perMinute": _PER_MINUTE}) for number in range(dongles)]
    texts = {f"m{number}": _TEXT.replace("{n}", str(number)) for number in range(messages)}
    resources = [
        manifest("SmsMessage", name, dongleGroup="out", to="+15550100", text=text) for name, text in texts.items()
    ]
    async with _world(directory, modems, store_url) as (gateway, service, store):
        service.configure(gateway, *resources)
        began = time.monotonic()
        async with service:
            await _make_trouble(gateway, service, trouble)
            phases = await _settled(lambda: _phases(store), lambda found: _over(found, messages), within)
            service.check()
        sent = Counter(each["text"] for each in await gateway.peer.sent())
        found = Counter(phases.values())
        say(f"outgoing: {messages:,} messages, {trouble.cuts} cuts, {trouble.kills} kills, "
            f"{time.monotonic() - began:.0f} s: {dict(found)}, at the modems {sum(sent.values()):,}")  # fmt: skip
    _judge(
        [
            *(f"sent {number} times: {text!r}" for text, number in sent.items() if number > 1),
            *(f"{name} is {phase}" for name, phase in phases.items() if phase not in {"Delivered", "Unknown"}),
            *(f"{name} is Delivered and was not sent" for name in _of(phases, "Delivered") if texts[name] not in sent),
            *(f"{name} is Unknown and was reported on" for name in _of(phases, "Unknown") if texts[name] in sent),
            *(f"{name} is not in the store" for name in sorted(texts.keys() - phases.keys())),
        ]
    )


async def incoming_messages(
    directory: Path, *, messages: int, dongles: int, trouble: Trouble, store_url: str, say: Say, within: float
) -> None:
    """Receive messages meanwhile: each is in the inbox once, with one event that tells of it.

    Raises:
        SoakFailedError: with every finding.
    """
    modems = [dongle(number) for number in range(dongles)]
    share = messages // dongles
    async with _world(directory, modems, store_url) as (gateway, service, store):
        service.configure(gateway)
        # Short: a pause of milliseconds at each character of each event would make a line of a few bytes a second.
        await gateway.peer.ask("cut", characters=True, offsets=[17], pause=_CUT_PAUSE)
        began = time.monotonic()
        async with service:
            async with asyncio.TaskGroup() as tasks:
                for number in range(dongles):
                    every = trouble.seconds / share
                    delivering = gateway.peer.deliver(
                        f"gsm-{number}", f"+1555{number:04}", _TEXT, repeat=share, every=every, limit_seconds=within
                    )
                    tasks.create_task(delivering)
                tasks.create_task(_make_trouble(gateway, service, trouble))
            await _settled(lambda: _received(store), lambda found: sum(found.values()) >= share * dongles, within)
            left = await _settled(gateway.spool, lambda lines: not lines, _SPOOL_SECONDS)
            found = await _received(store)
            service.check()
        told = await _told(store)
        say(f"incoming: {share * dongles:,} messages, {trouble.cuts} cuts, {trouble.kills} kills, "
            f"{time.monotonic() - began:.0f} s: {sum(found.values()):,} in the inbox, {told:,} events")  # fmt: skip
        refused = (await gateway.peer.counts())["refused"]
    wanted = {(f"+1555{line:04}", _TEXT.replace("{n}", str(n))) for line in range(dongles) for n in range(share)}
    _judge(
        [
            *(f"{number} times in the inbox: {each}" for each, number in found.items() if number > 1),
            *(f"not in the inbox: {each}" for each in sorted(wanted - found.keys())),
            *(f"never sent: {each}" for each in sorted(found.keys() - wanted)),
            *[f"{told} events for {len(wanted)} messages"] * (told != len(wanted)),
            *(f"still in the spool: {line}" for line in left),
            *(f"Asterisk refused the peer: {each}" for each in refused),
        ]
    )


@asynccontextmanager
async def _world(
    directory: Path, modems: list[dict[str, object]], store_url: str
) -> AsyncIterator[tuple[Gateway, ServiceProcess, Store]]:
    store = await asyncio.to_thread(Store.open, store_url)
    try:
        async with Gateway.running(directory, modems) as gateway:
            yield gateway, ServiceProcess(directory, store_url), store
    finally:
        store.close()


async def _make_trouble(gateway: Gateway, service: ServiceProcess, trouble: Trouble) -> None:
    chance = random.Random(trouble.seed)  # noqa: S311 -- to be had again, not to be guessed
    when = sorted(
        (chance.uniform(0.5, trouble.seconds), kind)
        for kind, times in (("kill", trouble.kills), ("cut", trouble.cuts))
        for _ in range(times)
    )
    began = time.monotonic()
    for at, kind in when:
        await asyncio.sleep(max(at - (time.monotonic() - began), 0.0))
        if kind == "kill":
            await service.kill()
            await service.start()
        else:
            await gateway.peer.drop(after_bytes=chance.choice((0, chance.randrange(1, _MOST_BYTES))))


async def _settled(look: Callable[[], Awaitable[T]], done: Callable[[T], bool], within: float) -> T:
    """What `look` sees once it is `done`, or when the time is up."""
    end = time.monotonic() + within
    while True:
        found = await look()
        if done(found) or time.monotonic() > end:
            return found
        await asyncio.sleep(0.5)


async def _phases(store: Store) -> dict[str, str]:
    """By name."""
    return {each.name or "": each.phase for each in await store.call(outgoing.of_resources, SITE)}


def _over(phases: Mapping[str, str], messages: int) -> bool:
    return len(phases) == messages and not {"Queued", "Sent"} & set(phases.values())


def _of(phases: Mapping[str, str], phase: str) -> list[str]:
    return [name for name, found in phases.items() if found == phase]


async def _received(store: Store) -> Counter[tuple[str, str]]:
    """Sender and text of all in the inbox."""
    found: Counter[tuple[str, str]] = Counter()
    before = None
    while True:
        page = await store.call(inbox.page, SITE, Filter(), limit=_PAGE, before=before)
        found.update((each.sender, each.text) for each in page.messages)
        before = page.next
        if before is None:
            return found


async def _told(store: Store) -> int:
    """How many events tell of a message received."""
    told = await store.call(events.take, SITE, 1_000_000)
    return sum(event.type == "sms.received" for event in told)


def _judge(findings: list[str]) -> None:
    if findings:
        raise SoakFailedError("\n".join(findings[:20]))
