"""One-time addresses at which a device uploads a picture that is too large for its socket."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dialplane.services.elevator.pictures.addresses import PATH
from dialplane.services.elevator.tables import uploads
from dialplane.services.elevator.tables.commands import Command
from dialplane.services.elevator.tables.uploads import Upload
from dialplane.storage.options import StorageOptions
from dialplane.store import Store

CAPABILITY: Final = "upload"
"""What a device says of itself that uploads pictures."""
COMMAND: Final = "SNAPSHOT"
"""The command that asks for a picture."""
GOOD_FOR: Final = timedelta(minutes=5)
TICKET_LENGTH: Final = 32
"""Characters: 24 bytes of chance."""


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A command that asks a device for a picture."""

    command: str
    """Its id."""
    device: str


def make_uploads(
    store: Store, site: str, options: StorageOptions, requests: Sequence[UploadRequest], *, now: datetime
) -> Mapping[str, dict[str, str]]:
    """Expect an upload for each of these commands, in one transaction. Blocks.

    Returns:
        For each command's id what goes into its data as `upload`: `url` and `expires` (ISO 8601). Nothing, where no
        option says how devices reach the API, or where pictures are stored: they come over the socket, or not at all.
    """
    if not options.public_url or not options.url:
        return {}
    expires = now + GOOD_FOR
    tickets = {each.command: secrets.token_urlsafe(TICKET_LENGTH * 3 // 4) for each in requests}
    made = [Upload(digest_of(tickets[each.command]), each.device, each.command, expires) for each in requests]
    uploads.add(store, site, made)
    until = expires.isoformat(timespec="seconds")
    return {
        command: {"url": f"{options.public_url}{PATH}/uploads/{ticket}", "expires": until}
        for command, ticket in tickets.items()
    }


class UploadOffers:
    """Adds to commands that ask for a picture where their devices may upload it."""

    def __init__(
        self,
        store: Store,
        site: str,
        options: StorageOptions,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Offer uploads of one site."""
        self._store = store
        self._site = site
        self._options = options
        self._now = now

    async def __call__(self, claimed: Sequence[tuple[Command, frozenset[str]]]) -> Sequence[object]:
        """Return the data of each command, which comes with the capabilities of its device.

        Data that is no JSON object stays as it is, and so does that of every other command.

        Raises:
            StoreError: no upload can be expected now.
        """
        requests = [
            UploadRequest(command.id, command.device)
            for command, capabilities in claimed
            if command.name == COMMAND and CAPABILITY in capabilities and isinstance(command.data, dict | None)
        ]
        offers: Mapping[str, dict[str, str]] = {}
        if requests:
            offers = await self._store.call(make_uploads, self._site, self._options, requests, now=self._now())
        return [
            {**(command.data or {}), "upload": offers[command.id]} if command.id in offers else command.data
            for command, _ in claimed
        ]


def digest_of(ticket: str) -> bytes:
    """Return what is kept of a ticket."""
    return hashlib.sha256(ticket.encode()).digest()
