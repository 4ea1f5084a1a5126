"""The program of a worker process (`workers`): it takes jobs from standard input and answers on standard output.

Answers are decoded in its one thread, in the order in which their audio comes; a text is spoken by a program, which a
thread waits for. It ends when its input does, which is when its owner ends.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault
from dialplane.services.voicebot.speech.decoding import AnswerDecoder
from dialplane.services.voicebot.speech.speaking import SpokenText
from dialplane.services.voicebot.speech.worker_frames import HEADER, WorkerFrame, packed, packed_json

NICE: Final = 5
"""How much it steps back: media goes first."""


class SpeechWorkerProcess:
    """The jobs of one process."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        """Take frames from a source, and answer into a sink."""
        self._source, self._sink = source, sink
        self._lock = threading.Lock()
        self._answers: dict[int, AnswerDecoder] = {}
        self._texts: dict[int, SpokenText] = {}

    def run(self) -> None:
        """Serve until the input ends."""
        while len(header := self._source.read(HEADER.size)) == HEADER.size:
            length, job, kind = HEADER.unpack(header)
            payload = self._source.read(length)
            try:
                self._take(job, WorkerFrame(kind), payload)
            except SpeechError as error:
                self._fail(job, error)
            except Exception as error:  # noqa: BLE001 -- one job's failure is not that of the others
                # Its own words may hold what a caller said.
                self._fail(job, SpeechError(SpeechFault.UNAVAILABLE, f"speech failed: {type(error).__name__}"))
        for text in tuple(self._texts.values()):
            text.stop()

    def _take(self, job: int, kind: WorkerFrame, payload: bytes) -> None:
        match kind:
            case WorkerFrame.OPEN:
                self._open(job, json.loads(payload))
            case WorkerFrame.AUDIO if (answer := self._answers.get(job)) is not None:
                if (partial := answer.hear(payload)) is not None:
                    self._send(packed_json(job, WorkerFrame.PARTIAL, {"text": partial}))
            case WorkerFrame.FINISH if (answer := self._answers.pop(job, None)) is not None:
                self._send(packed_json(job, WorkerFrame.DONE, answer.finish()))
            case WorkerFrame.CLOSE:
                self._answers.pop(job, None)
                if (text := self._texts.pop(job, None)) is not None:
                    text.stop()
            case _:
                pass  # of a job that is over

    def _open(self, job: int, request: Mapping[str, Any]) -> None:
        match request["work"]:
            case "recognise":
                self._answers[job] = AnswerDecoder.of(request)
                self._send(packed_json(job, WorkerFrame.OPENED, {}))
            case "speak":
                text = self._texts[job] = SpokenText.of(request)
                self._send(packed_json(job, WorkerFrame.OPENED, {}))
                threading.Thread(target=self._speak, args=(job, text), daemon=True).start()
            case work:
                raise SpeechError(SpeechFault.UNSUPPORTED, f"a worker cannot {work}")

    def _speak(self, job: int, text: SpokenText) -> None:
        try:
            for audio in text.audio():
                self._send(packed(job, WorkerFrame.AUDIO, audio))
            self._send(packed_json(job, WorkerFrame.DONE, {}))
        except SpeechError as error:
            self._fail(job, error)
        except Exception as error:  # noqa: BLE001 -- as above
            self._fail(job, SpeechError(SpeechFault.UNAVAILABLE, f"speech failed: {type(error).__name__}"))
        finally:
            self._texts.pop(job, None)

    def _fail(self, job: int, error: SpeechError) -> None:
        self._answers.pop(job, None)
        self._send(packed_json(job, WorkerFrame.FAULT, {"fault": error.fault, "message": str(error)}))

    def _send(self, frame: bytes) -> None:
        with self._lock:
            self._sink.write(frame)
            self._sink.flush()


def main() -> None:
    """Run until the owner ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the owner's to heed
    os.nice(NICE)
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no frame
    SpeechWorkerProcess(sys.stdin.buffer, sink).run()


if __name__ == "__main__":
    main()
