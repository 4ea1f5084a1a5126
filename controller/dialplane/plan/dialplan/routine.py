"""Routines: the parts of the dialplan that are the same at every site, and never change under a call.

A routine is written as dialplan, one application to a line, `label:` before a line that is jumped to. Two things are
resolved here: `<argument>` becomes `${ARG1}`, `${ARG2}`, … and `<routine>` the context of another routine. The name of
the context ends in `_`, which no name in a manifest may hold, and a hash of the resolved text. So an upgrade adds
contexts and leaves the old ones alone until no call is in them (`retained.py`): a call ends in the text it began with.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from dialplane.plan.dialplan.contexts import entry
from dialplane.plan.escape import Unrenderable, argument
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.resources.key import Key

ARGUMENT_LIMIT = 4_000
"""Characters that one `${ARGn}` may hold: Asterisk's expansion stops silently at 4,095."""

_STEP = re.compile(r"(?:(?P<label>[a-z]+):)?\s*(?P<application>[A-Za-z]+)\((?P<arguments>.*)\)")
_NAME = re.compile(r"<([a-z_]+)>")


class Trusted(str):
    """An argument written by Dialplane itself, which may expand something or separate values with `&` or `:`."""

    __slots__ = ()


def listed(values: Iterable[str], separator: str = "&") -> Trusted:
    """Several values in one argument; raises Unrenderable if one of them holds the separator."""
    checked = [argument(value) for value in values]
    if any(separator in value for value in checked):
        raise Unrenderable(f"holds {separator!r}, which separates values in the dialplan")
    return Trusted(separator.join(checked))


@dataclass(frozen=True, slots=True)
class Routine:
    """One versioned routine; make it with `routine`."""

    name: str
    arguments: tuple[str, ...]
    steps: tuple[tuple[str, str, str], ...]
    """Label (or empty), application and its arguments."""
    context: str
    calls: tuple["Routine", ...] = field(repr=False)
    overdue: str = ""
    """The label at which a call goes on whose absolute time limit is over; empty: it ends then."""

    def gosub(self, *arguments: str) -> str:
        """The arguments of a `Gosub()` into this routine; what is not `Trusted` is checked.

        Raises:
            Unrenderable: an argument could be read as something else, or is too long to be expanded.
        """
        if len(arguments) != len(self.arguments):
            raise TypeError(f"{self.name} takes {len(self.arguments)} arguments, not {len(arguments)}")
        checked = [a if isinstance(a, Trusted) else argument(a) for a in arguments]
        if any(len(text) > ARGUMENT_LIMIT for text in checked):
            raise Unrenderable(f"is longer than the {ARGUMENT_LIMIT} characters Asterisk expands")
        return f"{self.context},s,1({','.join(checked)})"

    def entry(self, extension: str, owner: Key, *arguments: str) -> DialplanEntry:
        """The one priority that sends `extension` into this routine."""
        return entry(extension, "Gosub", self.gosub(*arguments), owner)

    def rendered(self, owner: Key) -> DialplanContext:
        """The routine as a context: extension `s`, priorities 1 to n; `T` where it minds the time limit."""
        steps = enumerate(self.steps, start=1)
        entries = [DialplanEntry("s", number, app, args, owner, label) for number, (label, app, args) in steps]
        if self.overdue:
            entries.append(DialplanEntry("T", 1, "Goto", f"s,{self.overdue}", owner))
        return DialplanContext(self.context, (), tuple(entries), owner)


def routine(
    name: str, arguments: tuple[str, ...], text: str, calls: tuple[Routine, ...] = (), overdue: str = ""
) -> Routine:
    """Read a routine as it is written in this package; a mistake in it is a ValueError at import."""
    names = {each: f"${{ARG{number}}}" for number, each in enumerate(arguments, start=1)}
    names |= {each.name: each.context for each in calls}
    steps = []
    for line in filter(None, map(str.strip, text.splitlines())):
        found = _STEP.fullmatch(line)
        if found is None:
            raise ValueError(f"routine {name}: cannot read {line!r}")
        try:
            resolved = _NAME.sub(lambda match: names[match[1]], found["arguments"])
        except KeyError as error:
            raise ValueError(f"routine {name}: {error} is neither an argument nor a routine") from error
        steps.append((found["label"] or "", found["application"], resolved))
    if overdue and overdue not in {label for label, _, _ in steps}:
        raise ValueError(f"routine {name}: no line has the label {overdue!r}")
    marked = [*map(repr, steps), *([overdue] if overdue else ())]
    digest = sha256("\n".join(marked).encode()).hexdigest()[:8]
    return Routine(name, arguments, tuple(steps), f"dp-{name.replace('_', '-')}_{digest}", calls, overdue)
