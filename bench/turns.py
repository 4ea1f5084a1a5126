"""How well turns are taken: false stops by the bot's own echo, how soon a caller is heard, which ends are cut.

`python -m bench.turns` measures, with voices of flite over a simulated telephone line, and prints two tables. Times are
of the audio, so they are the same on any machine; the processor time is this one's.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dialplane.services.voicebot.speech.contract import FRAME_SECONDS, RATE
from dialplane.services.voicebot.turns.detector import TurnDetector
from dialplane.services.voicebot.turns.events import SpeechBegan, SpeechEnded
from dialplane.services.voicebot.turns.settings import TurnSettings
from testbed.voices import spoken

SENTENCES: Final = (
    "I would like to speak to an operator",
    "My account number is four seven one nine two",
    "Please transfer me to the sales department",
    "Yes that is right",
    "No thank you",
    "Can I change my appointment to next Tuesday",
    "What are your opening hours",
    "Support please",
    "I have a question about my invoice",
    "Tomorrow at half past nine",
)
CALLERS: Final = ("slt", "awb", "kal16")
BOT: Final = "rms"
PROMPT: Final = (
    "Welcome to the example company. For sales, say sales. For support, say support. If you know the extension of the "
    "person that you want to reach, say its three digits now. You can also press the keys of your telephone at any "
    "time. Our office is open from eight in the morning until six in the evening, from Monday to Friday."
)
LEVEL: Final = 2300.0
"""Of both voices: 23 dB below the loudest."""
ECHOES: Final = (
    (None, 0.0), (30, 0.06), (20, 0.02), (20, 0.06), (20, 0.15), (20, 0.3), (12, 0.06), (12, 0.15),
)  # fmt: skip
"""Return loss in dB, and delay in seconds."""
NOISES: Final = (25, 15)
"""Decibels below the caller."""
BEGINS: Final = 2.0
"""Second in which a caller begins."""
ALONE: Final = 10.0
"""Seconds that the bot speaks without a caller."""
HANGOVERS: Final = (0.3, 0.5, 0.7)
GOALS: Final = "20 dB: at most 1 false stop in 30, p50 ≤ 130 ms, p90 ≤ 230 ms"

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One caller on one line."""

    caller: list[bytes]
    bot: list[bytes]
    begins: float
    """The first sound of what is said that a telephone carries."""
    ends: float


@dataclass
class Stops:
    """How the bot was stopped in a number of cases."""

    false: int = 0
    missed: int = 0
    alone: int = 0
    seconds: list[float] = field(default_factory=list)
    """From the caller's first sound."""


def utterances() -> Iterator[tuple[int, Samples]]:
    """Yield what the callers say, with a seed for each."""
    for seed, (voice, text) in enumerate((voice, text) for voice in CALLERS for text in SENTENCES):
        yield seed, spoken_at_level(text, voice)


@cache
def spoken_at_level(text: str, voice: str) -> Samples:
    """Return a text in a voice at the usual level."""
    sound = np.frombuffer(spoken(text, voice), "<i2").astype(np.float64)
    return sound * LEVEL / level(sound)


