"""What a test may ask of the modem peer; the table of commands stands in :mod:`testbed.modem`."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from testbed.control import Answer, Command
from testbed.modem.actions import Actions, Mischief
from testbed.modem.device import Device
from testbed.modem.driver import Driver
from testbed.modem.line import Cuts, Lines
from testbed.modem.stick import REGISTRATIONS, Outcome, Received, Stick
from testbed.modem.texts import Texts


class ModemCommands:
    """The commands and the parts they steer."""

    def __init__(self, driver: Driver, texts: Texts, lines: Lines, actions: Actions, mischief: Mischief) -> None:
        self._driver, self._texts, self._lines = driver, texts, lines
        self._actions, self._mischief = actions, mischief
        self._outcome = Outcome()

    def commands(self) -> Mapping[str, Command]:
        """Command name -> coroutine."""
        return {
            "plug": self.plug,
            "unplug": self.unplug,
            "network": self.network,
            "stuck": self.stuck,
            "pace": self.pace,
            "deliver": self.deliver,
            "call": self.call,
            "hangup": self.hangup,
            "refuse": self.refuse,
            "delay_answers": self.delay_answers,
            "lose_answer": self.lose_answer,
            "drop": self.drop,
            "cut": self.cut,
            "outcome": self.outcome,
            "sent": self.sent,
            "lines": self.lines,
            "devices": self.devices,
            "counts": self.counts,
            "emit": self.emit,
            "module": self.module,
        }

    async def plug(self, **fields: Any) -> Answer:
        """Put a modem in."""
        registration = REGISTRATIONS[str(fields.pop("registration", "home"))]
        stick = Stick(registration=registration, outcome=self._outcome, **fields)
        self._driver.plug(stick)
        device = self._driver.holder(stick)
        return {"device": device.id if device else None}

    async def unplug(self, imei: str) -> Answer:
        """Take it out; the network keeps what comes for its card."""
        self._stick(imei)
        self._driver.unplug(imei)
        return {}

    async def network(self, imei: str, **fields: Any) -> Answer:
        """Change what the modem sees of the network."""
        stick = self._stick(imei)
        if "registration" in fields:
            stick.registration = REGISTRATIONS[str(fields["registration"])]
        stick.rssi = int(fields.get("rssi", stick.rssi))
        stick.provider = str(fields.get("provider", stick.provider))
        self._driver.network(stick)
        return {}

    async def stuck(self, imei: str, on: bool = True) -> Answer:
        """Make it silent, or heal it."""
        stick = self._stick(imei)
        if on:
            stick.working.clear()
        else:
            stick.working.set()
        self._texts.hand_out(stick)
        return {}

    async def pace(self, imei: str, seconds: float) -> Answer:
        """How long it works on a message."""
        self._stick(imei).send_seconds = float(seconds)
        return {}

    async def deliver(self, sender: str, **fields: Any) -> Answer:
        """Messages come in."""
        imsi = str(fields["imsi"]) if "imsi" in fields else self._held(str(fields["device"])).imsi
        mailbox = self._driver.mailboxes[imsi]
        repeat, every = int(fields.get("repeat", 1)), float(fields.get("every", 0))
        await asyncio.sleep(float(fields.get("delay", 0)))
        for number in range(repeat):
            if "base64" in fields:
                body = base64.b64decode(fields["base64"], validate=True)
            else:
                text = str(fields["text"])
                body = (text.replace("{n}", str(number)) if repeat > 1 else text).encode()
            mailbox.append(Received(sender, body, repeated=bool(fields.get("duplicate"))))
            if every:
                self._driver.came.set()
                await asyncio.sleep(every)
        self._driver.came.set()
        return {"waiting": len(mailbox)}

    async def call(self, device: str, number: str, exten: str = "") -> Answer:
        """Somebody calls the modem."""
        return {"call": await self._texts.call(self._device(device), number, exten)}

    async def hangup(self, device: str, call: int) -> Answer:
        """The caller hangs up."""
        await self._texts.hang_up(self._device(device), int(call))
        return {}

    async def refuse(self, count: int = 1, error: str = "Queue error") -> Answer:
        """Refuse sends."""
        self._mischief.refuse += [error] * int(count)
        return {}

    async def delay_answers(self, seconds: float, count: int = 1) -> Answer:
        """Be slow."""
        self._mischief.slow, self._mischief.slow_answers = float(seconds), int(count)
        return {}

    async def lose_answer(self, count: int = 1) -> Answer:
        """Accept and hang up."""
        self._mischief.lose += int(count)
        return {}

    async def drop(self, after_bytes: int = 0, user: str = "") -> Answer:
        """Cut lines."""
        chosen = [line for line in self._lines.open if user in {"", line.user}]
        for line in chosen:
            line.drop(int(after_bytes))
        return {"lines": len(chosen)}

    async def cut(self, **fields: Any) -> Answer:
        """Cut packets."""
        offsets = tuple(int(offset) for offset in fields.get("offsets", ()))
        cuts = Cuts(offsets, bool(fields.get("characters")), float(fields.get("pause", Cuts.pause)))
        self._lines.settings.cuts = cuts if fields else None
        return {}

    async def outcome(self, name: str, imei: str = "", after: float | None = None) -> Answer:
        """What becomes of outgoing messages."""
        if not imei:
            self._outcome = self._outcome.changed(name, after)
        for stick in [self._stick(imei)] if imei else self._driver.sticks.values():
            stick.outcome = stick.outcome.changed(name, after)
        return {}

    async def sent(self, since: int = 0) -> Answer:
        """Every message that was accepted."""
        return {"sent": [asdict(message) for message in self._texts.sent[int(since) :]]}

    async def lines(self) -> Answer:
        """Who is connected."""
        return {"lines": [line.report for line in self._lines.open]}

    async def devices(self) -> Answer:
        """What ``DongleShowDevices`` would tell."""
        return {"devices": [dict(each.entry(self._driver.names)) for each in self._driver.devices.values()]}

    async def counts(self) -> Answer:
        """Figures of the whole run."""
        return {
            "accepted": len(self._texts.sent),
            "delivered": self._texts.delivered,
            "waiting": sum(len(mailbox) for mailbox in self._driver.mailboxes.values()),
            "reloads": self._driver.reloads,
            "lines": len(self._lines.open),
            "connections": self._lines.count,
            "refused": self._texts.refused,
            "complaints": list(self._driver.complaints),
        }

    async def emit(self, name: str, fields: Mapping[str, str]) -> Answer:
        """Tell any event."""
        self._driver.emit(name, [(key, str(value)) for key, value in fields.items()])
        return {}

    async def module(self, on: bool) -> Answer:
        """Whether Asterisk has the driver's module."""
        self._actions.loaded = on
        return {}

    def _stick(self, imei: str) -> Stick:
        if imei not in self._driver.sticks:
            raise ValueError(f"no modem {imei!r} is plugged in")
        return self._driver.sticks[imei]

    def _device(self, name: str) -> Device:
        if name not in self._driver.devices:
            raise ValueError(f"no device {name!r} in {self._driver.path}")
        return self._driver.devices[name]

    def _held(self, name: str) -> Stick:
        stick = self._device(name).stick
        if stick is None:
            raise ValueError(f"{name} has no modem; deliver by imsi to one that is not connected")
        return stick
