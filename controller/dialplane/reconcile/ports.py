"""Where the site loop meets a front door."""

from collections.abc import Mapping
from typing import Protocol

from dialplane.resources.conditions import Report
from dialplane.resources.key import Key
from dialplane.resources.snapshot import Snapshot


class Source(Protocol):
    """What the site should be."""

    async def changed(self) -> None:
        """Return when something may have changed since the last `snapshot`; at once if none was taken yet.

        Once for each change, so that the loop sees when they cease: called again before `snapshot` it waits for the
        next one (or returns after a second or more, as a reminder). Returns only after the first complete view of the
        site exists (the barrier): never with a half-read site.
        """

    def snapshot(self) -> Snapshot:
        """The whole site as it is now. Cheap, never waits, and each call is a consistent view."""


class StatusSink(Protocol):
    """Where the findings go."""

    async def publish(self, reports: Mapping[Key, Report]) -> None:
        """Make the status of each resource say its report; write only those that differ.

        Takes every report of the site each time. Never raises for one resource that cannot be written: that one is
        tried again with the next call (the sink marks the site changed). Emits Events on transitions where it can.
        """


class CredentialsStore(Protocol):
    """Where credentials that the controller itself made are kept (`generateCredentials`)."""

    async def create(self, name: str, values: Mapping[str, str], owner: Key) -> None:
        """Make a Secret once, owned by that resource; it comes back through the Source. Existing: left as it is."""


class SupervisorError(Exception):
    """Whoever keeps Asterisk running did not restart it; the message says why, with the cure, and holds no secret."""


class Supervisor(Protocol):
    """Whoever keeps Asterisk running: it alone stops and starts it."""

    async def check(self) -> None:
        """Raise SupervisorError if it is known beforehand that `restart` would fail: calls need not be waited for."""

    async def restart(self) -> None:
        """Stop Asterisk in an orderly way and start it again.

        Returns once that was ordered, which is not yet done; Asterisk itself tells when it is. Cancelled, it leaves an
        order that was given to take its course: half a restart would be a stop.

        Raises:
            SupervisorError: it was not.
        """


class Remover(Protocol):
    """Who deletes resources whose time is over."""

    def remove(self, key: Key, uid: str) -> None:
        """Delete it some time soon, unless there is another of that name by then. Never waits, never raises."""


class Leadership(Protocol):
    """The right to write: files, AMI actions and statuses check it first."""

    def held(self) -> bool:
        """True while this process may write; judged by a deadline on a monotonic clock, so it is cheap."""
