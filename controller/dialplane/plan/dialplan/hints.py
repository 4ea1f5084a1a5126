"""Hints: what busy lamps subscribe to.

10,000 hint lines make a reload take 8 to 10 seconds, a pattern costs nothing (facts). So there is one pattern for all
numbers of one length and first digit; a number in it that nobody has is a lamp that stays dark.
"""

from itertools import groupby
from operator import itemgetter

from dialplane.plan.dialplan.contexts import HINTS
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site


def hints(site: Site) -> DialplanContext:
    """The context that phones subscribe in (`subscribe_context`)."""
    numbers = sorted(spec.number for _, spec in site.extensions)
    of_length = {length: [n for n in numbers if len(n) == length] for length in set(map(len, numbers))}
    alike: dict[tuple[int, str], list[str]] = {
        (length, digit): list(group) for length, of in of_length.items() for digit, group in groupby(of, itemgetter(0))
    }
    key = site.asterisk_key
    entries = [DialplanEntry(_pattern(numbers), "hint", _device(numbers), "", key) for numbers in alike.values()]
    return DialplanContext(HINTS, (), tuple(sorted(entries, key=lambda e: e.extension)), key)


def _pattern(numbers: list[str]) -> str:
    if len(numbers) == 1:
        return numbers[0]
    first, last = numbers[0], numbers[-1]  # sorted: what these two begin with, all between them do
    differing = next(index for index, (one, other) in enumerate(zip(first, last, strict=True)) if one != other)
    return f"_{first[:differing]}{'X' * (len(first) - differing)}"


def _device(numbers: list[str]) -> str:
    """What the lamp watches. Only in a pattern is `${EXTEN}` kept: elsewhere Asterisk replaces it while it loads."""
    return f"PJSIP/{numbers[0]}" if len(numbers) == 1 else "PJSIP/${EXTEN}"
