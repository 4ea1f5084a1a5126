"""Spoken texts that are kept by their content: the same provider, voice, language and words are the same audio.

Guarantees: a text is spoken once however many want it at a time, and comes to all of them as it is spoken; memory and
disk are bounded, what was used longest ago goes first; files appear whole, for their owner alone. Only texts of `warm`
go to the disk: what else is spoken may hold what a caller said.
"""

import asyncio
import hashlib
import os
import tempfile
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault, Synthesizer

log = structlog.get_logger(__name__)

MEMORY: Final = 64 << 20
"""Bytes; half an hour of speech."""
DISK: Final = 512 << 20
"""Bytes; four and a half hours."""
LONGEST: Final = 10 << 20
"""Bytes of one text; five minutes of speech, which nobody listens to."""
_SUFFIX: Final = ".slin16"


@dataclass(eq=False)
class _Flight:
    """A text that is being spoken."""

    pieces: list[bytes] = field(default_factory=list)
    error: SpeechError | None = None
    is_over: bool = False
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._wake()

    def end(self, error: SpeechError | None = None) -> None:
        self.error, self.is_over = error, True
        self._wake()

    async def audio(self) -> AsyncGenerator[bytes, None]:
        at = 0
        while True:
            more = self._more
            for piece in self.pieces[at:]:
                yield piece
                at += 1
            if at < len(self.pieces):
                continue
            if self.error is not None:
                raise self.error
            if self.is_over:
                return
            await more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


class PromptCache:
    """Audio by text. It belongs to one event loop."""

    def __init__(self, folder: Path | None = None, *, memory: int = MEMORY, disk: int = DISK) -> None:
        """Prepare it.

        Args:
            folder: where texts that `warm` was given are kept; None: nowhere.
            memory: bytes at most.
            disk: bytes at most.
        """
        self._folder, self._memory, self._disk = folder, memory, disk
        self._audio: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._flights: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def speak(self, synthesizer: Synthesizer, text: str, language: str) -> AsyncGenerator[bytes, None]:
        """Yield the audio of a text: all at once where it is kept, else as it is spoken.

        What is being spoken is spoken to its end, though its caller interrupts it: the next one gets it at once.

        Raises:
            SpeechError: the synthesizer does not serve.
        """
        key = _key(synthesizer, text, language)
        if (audio := self._kept(key)) is not None:
            yield audio
            return
        async with aclosing(self._flight(key, synthesizer, text, language).audio()) as pieces:
            async for piece in pieces:
                yield piece

    async def warm(self, synthesizer: Synthesizer, texts: Iterable[tuple[str, str]]) -> None:
        """Have texts spoken and kept, one after the other, on the disk too.

        Args:
            synthesizer: what speaks them.
            texts: text and language; none of them has a caller's words in it.

        Raises:
            SpeechError: the synthesizer does not serve.
        """
        for text, language in dict.fromkeys(texts):
            key = _key(synthesizer, text, language)
            if self._kept(key) is not None:
                continue
            if (audio := await asyncio.to_thread(self._read, key)) is not None:
                self._keep(key, audio)
                continue
            flight = self._flight(key, synthesizer, text, language)
            async with aclosing(flight.audio()) as pieces:
                async for _ in pieces:
                    pass
            await asyncio.to_thread(self._write, key, b"".join(flight.pieces))

    async def close(self) -> None:
        """End what is being spoken. Never raises."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _kept(self, key: str) -> bytes | None:
        if (audio := self._audio.get(key)) is not None:
            self._audio.move_to_end(key)
        return audio

    def _keep(self, key: str, audio: bytes) -> None:
        if len(audio) > self._memory or key in self._audio:
            return
        self._audio[key] = audio
        self._bytes += len(audio)
        while self._bytes > self._memory:
            self._bytes -= len(self._audio.popitem(last=False)[1])

    def _flight(self, key: str, synthesizer: Synthesizer, text: str, language: str) -> _Flight:
        if (flight := self._flights.get(key)) is None:
            flight = self._flights[key] = _Flight()
            task = asyncio.create_task(self._fly(key, flight, synthesizer.speak(text, language)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return flight

    async def _fly(self, key: str, flight: _Flight, speaking: AsyncIterator[bytes]) -> None:
        try:
            size = 0
            async for piece in speaking:
                size += len(piece)
                if size > LONGEST:
                    flight.end(SpeechError(SpeechFault.GARBLED, "the synthesizer does not stop speaking"))
                    return
                flight.add(piece)
            self._keep(key, b"".join(flight.pieces))
            flight.end()
        except SpeechError as error:
            flight.end(error)
        finally:
            # However it ended, nobody waits for it any longer, and the next one tries again.
            if not flight.is_over:
                flight.end(SpeechError(SpeechFault.UNAVAILABLE, "the text was not spoken to its end"))
            del self._flights[key]

    def _read(self, key: str) -> bytes | None:
        if self._folder is None:
            return None
        path = self._folder / f"{key}{_SUFFIX}"
        with suppress(OSError):
            audio = path.read_bytes()
            os.utime(path)
            return audio
        return None

    def _write(self, key: str, audio: bytes) -> None:
        if self._folder is None or len(audio) > self._disk:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(audio))
            descriptor, name = tempfile.mkstemp(dir=self._folder, suffix=".new")  # for its owner alone
            with os.fdopen(descriptor, "wb") as file:
                file.write(audio)
            Path(name).rename(self._folder / f"{key}{_SUFFIX}")
        except OSError as error:
            log.warning("speech.prompt_not_kept", folder=str(self._folder), error=error.strerror)

    def _make_room(self, needed: int) -> None:
        assert self._folder is not None  # noqa: S101 -- asked before
        files = [(path, path.stat()) for path in self._folder.iterdir()]
        size = sum(stat.st_size for _, stat in files)
        for path, stat in sorted(files, key=lambda each: each[1].st_mtime):
            if size + needed <= self._disk:
                return
            path.unlink(missing_ok=True)
            size -= stat.st_size


def _key(synthesizer: Synthesizer, text: str, language: str) -> str:
    return hashlib.sha256(f"{synthesizer.identity}\0{language}\0{text}".encode()).hexdigest()
