"""How a call really goes: over an Asterisk, the agent's telephone first, then the customer's."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from testbed.ami import AmiClient, AmiRefusedError, Message
from testbed.bootstrap import Account
from testbed.infinity.call import Call
from testbed.infinity.lines import End
from testbed.infinity.script import CAUSES

RING_SECONDS: Final = 30
"""How long each telephone rings at most."""
_NO_WAY: Final = 27  # destination out of order (Q.850)
_NO_TELEPHONE: Final = "0"  # of an OriginateResponse: no channel was made, so none will hang up


@dataclass
class _Legs:
    """What is heard of one call."""

    heard: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    cause: int = 0
    direction: str = ""


class Ringing:
    """Calls on one Asterisk; it is logged in to when it is needed, and again when it was gone."""

    def __init__(self, address: tuple[str, int], account: Account, customer: str) -> None:
        self._address, self._account, self._customer = address, account, customer
        self._client: AmiClient | None = None
        self._watch: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._legs: dict[str, _Legs] = {}

    async def play(self, call: Call, answered: Callable[[], Awaitable[None]]) -> End:
        """Ring the agent, then the customer, until it is over."""
        legs = self._legs[call.id] = _Legs()
        try:
            return await self._play(call, legs, answered)
        except (OSError, EOFError, TimeoutError, AmiRefusedError):
            return End(_NO_WAY, "")
        finally:
            del self._legs[call.id]

    async def hang_up(self, call: Call, direction: str) -> None:
        """Hang up for the agent, whoever it shall have been. Raises ValueError where nobody is in the call."""
        legs = self._legs.get(call.id)
        if legs is None:
            raise ValueError(f"{call.id} is over")
        legs.direction = direction
        with suppress(AmiRefusedError):  # it has just ended
            await (await self._ami()).action("Hangup", Channel=call.id)

    async def _play(self, call: Call, legs: _Legs, answered: Callable[[], Awaitable[None]]) -> End:
        fields = {
            "Channel": f"PJSIP/{call.asked['extnumber']}",
            "ChannelId": call.id,
            "Application": "Dial",
            "Data": f"{self._customer.format(number=call.asked['destnumber'])},{RING_SECONDS}",
            "Timeout": str(RING_SECONDS * 1000),
            "Async": "true",
        }
        if number := call.asked.get("disnumber"):
            fields["CallerID"] = f"<{number}>"
        await (await self._ami()).action("Originate", limit_seconds=10, **fields)
        while True:
            message = await legs.heard.get()
            match message["Event"]:
                case "DialEnd" if message["DialStatus"] == "ANSWER":
                    await answered()
                case "HangupRequest":
                    own = message["Uniqueid"] == call.id
                    legs.direction = legs.direction or ("agent" if own else "customer")
                case "Hangup" if message["Uniqueid"] != call.id:
                    legs.cause = int(message["Cause"])
                case "Hangup":
                    reached = CAUSES["answered"] if call.answered else legs.cause or int(message["Cause"])
                    return End(reached, legs.direction)
                case "OriginateResponse" if message["Reason"] == _NO_TELEPHONE:
                    return End(_NO_WAY, "")
                case "Gone":
                    return End(_NO_WAY, "")

    async def _ami(self) -> AmiClient:
        async with self._turn:
            if self._client is None:
                name, secret = self._account.name, self._account.secret
                self._client = await AmiClient.login(*self._address, name, secret)
                self._client.heard = self._hear
                self._watch = asyncio.create_task(self._until_gone(self._client))
            return self._client

    async def _until_gone(self, client: AmiClient) -> None:
        await client.ended()
        self._client = None
        for legs in self._legs.values():
            legs.heard.put_nowait({"Event": "Gone"})
        await client.close()

    def _hear(self, message: Message) -> None:
        match message.get("Event"):
            case "DialEnd" | "OriginateResponse":
                legs = self._legs.get(message.get("Uniqueid", ""))
            case "Hangup" | "HangupRequest":
                legs = self._legs.get(message["Linkedid"])
            case _:
                return
        if legs is not None:
            legs.heard.put_nowait(message)
