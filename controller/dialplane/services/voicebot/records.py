"""What the API asks of the leader's half: recordings, and the erasure of what is left of somebody's calls."""

from typing import TYPE_CHECKING, Protocol

from dialplane.resources.numbering import Numbering

if TYPE_CHECKING:
    from dialplane.services.voicebot.call_recordings import CallRecordings
    from dialplane.services.voicebot.leader.housekeeping import Erased


class CallRecords(Protocol):
    """The calls that are kept, as the paths of the API see them."""

    recordings: "CallRecordings"
    numbering: Numbering | None

    async def erase(self, number: str) -> "Erased":
        """Erase all that is left of the calls of somebody, by the number as anybody writes it.

        Raises:
            StorageError, StoreError: the rest is still there; do it again.
        """


class BotService(Protocol):
    """The running service."""

    @property
    def keeper(self) -> CallRecords:
        """The calls of the bots."""
