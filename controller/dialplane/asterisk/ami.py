"""One connection to the manager interface (AMI) of one Asterisk.

Built on panoramisk's protocol, which carries the actions and finds the answer's action. What this module guarantees on
top, because panoramisk 1.4 does not:

- bytes: a character split over two packets survives, and bytes that are not UTF-8 never raise (`surrogateescape`);
- time: every action has a limit, and a peer that vanished or stays silent is noticed;
- at most once: nothing is ever sent again. When the connection ends, every pending action fails with ConnectionLost;
- memory: at most 50 actions wait for an answer, and a slow consumer of events gets a Gap instead of a growing queue;
- silence: no secret in a log line, a repr or an exception.
"""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from dialplane.asterisk import metrics
from dialplane.asterisk.decoder import check_lines
from dialplane.asterisk.errors import (
    ActionRefused,
    ActionTimeout,
    AuthenticationRefused,
    ConnectionLost,
    NotBooted,
    Unreachable,
)
from dialplane.asterisk.message import Event, Response
from dialplane.asterisk.moment import Moment
from dialplane.asterisk.subscription import Subscription
from dialplane.asterisk.wire import Pending, Wire

IN_FLIGHT = 50
"""Actions sent and not yet answered; more wait for their turn."""
OPEN_WITHIN = 5.0
"""Seconds for the TCP connection: the kernel would repeat a lost packet ever more rarely, long after the outage."""
_HANDSHAKE_WITHIN = 20.0
ANSWER_WITHIN = 30.0
"""Seconds Asterisk may take for one action: one under heavy load takes ten and is not lost."""
_PING_AFTER = 5.0
_PING_LIMIT = 15.0
Value = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class AmiAddress:
    """Where an Asterisk answers AMI, and as whom to log in."""

    host: str
    username: str
    secret: SecretStr
    port: int = 5038
    tls: bool = False
    certificate_authority: Path | None = None
    """The certificates to trust over TLS; None trusts what the system trusts."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Ami:
    """A logged-in connection to a fully booted Asterisk; open one with `async with Ami.connect(address)`."""

    def __init__(self) -> None:
        self._wire = Wire(self)
        self._logged_in = False
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._subscriptions: list[Subscription] = []
        self._end: asyncio.Future[Unreachable] = asyncio.get_running_loop().create_future()
        self.booted: Moment | None = None
        """When Asterisk started, to about a second: counted back from FullyBooted's `Uptime`. None where that makes no
        sense: Asterisk's clock was set back by more than its age."""
        self.reloading = asyncio.Lock()
        """Held while a module reloads: one at a time."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        address: AmiAddress,
        *,
        timeout: float = 10.0,
        events: str = "system,security",
        wait_for_boot: bool = True,
    ) -> AsyncIterator["Ami"]:
        """Connect, log in, wait for FullyBooted; close at the end.

        Args:
            address: where and as whom.
            timeout: seconds for all of that together.
            events: the AMI event classes to receive; a user that may not read `system` gets no FullyBooted.
            wait_for_boot: False for such a user, once another connection has seen FullyBooted.

        Raises:
            Unreachable: no connection (AuthenticationRefused, NotBooted and ConnectionLost say more).
        """
        ami = cls()
        try:
            async with asyncio.timeout(timeout):
                await ami._open(address)
                await ami._log_in(address, events, timeout, wait_for_boot=wait_for_boot)
        except TimeoutError:
            ami.close()
            if ami._logged_in:
                raise NotBooted(f"{address}: logged in, but no FullyBooted within {timeout:g} s") from None
            raise Unreachable(f"{address}: no AMI within {timeout:g} s") from None
        except BaseException:
            ami.close()
            raise
        pinger = asyncio.create_task(ami._ping(), name=f"ami-ping-{address}")
        try:
            yield ami
        finally:
            pinger.cancel()
            ami.close()

    async def action(self, name: str, /, *, timeout: float | None = None, **fields: Value) -> Response:
        """Run one action and return its success. A field given several values is sent once for each.

        Args:
            name: AMI's name of the action.
            timeout: seconds that Asterisk may take for it, once it has answered the actions before it; by default
                `ANSWER_WITHIN`.
            fields: the action's fields by AMI's names.

        Raises:
            ActionRefused: Asterisk answered Error (PermissionMissing where the user lacks the class, ActionUnknown
                where no module brings this action).
            ActionTimeout, ConnectionLost: the effect is unknown; it is never sent again.
            LineRefused: before anything was sent.
        """
        response: Response = await self._run(name, fields, timeout, as_list=False)
        return response

    async def list(self, name: str, /, *, timeout: float | None = None, **fields: Value) -> tuple[Event, ...]:
        """Run an action that answers with a list; returns its items without the closing Complete event.

        Raises as `action`; a `Response: Error` inside the list raises too: half a list is never returned.
        """
        items: tuple[Event, ...] = await self._run(name, fields, timeout, as_list=True)
        return items

    def events(self, *names: str, limit: int = 1000) -> Subscription:
        """Receive events from now on, those named or all; at most `limit` wait, then a Gap stands for them."""
        subscription = Subscription(frozenset(names), limit, self._unsubscribe)
        if self._end.done():
            subscription.end()
        else:
            self._subscriptions.append(subscription)
        return subscription

    async def closed(self) -> Unreachable:
        """Return, with the reason, when the connection has ended."""
        return await asyncio.shield(self._end)

    def close(self) -> None:
        """End the connection now; every pending action fails with ConnectionLost."""
        if self._wire.transport is not None:
            self._wire.connection_lost(ConnectionLost("closed by Dialplane"))

    def dispatch(self, event: Event) -> None:
        """Hand an event to those who want it; called by the wire."""
        metrics.EVENTS.inc()
        if "eventlist" not in event:  # the stray end of a list that was refused
            for subscription in self._subscriptions:
                subscription.offer(event)

    def connection_lost(self, reason: Unreachable) -> None:
        """End the subscriptions; called by the wire, once."""
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()
        self._end.set_result(reason)

    def _unsubscribe(self, subscription: Subscription) -> None:
        with suppress(ValueError):
            self._subscriptions.remove(subscription)

    async def _run(self, name: str, fields: dict[str, Value], timeout: float | None, *, as_list: bool) -> Any:
        flat = [("Action", name)]
        for field, value in fields.items():
            flat += [(field, value)] if isinstance(value, str) else [(field, v) for v in value]
        check_lines(flat)
        async with self._room:
            limit = ANSWER_WITHIN if timeout is None else timeout
            return await self._wire.send(Pending({"Action": name, **fields}, limit, as_list=as_list))

    async def _open(self, address: AmiAddress) -> None:
        try:
            trust = ssl.create_default_context(cafile=address.certificate_authority) if address.tls else None
            within = OPEN_WITHIN + (_HANDSHAKE_WITHIN if address.tls else 0.0)
            async with asyncio.timeout(within):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: self._wire, address.host, address.port, ssl=trust
                )
        except TimeoutError:
            raise Unreachable(f"{address}: no connection within {within:g} s") from None
        except OSError as error:
            raise Unreachable(f"{address}: {error.strerror or error}") from error
        _notice_a_dead_peer(transport.get_extra_info("socket"))

    async def _log_in(self, address: AmiAddress, events: str, timeout: float, *, wait_for_boot: bool) -> None:
        with self.events("FullyBooted") as boot:
            try:
                # By challenge: the secret itself never crosses the wire and never stands in an action.
                challenge = (await self.action("Challenge", timeout=timeout, AuthType="MD5"))["Challenge"]
                proof = hashlib.md5(f"{challenge}{address.secret.get_secret_value()}".encode())  # noqa: S324 -- AMI's
                await self.action(
                    "Login",
                    timeout=timeout,
                    AuthType="MD5",
                    Username=address.username,
                    Key=proof.hexdigest(),
                    Events=events,
                )
            except ActionRefused as error:
                if self._end.done():  # it stops, which says nothing against the account
                    raise await self.closed() from None
                raise AuthenticationRefused(f"{address}: user {address.username!r}: {error.message}") from None
            self._logged_in = True
            if not wait_for_boot:
                return
            async for event in boot:
                if isinstance(event, Event):
                    uptime = event.get("uptime", "")
                    self.booted = Moment.now().before(int(uptime)) if uptime.isdecimal() else None
                    return
        raise await self.closed()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_AFTER)
            # While an action runs, a Ping would only queue behind it; the action has a limit of its own.
            if self._wire.busy or asyncio.get_running_loop().time() - self._wire.heard < _PING_AFTER:
                continue
            try:
                await self.action("Ping", timeout=_PING_LIMIT)
            except ActionTimeout:
                self._wire.connection_lost(ConnectionLost(f"no answer to Ping in {_PING_LIMIT:g} s"))
                return
            except ActionRefused:
                continue  # It answers.
            except ConnectionLost:
                return


def _notice_a_dead_peer(connection: socket.socket) -> None:
    """Let the kernel find a peer that vanished without a word, also while a long action runs: within about 14 s."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 3), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 14_000)):
        if hasattr(socket, option):  # Linux has all; elsewhere the Ping does it.
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
