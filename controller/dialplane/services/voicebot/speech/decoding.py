"""One answer decoded by pocketsphinx while it is spoken. Runs in a worker process."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

from pocketsphinx import Decoder

from dialplane.services.voicebot.speech.contract import RATE
from dialplane.services.voicebot.speech.pronunciation import MODEL, pronunciations

BETWEEN_PARTIALS: Final = RATE * 2 // 10
"""Bytes of audio after which it is asked what was understood: 0.1 s."""


class AnswerDecoder:
    """Hears one answer."""

    def __init__(self, decoder: Decoder) -> None:
        """Begin to hear with a decoder that knows the answers."""
        self._decoder = decoder
        self._partial = ""
        self._unasked = 0
        decoder.start_utt()

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """Return one for a request: its arcs, start, end, and where flite is.

        Raises:
            SpeechError: a word of it cannot be spoken.
        """
        arcs: Sequence[tuple[int, int, str]] = request["arcs"]
        words = sorted({word for _, _, word in arcs if word})
        decoder = _decoder({word: pronunciations(word, request["flite"]) for word in words})
        graph = decoder.create_fsg(
            "answer",
            request["start"],
            request["end"],
            [(begin, end, 1.0, word) if word else (begin, end, 1.0) for begin, end, word in arcs],
        )
        decoder.add_fsg("answer", graph)
        decoder.activate_search("answer")
        return cls(decoder)

    def hear(self, audio: bytes) -> str | None:
        """Take some audio; return what was understood so far where that is new."""
        self._decoder.process_raw(audio, no_search=False, full_utt=False)
        self._unasked += len(audio)
        if self._unasked < BETWEEN_PARTIALS:
            return None
        self._unasked = 0
        if (partial := self._heard()) == self._partial:
            return None
        self._partial = partial
        return partial

    def finish(self) -> dict[str, Any]:
        """End the answer, and return its `text`, empty where it is none that was expected, and its `confidence`."""
        self._decoder.end_utt()
        return {"text": self._heard(), "confidence": None}

    def _heard(self) -> str:
        best = self._decoder.hyp()
        return best.hypstr if best is not None else ""


def _decoder(words: Mapping[str, Iterable[str]]) -> Decoder:
    lines = [
        f"{word} {ways}" if number == 1 else f"{word}({number}) {ways}"
        for word, spoken in words.items()
        for number, ways in enumerate(spoken, 1)
    ]
    dictionary = os.memfd_create("dictionary")
    try:
        with os.fdopen(os.dup(dictionary), "w") as file:
            file.write("\n".join([*lines, ""]))
        return Decoder(
            hmm=str(MODEL),
            lm=None,
            dict=f"/proc/self/fd/{dictionary}",
            samprate=RATE,
            loglevel="FATAL",
            logfn=os.devnull,
        )
    finally:
        os.close(dictionary)
