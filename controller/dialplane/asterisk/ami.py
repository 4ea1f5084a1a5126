"""One connection to the manager interface (AMI) of one Asterisk.

Built on panoramisk's protocol, which carries the actions and finds the answer's action. What this module guarantees on
top, because panoramisk 1.4 does not:

- bytes: a character split over two packets survives, and bytes that are not UTF-8 never raise (`surrogateescape`);
- time: every action has a limit, and a peer that stays silent is noticed within about 15 s;
- at most once: nothing is ever sent again. When the connection ends, every pending action fails with ConnectionLost;
- memory: at most 50 actions wait for an answer, and a slow consumer of events gets a Gap instead of a growing queue;
- silence: no secret in a log line, a repr or an exception.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from dialplane.asterisk.errors import Unreachable
from dialplane.asterisk.message import Event, Gap, Response


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


class Subscription:
    """The events since `Ami.events` was called; ends when the connection ends. Leave the `with` to unsubscribe."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[Event | Gap]:
        return self

    async def __anext__(self) -> Event | Gap:
        raise NotImplementedError


class Ami:
    """A logged-in connection to a fully booted Asterisk; open one with `async with Ami.connect(address)`."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, address: AmiAddress, *, timeout: float = 10.0, events: str = "system,security"
    ) -> AsyncIterator["Ami"]:
        """Connect, log in, wait for FullyBooted; close at the end.

        Args:
            address: where and as whom.
            timeout: seconds for all of that together.
            events: the AMI event classes to receive.

        Raises:
            Unreachable: no connection (AuthenticationRefused, NotBooted and ConnectionLost say more).
        """
        raise NotImplementedError
        yield

    async def action(self, name: str, /, *, timeout: float = 10.0, **fields: str | Sequence[str]) -> Response:
        """Run one action and return its success. A field given several values is sent once for each.

        Raises:
            ActionRefused: Asterisk answered Error (PermissionMissing where the user lacks the class).
            ActionTimeout, ConnectionLost: the effect is unknown; it is never sent again.
            LineRefused: before anything was sent.
        """
        raise NotImplementedError

    async def list(self, name: str, /, *, timeout: float = 30.0, **fields: str | Sequence[str]) -> tuple[Event, ...]:
        """Run an action that answers with a list; returns its items without the closing Complete event.

        Raises as `action`; a `Response: Error` inside the list raises too: half a list is never returned.
        """
        raise NotImplementedError

    def events(self, *names: str, limit: int = 1000) -> Subscription:
        """Receive events from now on, those of the given names or all; at most `limit` wait, then a Gap stands for them."""
        raise NotImplementedError

    async def closed(self) -> Unreachable:
        """Return, with the reason, when the connection has ended."""
        raise NotImplementedError
