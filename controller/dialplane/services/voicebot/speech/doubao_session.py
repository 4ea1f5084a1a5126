"""One call of Volcengine's realtime dialogue: its events as the call's, and what is sent to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from dialplane.services.voicebot.speech.contract import (
    FRAME_BYTES,
    CallerBegan,
    ModelChose,
    ModelSpoke,
    ModelTurnEnded,
    RealtimeEvent,
    SaidText,
    SpeechError,
    SpeechFault,
)
from dialplane.services.voicebot.speech.doubao_frames import (
    DoubaoEvent,
    DoubaoFrame,
    FrameError,
    FrameKind,
    audio_frame,
    event_frame,
    parse_frame,
)
from dialplane.services.voicebot.speech.provider import LEAST_SECONDS, PaidProvider, ProviderLimits
from dialplane.services.voicebot.speech.provider_socket import ProviderSocket, ProviderSockets
from dialplane.services.voicebot.speech.resampling import MODEL_RATE, Resampler

_WANTS_TO_GO: Final = "20000002"
"""`status_code` of `TTSEnded`: the caller has said goodbye."""
_WORDS: Final[Mapping[SpeechFault, tuple[str, ...]]] = {
    SpeechFault.QUOTA: ("quota", "exceed", "limit", "too many", "concurren"),
    SpeechFault.REFUSED: ("auth", "permission", "grant", "token", "access key", "appid"),
    SpeechFault.UNSUPPORTED: ("speaker", "model", "invalid"),
}
"""What their reasons, which are words, have in them; the first that fits counts."""
_CODES: Final[Mapping[int, SpeechFault]] = {42000020: SpeechFault.UNSUPPORTED, 45000003: SpeechFault.TIMEOUT}
_SERVERS_FAULTS: Final = range(50_000_000, 60_000_000)
_BYTES_PER_MS: Final = MODEL_RATE * 2 // 1000


class DoubaoSession:
    """A session that has begun; implements `contract.RealtimeSession`."""

    def __init__(
        self,
        socket: ProviderSocket,
        sockets: ProviderSockets,
        limits: ProviderLimits,
        session: str,
        *,
        truncates: bool,
    ) -> None:
        """Speak over an open socket.

        Args:
            socket: a session with its settings.
            sockets: where it is closed.
            limits: for the model's answers.
            session: its id.
            truncates: whether the model can forget what was not heard.
        """
        self._socket, self._sockets, self._limits = socket, sockets, limits
        self._session, self._truncates = session, truncates
        self._frame = bytearray()
        self._downward = Resampler.from_model()
        self._turn = 0
        self._item = ""
        self._replies: set[str] = set()
        """Utterances by their ids there; others are named after the turn, and cannot be shortened."""
        self._item_bytes: dict[str, int] = {}
        self._cut: set[str] = set()
        self._sentences: list[str] = []
        self._caller_said = ""
        self._deadline: float | None = None
        self._closed = False
        self._takers: Mapping[int, Callable[[DoubaoFrame], Iterable[RealtimeEvent]]] = {
            DoubaoEvent.ASR_INFO: self._caller_began,
            DoubaoEvent.ASR_RESPONSE: self._recognized,
            DoubaoEvent.ASR_ENDED: self._caller_ended,
            DoubaoEvent.TTS_SENTENCE_START: self._sentence_began,
            DoubaoEvent.TTS_RESPONSE: self._spoke,
            DoubaoEvent.TTS_ENDED: self._spoke_all,
            DoubaoEvent.DIALOG_COMMON_ERROR: self._failed,
        }

    def say(self, words: str) -> None:
        """Have the model say these words."""
        self._send(DoubaoEvent.SAY_HELLO, content=words)
        self._expect(self._limits.answer_seconds)

    def write(self, audio: bytes) -> None:
        """See `RealtimeSession.write`."""
        self._frame += audio
        while len(self._frame) >= FRAME_BYTES:
            self._socket.send(audio_frame(bytes(self._frame[:FRAME_BYTES]), self._session))
            del self._frame[:FRAME_BYTES]

    async def events(self) -> AsyncIterator[RealtimeEvent]:
        """See `RealtimeSession.events`."""
        while (frame := await self._next()) is not None:
            take = self._takers.get(frame.event)
            try:
                taken = tuple(take(frame)) if take is not None else ()
            except (FrameError, KeyError, TypeError, AttributeError, IndexError):
                raise self._socket.provider.error(SpeechFault.GARBLED, "an event without its fields") from None
            for event in taken:
                yield event

    async def heard(self, item: str, seconds: float) -> None:
        """See `RealtimeSession.heard`."""
        items = list(self._item_bytes)
        self._cut |= {item, *(items[items.index(item) :] if item in self._item_bytes else [])}
        milliseconds = min(int(seconds * 1000), self._item_bytes.get(item, 0) // _BYTES_PER_MS)
        if self._truncates and item in self._replies:
            self._send(DoubaoEvent.CONVERSATION_TRUNCATE, item_id=item, audio_end_ms=milliseconds)

    async def close(self) -> None:
        """See `RealtimeSession.close`."""
        if not self._closed:
            self._closed = True
            self._send(DoubaoEvent.FINISH_SESSION)
            self._socket.send(event_frame(DoubaoEvent.FINISH_CONNECTION, {}))
            self._sockets.end(self._socket)

    async def _next(self) -> DoubaoFrame | None:
        now = asyncio.get_running_loop().time()
        seconds = None if self._deadline is None else max(LEAST_SECONDS, self._deadline - now)
        try:
            return frame_of(self._socket.provider, await self._socket.receive(seconds))
        except SpeechError as error:
            if self._closed:
                return None
            if error.fault is SpeechFault.TIMEOUT and seconds is not None:
                raise self._socket.provider.error(SpeechFault.TIMEOUT, "the model says nothing") from None
            raise

    def _caller_began(self, _frame: DoubaoFrame) -> Iterable[RealtimeEvent]:
        self._deadline, self._caller_said = None, ""
        return [CallerBegan(), *self._said()]

    def _recognized(self, frame: DoubaoFrame) -> Iterable[RealtimeEvent]:
        for result in frame.values["results"]:
            self._caller_said = str(result["text"]).strip()
        return ()

    def _caller_ended(self, _frame: DoubaoFrame) -> Iterable[RealtimeEvent]:
        self._turn += 1
        self._expect(self._limits.answer_seconds)
        text, self._caller_said = self._caller_said, ""
        return [SaidText("caller", text)] if text else ()

    def _sentence_began(self, frame: DoubaoFrame) -> Iterable[RealtimeEvent]:
        values = frame.values
        reply = values.get("reply_id")
        item = str(reply or f"turn {self._turn}")
        self._replies |= {item} if reply else set()
        if item != self._item:
            self._item, self._downward = item, Resampler.from_model()
        self._item_bytes.setdefault(item, 0)
        self._sentences.append(str(values.get("text") or "").strip())
        return ()

    def _spoke(self, frame: DoubaoFrame) -> Iterable[RealtimeEvent]:
        self._expect(self._limits.end_seconds)
        self._item_bytes[self._item] = self._item_bytes.get(self._item, 0) + len(frame.payload)
        return self._spoken(self._downward.resample(frame.payload))

    def _spoke_all(self, frame: DoubaoFrame) -> Iterable[RealtimeEvent]:
        self._deadline = None
        tail, self._downward = self._downward.resample(b"", last=True), Resampler.from_model()
        leaves = str(frame.values.get("status_code")) == _WANTS_TO_GO
        return [*self._spoken(tail), *self._said(), ModelChose("hangup") if leaves else ModelTurnEnded()]

    def _spoken(self, audio: bytes) -> Iterable[RealtimeEvent]:
        return [ModelSpoke(audio, self._item)] if audio and self._item not in self._cut else ()

    def _said(self) -> Iterable[RealtimeEvent]:
        text, self._sentences = " ".join(filter(None, self._sentences)), []
        return [SaidText("bot", text)] if text else ()

    def _failed(self, frame: DoubaoFrame) -> Iterable[RealtimeEvent]:
        code = int(str(frame.values.get("status_code") or 0))
        if code in _SERVERS_FAULTS:
            raise self._socket.provider.error(SpeechFault.UNAVAILABLE, str(code))
        return ()

    def _expect(self, seconds: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + seconds

    def _send(self, event: DoubaoEvent, **values: Any) -> None:
        self._socket.send(event_frame(event, values, self._session))


def frame_of(provider: PaidProvider, message: str | bytes) -> DoubaoFrame:
    """Return the frame in a message.

    Raises:
        SpeechError: it is none, or says that all is over.
    """
    try:
        frame = parse_frame(message.encode() if isinstance(message, str) else message)
        if frame.kind is FrameKind.ERROR:
            raise provider.error(_fault_of_code(frame.code), str(frame.code))
        if frame.event in {DoubaoEvent.CONNECTION_FAILED, DoubaoEvent.SESSION_FAILED}:
            raise provider.error(_fault_of_words(str(frame.values.get("error"))))
    except FrameError:
        raise provider.error(SpeechFault.GARBLED, "no frame") from None
    return frame


def _fault_of_code(code: int) -> SpeechFault:
    return _CODES.get(code, SpeechFault.UNAVAILABLE if code in _SERVERS_FAULTS else SpeechFault.UNSUPPORTED)


def _fault_of_words(reason: str) -> SpeechFault:
    for fault, words in _WORDS.items():
        if any(word in reason.lower() for word in words):
            return fault
    return SpeechFault.UNAVAILABLE