def level(sound: Samples) -> float:
    """Return the effective value of what is loud."""
    power = (sound[: len(sound) // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1)
    return float(np.sqrt(power[power > power.max() / 1000].mean()))


def band(sound: Samples) -> Samples:
    """Return what a telephone carries of it: 300 to 3,400 Hz."""
    spectrum, hertz = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0  # noqa: PLR2004
    return np.fft.irfft(spectrum, len(sound))


def mu_law(sound: Samples) -> Samples:
    """Return it as G.711's µ-law has it."""
    clipped = np.clip(sound / 32_768, -1, 1)
    code = np.round(np.sign(clipped) * np.log1p(255 * np.abs(clipped)) / np.log(256) * 127) / 127
    line: Samples = np.sign(code) * (256.0 ** np.abs(code) - 1) / 255 * 32_768
    return line


def echo(bot: Samples, loss: float, delay: float, random: np.random.Generator) -> Samples:
    """Return what comes back of the bot's voice from a small room."""
    room = random.standard_normal(1600) * np.exp(-np.arange(1600) / (0.012 * RATE))
    room[0] += 3
    reflected = np.convolve(mu_law(band(bot)), room)[: len(bot)]
    reflected *= level(bot) / level(reflected) * 10 ** (-loss / 20)
    late = np.zeros(round(delay * RATE))
    return np.concatenate([late, reflected])[: len(bot)]


def case(seed: int, caller: Samples, begins: float, ends: float, path: tuple[float | None, float], snr: float) -> Case:
    """Return a caller who says something in the middle of what the bot says."""
    random = np.random.default_rng(seed)
    length = int((begins + ends) / FRAME_SECONDS) * 320 + len(caller) // 320 * 320
    prompt = spoken_at_level(PROMPT, BOT)
    bot = np.roll(np.tile(prompt, 2 + length // len(prompt)), -(seed * 7777 % len(prompt)))[:length]
    line = np.zeros(length)
    start = round(begins * RATE)
    line[start : start + len(caller)] += caller[: length - start]
    loss, delay = path
    if loss is not None:
        line += echo(bot, loss, delay, random)
    line += random.standard_normal(length) * LEVEL * 10 ** (-snr / 20)
    first, last = begins, begins
    if len(caller):
        power = (band(caller)[: len(caller) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
        loud = np.flatnonzero(power > power.max() / 1000)
        first, last = begins + float(loud[0]) / 100, begins + float(loud[-1] + 1) / 100
    return Case(frames(mu_law(band(line))), frames(bot), first, last)


def frames(sound: Samples) -> list[bytes]:
    """Return audio in frames of 20 ms."""
    audio = np.clip(np.rint(sound), -32_768, 32_767).astype("<i2").tobytes()
    return [audio[at : at + 640] for at in range(0, len(audio) // 640 * 640, 640)]


def first_turn(each: Case) -> float | None:
    """Return the second in which the bot would fall silent."""
    detector = TurnDetector()
    for caller, bot in zip(each.caller, each.bot, strict=True):
        if any(isinstance(event, SpeechBegan) for event in detector.hear(caller, bot)):
            return detector.seconds
    return None


def stops(path: tuple[float | None, float], snr: float) -> Stops:
    """Return how the bot is stopped by thirty callers, and by none."""
    result = Stops()
    for seed, caller in utterances():
        each = case(seed, caller, BEGINS, 1.0, path, snr)
        stopped = first_turn(each)
        if stopped is None:
            result.missed += 1
        elif stopped < each.begins:
            result.false += 1
        else:
            result.seconds.append(stopped - each.begins)
        result.alone += first_turn(case(seed + 100, np.zeros(0), ALONE, 0.0, path, snr)) is not None
    return result


def ends(hangover: float, snr: float) -> tuple[int, list[float]]:
    """Return how many of thirty answers are cut, and how long after the others their end is known."""
    cut, seconds = 0, list[float]()
    for seed, caller in utterances():
        each = case(seed, caller, BEGINS, 2.0, (None, 0.0), snr)
        detector = TurnDetector(TurnSettings(end_of_turn_seconds=hangover))
        known = None
        for frame in each.caller:
            ended = any(isinstance(event, SpeechEnded) for event in detector.hear(frame, None))
            if ended and known is None and detector.seconds > each.begins:
                known = detector.seconds
        if known is None or known < each.ends:
            cut += 1
        else:
            seconds.append(known - each.ends)
    return cut, seconds


def frame_cost() -> float:
    """Return the seconds of processor time of one frame while the bot speaks."""
    each = case(0, spoken_at_level(SENTENCES[0], CALLERS[0]), BEGINS, ALONE, (20, 0.06), 25)
    detector, began = TurnDetector(), time.process_time()
    for caller, bot in zip(each.caller, each.bot, strict=True):
        detector.hear(caller, bot)
    return (time.process_time() - began) / len(each.caller)


def milliseconds(seconds: list[float]) -> str:
    """Return the 50th and the 90th percentile."""
    return " / ".join(f"{np.percentile(seconds, each) * 1000:.0f}" for each in (50, 90)) if seconds else "-"


def report() -> Iterator[str]:
    """Yield the lines of both tables as they are measured."""
    yield f"Goal: {GOALS}. Each row: 30 callers, and 30 times {ALONE:.0f} s of the bot alone."
    yield ""
    yield "| echo | delay | SNR | false stops | stops by the bot alone | missed | first sound to stop, p50 / p90 ms |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for snr in NOISES:
        for path in ECHOES:
            row = stops(path, snr)
            loss = "none" if path[0] is None else f"{path[0]} dB"
            counts = f"{row.false} | {row.alone} | {row.missed} | {milliseconds(row.seconds)}"
            yield f"| {loss} | {path[1] * 1000:.0f} ms | {snr} dB | {counts} |"
    yield ""
    yield "| hangover | SNR | answers cut | last sound to end, p50 / p90 ms |"
    yield "| ---: | ---: | ---: | ---: |"
    for snr in NOISES:
        for hangover in HANGOVERS:
            cut, seconds = ends(hangover, snr)
            yield f"| {hangover * 1000:.0f} ms | {snr} dB | {cut} | {milliseconds(seconds)} |"
    yield ""
    yield f"Processor time of a frame: {frame_cost() * 1e6:.0f} µs of 20,000."


if __name__ == "__main__":
    for line in report():
        print(line, flush=True)  # noqa: T201
