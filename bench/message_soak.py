"""The soak of text messages, through the whole product: the controller is killed and its lines to Asterisk are cut.

In the end every message is accounted for, by others than the controller: those received by a query of the database's
file and by what the receiver of notifications took, those sent by what the modems had.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.message_site import MessageSite, message_site, sender
from bench.soak import Say, SoakFailedError
from bench.usage import usage
from dialplane.plan.dialplan.modems import MESSAGES

TEXT: Final = "№ {n} · сообщение · 短信 ✅ ${EXTEN} \\ ; end"
"""`{n}`: its number."""
OUTCOMES: Final = ("delivered", "delivered", "delivered", "failed", "unsent", "expired")
"""What the network makes of messages, by modem in turn."""
_PHASES: Final = {"delivered": "Delivered", "failed": "Failed", "unsent": "Failed", "expired": "Sent"}
"""A driver that waits no longer for a report (`expired`) says nothing of the delivery."""
_NEVER_SENT: Final = "Unknown"
_REFUSALS: Final = 5
"""Fewer than there are modems: another of the group takes it."""
_MOST_BYTES: Final = 400
_API_CALLS: Final = 8
_LOOK_SECONDS: Final = 0.5
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens meanwhile, in an order and at moments of chance."""

    kills: int = 0
    """Of the controller."""
    cuts: int = 0
    """Of all its lines to Asterisk, at any byte."""
    losses: int = 0
    """Of the answer to a message that a modem took."""
    seconds: float = 10.0
    """Over how long it is spread."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything; `within` is how long all may take to come right after the trouble, seconds."""

    modems: int
    incoming: int
    incoming_trouble: Trouble
    outgoing: int
    outgoing_trouble: Trouble
    within: float


def full(messages: int) -> Plan:
    """The whole soak: so many messages received and a tenth as many sent."""
    return Plan(
        modems=20,
        incoming=messages,
        incoming_trouble=Trouble(kills=20, cuts=50, seconds=messages / 50),
        outgoing=messages // 10,
        outgoing_trouble=Trouble(kills=3, cuts=20, losses=10, seconds=40),
        within=120,
    )


async def soak(plan: Plan, directory: Path, say: Say) -> None:
    """Run it.

    Raises:
        SoakFailedError: with every finding.
    """
    async with message_site(directory, plan.modems) as site:
        await site.start()
        await site.until_ready()
        findings = await received(site, plan.incoming, plan.incoming_trouble, say, within=plan.within)
        findings += await sent(site, plan.outgoing, plan.outgoing_trouble, say, within=plan.within)
        say(f"the controller takes {usage(site.running.pid).rss / _MIB:.1f} MiB in the end")
    if findings:
        raise SoakFailedError("\n".join(["messages:", *findings[:20]]))


async def received(site: MessageSite, messages: int, trouble: Trouble, say: Say, *, within: float) -> list[str]:
    """Receive messages meanwhile: each is in the inbox once, and was told at least once."""
    share, began = messages // site.modems, time.monotonic()
    wanted = {(sender(modem), TEXT.replace("{n}", str(n))) for modem in range(site.modems) for n in range(share)}
    await site.peer.ask("cut", characters=True, offsets=[17], pause=0)
    async with asyncio.TaskGroup() as tasks:
        for modem in range(site.modems):
            pace = {"repeat": share, "every": trouble.seconds / share, "limit_seconds": trouble.seconds + within}
            tasks.create_task(site.deliver(modem, TEXT, **pace))
        making = tasks.create_task(make(trouble, site))
    await site.peer.ask("cut")
    delivered = time.monotonic() - began

    async def look() -> list[str]:
        kept, told = site.kept(), site.told_by_sender()
        left = await site.asterisk.console(f"database show {MESSAGES}")
        return [
            *(f"{number} times in the inbox: {each}" for each, number in kept.items() if number > 1),
            *(f"not in the inbox: {each}" for each in sorted(wanted - kept.keys())),
            *(f"nobody sent this: {each}" for each in sorted(kept.keys() - wanted)),
            *(f"not told: {each}" for each in sorted(wanted - told.keys())),
            *["the spool is not empty"] * ("0 results found" not in left),
        ]

    findings = await _settled(look, within)
    findings += [f"Asterisk refused the peer: {each}" for each in (await site.peer.counts())["refused"]]
    told, kept, settled = site.told_by_sender(), site.kept(), time.monotonic() - began - delivered
    say(
        f"received: {len(wanted):,} messages in {delivered:.0f} s with {trouble.kills} kills "
        f"({making.result()} at work) and {trouble.cuts} cuts, settled {settled:.0f} s later: "
        f"{kept.total():,} in the inbox, {len(told):,} told, {told.total() - len(told):,} once more"
    )
    return findings


