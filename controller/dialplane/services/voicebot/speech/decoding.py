"""One answer decoded by pocketsphinx while it is spoken. Runs in a worker process."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import log
from typing import Any, Final, Self

from pocketsphinx import Decoder

from dialplane.services.voicebot.speech.contract import RATE
from dialplane.services.voicebot.speech.pronunciation import MODEL, pronunciations
from dialplane.services.voicebot.speech.rejection import ACCEPTED, Segment, confidence_of

PHONE_MODEL: Final = MODEL.parent / "en-us-phone.lm.bin"
LONGEST: Final = 60 * 2 * RATE
"""Bytes of an answer."""
TELEPHONE: Final = "42.7,26.8,-57.5,33.0,-27.8,-28.4,13.6,-44.7,-5.3,-9.5,-31.9,5.5,-22.0"
"""The mean cepstrum of speech over telephones: what is assumed of a line before it is known."""
_LEAST: Final = 1e-300
# All sounds of the model are scored in each frame, so that the scores of two decoders are on one scale.
_SHARED: Final[Mapping[str, Any]] = {
    "hmm": str(MODEL),
    "samprate": RATE,
    "compallsen": True,
    "loglevel": "FATAL",
    "logfn": os.devnull,
}
BETWEEN_PARTIALS: Final = RATE * 2 // 10
"""Bytes of audio after which it is asked what was understood: 0.1 s."""


class AnswerDecoder:
    """Hears one answer: while it is spoken, and once more as a whole, when its loudness and line are known."""

    def __init__(self, decoder: Decoder) -> None:
        """Begin to hear with a decoder that knows the answers."""
        self._decoder = decoder
        self._audio = bytearray()
        self._partial = ""
        self._unasked = 0
        decoder.set_cmn(TELEPHONE)
        decoder.start_utt()

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Self:
        """Return one for a request: its arcs, start, end, and where flite is.

        Raises:
            SpeechError: a word of it cannot be spoken.
        """
        arcs: Sequence[tuple[int, int, str, float]] = request["arcs"]
        words = sorted({word for _, _, word, _ in arcs if word})
        decoder = _decoder({word: pronunciations(word, request["flite"]) for word in words})
        graph = decoder.create_fsg(
            "answer",
            request["start"],
            request["end"],
            [(begin, end, likely, word) if word else (begin, end, likely) for begin, end, word, likely in arcs],
        )
        decoder.add_fsg("answer", graph)
        decoder.activate_search("answer")
        return cls(decoder)

    def hear(self, audio: bytes) -> str | None:
        """Take some audio; return what was understood so far where that is new; what is over `LONGEST` is dropped."""
        audio = audio[: LONGEST - len(self._audio)]
        self._audio += audio
        self._decoder.process_raw(audio, no_search=False, full_utt=False)
        self._unasked += len(audio)
        if self._unasked < BETWEEN_PARTIALS:
            return None
        self._unasked = 0
        if (partial := _heard(self._decoder)) == self._partial:
            return None
        self._partial = partial
        return partial

    def finish(self) -> dict[str, Any]:
        """End the answer, and return its `text`, empty where it is none that was expected, and its `confidence`."""
        self._decoder.end_utt()
        if not self._audio:
            return {"text": "", "confidence": None}
        audio = bytes(self._audio)
        _decode(self._decoder, audio)
        text = _heard(self._decoder)
        if not text:
            return {"text": "", "confidence": 0.0}
        confidence = confidence_of(_segments(self._decoder), PhoneLoop.shared().segments(audio))
        return {"text": text if confidence >= ACCEPTED else "", "confidence": round(confidence, 2)}


class PhoneLoop:
    """Hears any speech as phones; one for a process."""

    def __init__(self) -> None:
        """Load it: 0.1 s."""
        self._decoder = Decoder(
            lm=None, allphone=str(PHONE_MODEL), beam=1e-20, pbeam=1e-20, lw=2.0, allphone_ci=True, **_SHARED
        )

    @classmethod
    @cache
    def shared(cls) -> Self:
        """Return the process's own."""
        return cls()

    def segments(self, audio: bytes) -> tuple[Segment, ...]:
        """Return the phones of some audio."""
        _decode(self._decoder, audio)
        return _segments(self._decoder)


def _decode(decoder: Decoder, audio: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(audio, no_search=False, full_utt=True)
    decoder.end_utt()


def _heard(decoder: Decoder) -> str:
    best = decoder.hyp()
    return best.hypstr if best is not None else ""


def _segments(decoder: Decoder) -> tuple[Segment, ...]:
    if decoder.hyp() is None:
        return ()
    return tuple(
        Segment(each.word, each.start_frame, each.end_frame, log(max(each.ascore, _LEAST)))
        for each in decoder.seg()
        if each.end_frame >= each.start_frame
    )


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
            lm=None,
            dict=f"/proc/self/fd/{dictionary}",
            # Wide: the graph is small, and a narrow search loses short words for good.
            beam=1e-70,
            pbeam=1e-70,
            wbeam=1e-50,
            wip=0.1,
            lw=3.0,
            # With it, the end of an answer need not be an end of the graph.
            bestpath=False,
            **_SHARED,
        )
    finally:
        os.close(dictionary)
