"""Texts spoken by flite and espeak-ng, sentence by sentence. Runs in a worker process: it waits, and resamples.

A text goes to the program by standard input, never by its command line, which every user of the machine can read.
"""

import os
import subprocess
import threading
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Self

import numpy as np
import soxr

from dialplane.services.voicebot.speech.contract import RATE, SpeechError, SpeechFault

LIMIT: Final = 20.0
"""Seconds for one sentence; a long one takes 0.2 s of processor time."""
LOUDNESS: Final = 2_500.0
"""Of speech, as the root mean square of its samples: about -22 dB of the loudest, as in telephone networks."""
_PEAK: Final = 30_000.0
_LEAST_SPEECH: Final = 200.0
"""Samples below it are pauses."""


@dataclass
class SpokenText:
    """One text as it is spoken."""

    argv: Sequence[str]
    """The program; `OUTPUT` stands for where its WAV file goes."""
    sentences: Sequence[str]
    _process: "subprocess.Popen[bytes] | None" = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """Return what a request asks for."""
        return cls(request["argv"], request["sentences"])

    def audio(self) -> Iterator[bytes]:
        """Yield the audio of each sentence.

        Raises:
            SpeechError: the program does not serve.
        """
        for sentence in self.sentences:
            if self._stopped.is_set():
                return
            if audio := _normalised(self._run(sentence)):
                yield audio

    def stop(self) -> None:
        """End it, at once; from another thread."""
        self._stopped.set()
        if (process := self._process) is not None:
            process.kill()

    def _run(self, sentence: str) -> bytes:
        # These programs go back in their output to write its length, which a pipe does not let them.
        output = os.memfd_create("spoken")
        program = self.argv[0].rpartition("/")[2]
        try:
            argv = [f"/proc/self/fd/{output}" if each == "OUTPUT" else each for each in self.argv]
            self._process = process = subprocess.Popen(  # noqa: S603 -- the site's own program, no shell
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(output,),
            )
            if self._stopped.is_set():
                process.kill()
            try:
                _, errors = process.communicate(sentence.encode(), timeout=LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise SpeechError(SpeechFault.TIMEOUT, f"{program} did not speak within {LIMIT:g} s") from None
            if process.returncode != 0 and not self._stopped.is_set():
                why = errors.decode(errors="replace").strip().splitlines()[-1:] or [f"status {process.returncode}"]
                raise SpeechError(SpeechFault.UNAVAILABLE, f"{program} failed: {why[0]}")
            os.lseek(output, 0, os.SEEK_SET)
            with os.fdopen(os.dup(output), "rb") as spoken:
                return spoken.read()
        except OSError as error:
            raise SpeechError(SpeechFault.UNAVAILABLE, f"{program} does not run: {error.strerror}") from None
        finally:
            os.close(output)


def _normalised(file: bytes) -> bytes:
    """Return the audio of a WAV file at our rate and as loud as every other; empty where it says nothing."""
    if not file:
        return b""
    try:
        with wave.open(BytesIO(file), "rb") as recording:
            rate, channels, width = recording.getframerate(), recording.getnchannels(), recording.getsampwidth()
            samples = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2").astype(np.float32)
    except (wave.Error, EOFError, ValueError):
        raise SpeechError(SpeechFault.GARBLED, "the speaking program wrote no WAV file") from None
    if (channels, width) != (1, 2):
        raise SpeechError(SpeechFault.GARBLED, "the speaking program wrote no audio of one channel and 16 bit")
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE)
    speech = samples[np.abs(samples) > _LEAST_SPEECH]
    if not len(speech):
        return bytes(2 * len(samples))
    gain = min(LOUDNESS / float(np.sqrt(np.mean(speech**2))), _PEAK / float(np.abs(samples).max()))
    return bytes(np.rint(samples * gain).astype("<i2").tobytes())
