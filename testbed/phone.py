"""``python -m testbed.phone``: a SIP phone as a process, steered by JSON lines (see :mod:`testbed.control`).

For whatever a scripted sipp is too stiff for: many calls, calls of unknown length, hearing which tone came.
Events are ``ready`` (with its port), ``call`` at every change of a call, ``progress`` for 18x answers.
"""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from testbed.agent import Answering, Call, SipAgent
from testbed.audio import ulaw_of
from testbed.control import Answer, Command, emit, serve
from testbed.digest import Credentials
from testbed.ports import LOOPBACK

_GAP_SECONDS = 0.06


_LOOK_SECONDS = 0.02


class PhoneCommands:
    """What a test may ask of any agent; each method is one command."""

    def __init__(self, agent: SipAgent) -> None:
        self.agent = agent

    def commands(self) -> dict[str, Command]:
        """Command name -> coroutine."""
        return {
            "register": self.register,
            "options": self.options,
            "message": self.message,
            "subscribe": self.subscribe,
            "call": self.call,
            "hangup": self.hangup,
            "press": self.press,
            "say": self.say,
            "arrivals": self.arrivals,
            "sound": self.sound,
            "transfer": self.transfer,
            "answer": self.answer,
            "calls": self.calls,
            "identity": self.identity,
        }

    async def register(self, **fields: Any) -> Answer:
        """``expires`` seconds (0 unregisters) -> ``code``."""
        return {"code": await self.agent.register(expires=int(fields.get("expires", 300)))}

    async def options(self, **fields: Any) -> Answer:
        """``number`` -> ``code``."""
        return {"code": await self.agent.options(str(fields["number"]))}

    async def message(self, **fields: Any) -> Answer:
        """``number`` -> ``code``."""
        return {"code": await self.agent.message(str(fields["number"]))}

    async def subscribe(self, **fields: Any) -> Answer:
        """``number``, optionally ``package`` -> ``code``; each NOTIFY is an event ``notify``."""
        package = str(fields.get("package", "message-summary"))
        return {"code": await self.agent.subscribe(str(fields["number"]), package)}

    async def call(self, **fields: Any) -> Answer:
        """``number``, optionally ``from_user``, ``headers``, ``give_up_seconds`` -> the call's report."""
        call = await self.agent.invite(
            str(fields["number"]),
            from_user=str(fields.get("from_user", "")),
            headers=list(dict(fields.get("headers", {})).items()),
            limit_seconds=float(fields.get("give_up_seconds", 30)),
        )
        return call.report()

    async def hangup(self, **fields: Any) -> Answer:
        """``call`` (by default the last one) -> its report, with the code of BYE."""
        call = self._call(fields)
        return {"bye": await self.agent.hangup(call), **call.report()}

    async def transfer(self, **fields: Any) -> Answer:
        """``number``, optionally ``call``: a blind transfer -> the code of REFER."""
        return {"code": await self.agent.refer(self._call(fields), str(fields["number"]))}

    async def answer(self, **fields: Any) -> Answer:
        """How to treat calls from now on: ``provisional``, ``ring_seconds``, ``code``, ``unheard``."""
        self.agent.answering = Answering(
            code=int(fields.get("code", 200)),
            ring_seconds=float(fields.get("ring_seconds", 0.1)),
            unheard=str(fields.get("unheard", "")),
            provisional=int(fields.get("provisional", 180)),
        )
        return {}

    async def press(self, **fields: Any) -> Answer:
        """Press ``key`` in call ``call``, by default the last one."""
        self._call(fields).rtp.press(str(fields["key"]))
        return {}

    async def arrivals(self) -> Answer:
        """How packets of all calls that go on arrived since it was asked last -> ``p50``, ``p99``, ``gaps`` > 60 ms."""
        calls = [call for call in self.agent.calls.values() if call.state == "answered"]
        gaps = sorted(gap for call in calls for gap in call.rtp.gaps) or [0.0]
        for call in calls:
            call.rtp.gaps.clear()
        middle, late = gaps[len(gaps) // 2], gaps[min(len(gaps) * 99 // 100, len(gaps) - 1)]
        return {"p50": middle, "p99": late, "gaps": sum(1 for gap in gaps if gap > _GAP_SECONDS)}

    async def sound(self, **fields: Any) -> Answer:
        """When call ``call`` was loud last, and since when -> ``last_loud``, ``loud_since``, by the monotonic clock."""
        rtp = self._call(fields).rtp
        return {"last_loud": rtp.last_loud, "loud_since": rtp.loud_since}

    async def say(self, **fields: Any) -> Answer:
        """Say the audio of a file (``path``: PCM of 16 bit, 8,000 samples a second), and wait for its end."""
        rtp = self._call(fields).rtp
        rtp.say(ulaw_of(await asyncio.to_thread(Path(str(fields["path"])).read_bytes)))
        while rtp.speaks:  # noqa: ASYNC110 -- a packet leaves every 20 ms
            await asyncio.sleep(_LOOK_SECONDS)
        return {}

    async def calls(self, **fields: Any) -> Answer:  # noqa: ARG002 -- a command's signature
        """All calls so far -> ``calls``, a list of reports."""
        return {"calls": [call.report() for call in self.agent.calls.values()]}

    async def identity(self, **fields: Any) -> Answer:
        """Other credentials from now on: ``username``, ``password``."""
        self.agent.credentials = Credentials(str(fields["username"]), str(fields["password"]))
        return {}

    def _call(self, fields: dict[str, Any]) -> Call:
        return self.agent.calls[int(fields.get("call", len(self.agent.calls)))]


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What every peer takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--server", required=True, help="HOST:PORT that requests go to")
    parser.add_argument("--user", required=True, help="user part of the peer's own URIs")
    parser.add_argument("--host", default=LOOPBACK, help="the loopback address it has, such as 127.0.0.2")
    parser.add_argument("--port", type=int, help="SIP port, by default a leased one")
    parser.add_argument("--hz", type=int, default=440, help="pitch of the tone it sends")
    parser.add_argument("--calls", type=int, default=20, help="how many calls at a time")
    return parser


def address(text: str) -> tuple[str, int]:
    """Read ``HOST:PORT``."""
    host, _, port = text.rpartition(":")
    return host, int(port)


async def _main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--password", default="", help="for digest; the user name is --user")
    given = parser.parse_args()
    credentials = Credentials(given.user, given.password)
    agent = SipAgent(given.user, credentials, address(given.server), hz=given.hz, report=emit)
    await agent.open(given.host, port=given.port, calls=given.calls)
    agent.event("ready", port=agent.address[1])
    try:
        await serve(PhoneCommands(agent).commands())
    finally:
        await agent.close()


if __name__ == "__main__":
    asyncio.run(_main())