async def sent(site: MessageSite, messages: int, trouble: Trouble, say: Say, *, within: float) -> list[str]:
    """Send messages meanwhile, by the API: none goes out twice, and each says truly what became of it."""
    began = time.monotonic()
    texts = [f"to send, {TEXT.replace('{n}', str(number))}" for number in range(messages)]
    for modem, outcome in zip(range(site.modems), OUTCOMES * site.modems, strict=False):
        await site.outcome(modem, outcome)
    await site.peer.ask("refuse", count=_REFUSALS)
    calls = asyncio.Semaphore(_API_CALLS)
    async with site.api() as api, asyncio.TaskGroup() as tasks:

        async def send(number: int, text: str) -> None:
            async with calls:
                await api.send(text, key=f"soak-{number}", within=trouble.seconds + within)

        for number, text in enumerate(texts):
            tasks.create_task(send(number, text))
        tasks.create_task(make(trouble, site))

    async def look() -> list[str]:
        phases, at_modems = site.phases(), await site.peer.sent()
        times = Counter(each["text"] for each in at_modems)
        truth = {each["text"]: _PHASES.get(each["state"], f"yet to be {each['state']}") for each in at_modems}
        return [
            *(f"sent {number} times: {text!r}" for text, number in times.items() if number > 1),
            *(f"nobody asked for this: {text!r}" for text in sorted(times.keys() - set(texts))),
            *(f"not in the store: {text!r}" for text in sorted(set(texts) - phases.keys())),
            *(
                f"{phases[text]}, and in truth {truth.get(text, _NEVER_SENT)}: {text!r}"
                for text in texts
                if text in phases and phases[text] != truth.get(text, _NEVER_SENT)
            ),
        ]

    findings = await _settled(look, within)
    phases, at_modems = Counter(site.phases().values()), len(await site.peer.sent())
    said = ", ".join(f"{number:,} {phase}" for phase, number in phases.most_common())
    say(
        f"sent: {messages:,} messages in {time.monotonic() - began:.0f} s with {trouble.kills} kills, "
        f"{trouble.cuts} cuts and {trouble.losses} lost answers: {at_modems:,} at the modems; {said}"
    )
    return findings


async def make(trouble: Trouble, site: MessageSite) -> int:
    """Make it, and return when it is over; the controller runs then.

    Returns:
        How many kills met a controller that had received messages since it was started.
    """
    at_work, kept = 0, 0
    chance = random.Random(trouble.seed)  # noqa: S311 -- to be had again, not to be guessed
    kinds = {"kill": trouble.kills, "cut": trouble.cuts, "lose": trouble.losses}
    when = sorted((chance.uniform(0.5, trouble.seconds), kind) for kind, times in kinds.items() for _ in range(times))
    began = time.monotonic()
    for at, kind in when:
        await asyncio.sleep(max(at - (time.monotonic() - began), 0.0))
        match kind:
            case "kill":
                await site.kill()
                before, kept = kept, site.kept().total()
                at_work += kept > before
                await site.start()
            case "cut":
                await site.peer.drop(after_bytes=chance.choice((0, chance.randrange(1, _MOST_BYTES))))
            case _:
                await site.peer.ask("lose_answer")
    return at_work


async def _settled(look: Callable[[], Awaitable[list[str]]], within: float) -> list[str]:
    """What `look` finds wrong when the time is up; nothing as soon as it finds nothing."""
    end = time.monotonic() + within
    while True:
        found = await look()
        if not found or time.monotonic() > end:
            return found
        await asyncio.sleep(_LOOK_SECONDS)
