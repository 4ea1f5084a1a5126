"""Incoming and outgoing text messages, and calls, of a loaded driver.

Source: chan_dongle's ``at_response.c`` (order of events, channel variables), ``smsdb.c`` (which report comes when).
Not told: ``DongleNewCMGR`` with the raw PDU, and no part of a message alone: a message arrives joined.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field

from testbed.modem.device import Device
from testbed.modem.dialplan import Dialplan, DialplanError
from testbed.modem.driver import Driver
from testbed.modem.stick import Outcome, Received, Stick, parts

_RETRY_SECONDS = 0.2
_VALIDITY_MINUTES = 3 * 24 * 60


@dataclass
class Sent:
    """A message that the driver accepted.

    Attributes:
        state: ``queued``, then the outcome's name once it was told; ``forgotten`` if the modem went before it was sent.
    """

    device: str
    number: str
    text: str
    payload: str
    report: bool
    validity: int
    user: str
    at: float = field(default_factory=time.time)
    state: str = "queued"


class Texts:
    """The traffic of all devices.

    Attributes:
        sent: every message that was ever accepted, in order.
        delivered: how many incoming messages the dialplan was run for.
        refused: what Asterisk said when it did not start the dialplan.
    """

    def __init__(self, driver: Driver, dialplan: Dialplan) -> None:
        self.driver, self.dialplan = driver, dialplan
        self.sent: list[Sent] = []
        self.delivered = 0
        self.refused: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_work: dict[str, asyncio.Lock] = {}
        self._channels: dict[tuple[str, int], str] = {}

    def close(self) -> None:
        """End everything under way."""
        for task in self._tasks:
            task.cancel()

    def accept(self, device: Device, message: Sent) -> None:
        """Take a message from AMI and see to its outcome."""
        stick = device.stick
        if stick is None:
            raise ValueError(f"{device.id} has no modem")
        self.sent.append(message)
        device.tasks += 1
        self._spawn(self._send(device, stick, message))

    async def network(self) -> None:
        """Hand out what the network keeps whenever a device becomes able to take it."""
        while True:
            await self.driver.came.wait()
            self.driver.came.clear()
            for stick in list(self.driver.sticks.values()):
                self.hand_out(stick)

    def hand_out(self, stick: Stick) -> None:
        """Let the modem's device read what waits for it."""
        if self.driver.mailboxes[stick.imsi]:
            self._spawn(self._receive(stick))

    async def call(self, device: Device, number: str, exten: str) -> int:
        """An incoming call; returns its index once the dialplan was started."""
        variables = self._variables(device, number)
        index = max(device.calls, default=0) + 1
        exten = exten or (device.stick.number if device.stick else "") or device.settings.exten or "s"
        device.calls[index] = "incoming"
        if len(device.calls) == 1:
            self.driver.status(device, "Used")
        try:
            channel, states = await self.dialplan.call(exten, device.settings.context, variables)
        except (OSError, DialplanError):
            self._ended(device, index)
            raise

        async def follow() -> None:
            began = time.monotonic()
            async for state in states:
                if state == "active" and index in device.calls:
                    device.calls[index] = state
                self._call_event(device, index, state)
            self._ended(device, index)
            duration = round(time.monotonic() - began)
            fields = (("CallIdx", index), ("Duration", duration), ("EndStatus", 0), ("CCCause", 16))
            self.driver.emit("CEND", [("Device", device.id), *((name, str(value)) for name, value in fields)])

        self._call_event(device, index, "incoming")
        self._spawn(follow())
        self._channels[device.id, index] = channel
        return index

    async def hang_up(self, device: Device, index: int) -> None:
        """The caller ends the call."""
        await self.dialplan.hang_up(self._channels[device.id, index])

    def _ended(self, device: Device, index: int) -> None:
        if device.calls.pop(index, None) is not None and not device.calls:
            self.driver.status(device, "Free")
        self.driver.settle(device)

    def _call_event(self, device: Device, index: int, state: str) -> None:
        self.driver.emit("CallStateChange", [("Device", device.id), ("CallIdx", str(index)), ("NewState", state)])

    async def _receive(self, stick: Stick) -> None:
        mailbox = self.driver.mailboxes[stick.imsi]
        async with self._at_work.setdefault(stick.imei, asyncio.Lock()):
            while mailbox and stick.working.is_set():
                device = self.driver.holder(stick)
                if device is None or not device.registered or device.settings.disablesms:
                    return
                message = mailbox[0]
                for _ in range(2 if message.repeated else 1):
                    self._tell(device, message)
                await self._run(device, "sms", message.sender, _sms_variables(message))
                self.delivered += 1
                mailbox.popleft()

    def _tell(self, device: Device, message: Received) -> None:
        who = [("Device", device.id), ("From", message.sender)]
        text = message.text.decode(errors="surrogateescape")
        lines = [line for line in text.replace("\r", "\n").split("\n") if line]
        numbered = [(f"MessageLine{number}", line) for number, line in enumerate(lines)]
        # The driver's own blank line too many at the end of this one event.
        self.driver.emit("NewSMS", [*who, ("LineCount", str(len(lines))), *numbered, ("", "")])
        self.driver.emit("NewSMSBase64", [*who, ("Message", message.base64)])

    async def _send(self, device: Device, stick: Stick, message: Sent) -> None:
        connection = device.connection
        async with self._at_work.setdefault(f"out {stick.imei}", asyncio.Lock()):
            await asyncio.sleep(stick.send_seconds)
            await stick.working.wait()
        outcome = stick.outcome
        if device.connection == connection:
            device.tasks -= 1
            self.driver.settle(device)
            await asyncio.sleep(outcome.after)
        else:
            # The driver emptied its queue when the modem went; all it still knows is when the message is too old.
            message.state, outcome = "forgotten", Outcome("expired")
            await asyncio.sleep(60 * message.validity)
        if outcome.name != "never":
            await self._report(device, message, outcome)

    async def _report(self, device: Device, message: Sent, outcome: Outcome) -> None:
        """Type 0 (``i``) is the modem's word, 1 (``e``) the network's, 2 (``t``) the driver's own at the end."""
        kind, success, report, scts = 0, outcome.name == "delivered", "", ""
        if outcome.name == "expired":
            kind = 2
        elif message.report and outcome.name != "unsent":
            kind, scts = 1, _time_stamp()
            report = ("000," if success else "064,") * parts(message.text.encode())
        elif outcome.name == "failed":
            # Without a report asked for, the network's failure is never heard of.
            success = True
        message.state = outcome.name
        payload = message.payload
        variables = {
            "SMS_REPORT_PAYLOAD": payload,
            "SMS_REPORT_TS": scts,
            "SMS_REPORT_DT": scts,
            "SMS_REPORT_SUCCESS": str(int(success)),
            "SMS_REPORT_TYPE": "iet"[kind],
            "SMS_REPORT": report,
        }
        await self._run(device, "report", message.number, variables)
        fields = {"Payload": payload, "SCTS": scts, "DT": scts, "Success": str(int(success)), "Type": str(kind)}
        self.driver.emit("Report", [("Device", device.id), *fields.items(), ("Report", report)])

    async def _run(self, device: Device, exten: str, number: str, own: dict[str, str]) -> None:
        """Run ``EXTEN@CONTEXT``, as soon as there is an Asterisk: while it is away, so is its module.

        What Asterisk refuses is lost, as with the driver.
        """
        variables = self._variables(device, number) | own
        while True:
            try:
                await self.dialplan.run(exten, device.settings.context, variables)
            except DialplanError as error:
                self.refused.append(str(error))
            except OSError:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            return

    def _variables(self, device: Device, number: str) -> dict[str, str]:
        stick, prefix = device.stick, self.driver.names.variable
        return {
            "CHANNEL(language)": device.settings.language,
            # The caller of the half that runs the dialplan is the other half's connected line.
            "CONNECTEDLINE(name,i)": device.id,
            "CONNECTEDLINE(num,i)": number,
            f"{prefix}NAME": device.id,
            f"{prefix}PROVIDER": stick.provider if stick else "NONE",
            f"{prefix}IMEI": stick.imei if stick else "",
            f"{prefix}IMSI": stick.imsi if stick else "",
            f"{prefix}NUMBER": (stick.number if stick else "") or "Unknown",
        }

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def validity_of(given: str) -> int:
    """Minutes, as the driver reads the field ``Validity``."""
    digits = given.strip()
    return int(digits) if digits.isdecimal() and int(digits) > 0 else _VALIDITY_MINUTES


def _sms_variables(message: Received) -> dict[str, str]:
    text = message.text.decode(errors="replace")
    return {"SMS": text, "SMS_BASE64": message.base64, "SMS_TS": _time_stamp(message.at)}


def _time_stamp(at: float | None = None) -> str:
    return time.strftime("%y-%m-%d %H:%M:%S +00:00", time.gmtime(at))
