"""Mailing some messages over one connection, in a thread of its own: it blocks, and a stop does not wait for it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from email.message import EmailMessage
from typing import Final

from dialplane.services.voicemail.letter import letter
from dialplane.services.voicemail.server import LetterRefusedError, Server, ServerError, opened
from dialplane.services.voicemail.spool import Message, UnreadableError, audio_of
from dialplane.services.voicemail.task import Task

STOP_SECONDS: Final = 3.0
"""What a mail that is under way gets to be taken and noted, when all is to stop."""


class Delivery:
    """One connection to the server, and what came of each message; iterate over it once."""

    def __init__(
        self, task: Task, server: Server, site: str, due: Sequence[Message], leads: Callable[[], bool]
    ) -> None:
        """Mail `due` in that order, as long as `leads` says so."""
        self.fault: ServerError | None = None
        """Why the server took no more; known at the end."""
        self._task = task
        self._server = server
        self._site = site
        self._due = due
        self._leads = leads
        self._stopping = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._results: asyncio.Queue[tuple[Message, Exception | None] | None] = asyncio.Queue()

    async def results(self) -> AsyncIterator[tuple[Message, Exception | None]]:
        """Each message as soon as the server has taken it, or why it has not."""
        threading.Thread(target=self._work, name="voicemail", daemon=True).start()
        while (result := await self._results.get()) is not None:
            yield result

    async def rest(self) -> list[tuple[Message, Exception | None]]:
        """What still comes of it when all is to stop."""
        self._stopping.set()
        found = []
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while (result := await self._results.get()) is not None:
                    found.append(result)
        return found

    def _work(self) -> None:
        try:
            with opened(self._server) as session:
                for message in self._due:
                    if self._stopping.is_set() or not self._leads():
                        break
                    error: Exception | None = None
                    try:
                        session.send(self._letter(message))
                    except (LetterRefusedError, UnreadableError) as refusal:
                        error = refusal
                    self._put((message, error))
        except ServerError as error:
            self.fault = error
        except Exception as error:  # noqa: BLE001 -- whatever it is, the loop hears of the end
            self.fault = ServerError(f"the controller failed ({type(error).__name__})")
        finally:
            self._put(None)

    def _letter(self, message: Message) -> EmailMessage:
        box = self._task.boxes[message.mailbox]
        return letter(
            sender=self._task.sender,
            receiver=box.email,
            site=self._site,
            mailbox=box.number,
            message=message.id,
            left_at=message.left_at.astimezone(self._task.zone),
            caller=message.caller,
            seconds=message.seconds,
            audio=audio_of(message) if box.attach_audio else None,
        )

    def _put(self, result: tuple[Message, Exception | None] | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._results.put_nowait, result)
