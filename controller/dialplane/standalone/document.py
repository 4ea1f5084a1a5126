"""One file of YAML: its documents as plain values, with the line of every field.

Built from the parser's events, because what a reader of other people's files must guarantee sits below the usual
loaders: nothing is constructed but text, numbers, booleans, lists and mappings; depth, size and the growth through
aliases are bounded; a key that stands twice is an error; and every value knows its line.

The events are libyaml's: kubectl, Argo CD and Flux read with a port of it, so that what is one value to them is one
value here; and it is twenty times as fast as a parser in Python.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.error import Mark, MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from dialplane.standalone.scalars import doubt, resolve

DEPTH_LIMIT: Final = 32
"""Levels of lists and mappings; the deepest manifest has about ten."""
NODE_LIMIT: Final = 200_000
"""Values in one document, each alias counted as all that it stands for."""
TAGS: Final = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"}
INT_DIGITS: Final = 18

_MERGE: Final = "would merge another mapping, which is not done here: write its fields out in its place"
_TOKEN: Final = re.compile(r"[^.\[\]]+")


class BrokenYaml(ValueError):
    """The text is not YAML that we read: the user mends it at `line` (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in one field that cannot stand; the rest of the document is well."""

    line: int
    field: str
    word: str
    """What stands there: never shown where it may be a secret."""
    why: str

    @property
    def message(self) -> str:
        """For the user; names the word."""
        return f"{_shown(self.word)} {self.why}".strip()

    @property
    def discreet(self) -> str:
        """For the user, without the word."""
        return f"this value {self.why}"


@dataclass(frozen=True, slots=True)
class Lines:
    """The line (from 1) of a value, and of all that is in it."""

    line: int
    children: Mapping[str | int, "Lines"] = field(default_factory=dict)

    def at(self, path: str) -> int:
        """The line of a field path such as `spec.inbound[0].did`; of its nearest parent where it is missing."""
        here = self
        for token in _TOKEN.findall(path):
            child = here.children.get(token)
            if child is None and token.isdigit():
                child = here.children.get(int(token))
            if child is None:
                break
            here = child
        return here.line


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its value, where everything stands, and what is wrong with single fields."""

    value: Any
    lines: Lines
    flaws: tuple[Flaw, ...] = ()


@dataclass(frozen=True, slots=True)
class _Node:
    value: Any
    lines: Lines
    size: int


def documents(text: str) -> Iterator[Document]:
    """The documents of `text` in order; an empty one between `---` lines is left out.

    Raises:
        BrokenYaml: with the line and the cure, at the first thing that cannot be read.
    """
    try:
        events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        for event in events:
            if isinstance(event, DocumentStartEvent):
                composer = _Composer(events)
                node = composer.node(next(events), "", 0)
                if node.value is not None:
                    yield Document(node.value, node.lines, tuple(composer.flaws))
    except ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise BrokenYaml(
            line, f"the character {_codepoint(error.character)} may not stand in YAML: remove it"
        ) from None
    except MarkedYAMLError as error:
        raise _explained(error, text) from None
    except YAMLError as error:
        raise BrokenYaml(1, f"not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, BrokenYaml):
            raise
        raise BrokenYaml(1, f"not YAML: {' '.join(str(error).split())}") from None


class _Composer:
    """Turns the events of one document into values; a new one per document, since anchors end with it."""

    def __init__(self, events: Iterator[Event]) -> None:
        self.flaws: list[Flaw] = []
        self._events = events
        self._anchors: dict[str, _Node | None] = {}
        self._size = 0

    def node(self, event: Event, path: str, depth: int) -> _Node:
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            return self._alias(str(event.anchor), line)
        if not isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent):
            raise BrokenYaml(line, "not YAML: a value was expected")  # the parser's grammar has no other event here
        if depth > DEPTH_LIMIT:
            raise BrokenYaml(line, f"nested more than {DEPTH_LIMIT} levels deep: flatten it")
        if event.tag is not None and event.tag not in TAGS:
            raise BrokenYaml(line, f"the tag {_shown(event.tag)} is not read: remove it")
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, ScalarEvent):
            node = self._scalar(event, path, line)
        elif isinstance(event, MappingStartEvent):
            node = self._mapping(path, line, depth)
        else:
            node = self._sequence(path, line, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _count(self, size: int, line: int) -> None:
        self._size += size
        if self._size > NODE_LIMIT:
            raise BrokenYaml(line, f"more than {NODE_LIMIT:,} values in one document: split it, or use fewer aliases")

    def _alias(self, name: str, line: int) -> _Node:
        node = self._anchors.get(name)
        if node is None:
            why = "stands for a value that contains it" if name in self._anchors else "has no anchor before it"
            raise BrokenYaml(line, f"the alias *{_shown(name)} {why}: write the value out")
        self._count(node.size, line)
        return _Node(node.value, Lines(line), node.size)

    def _scalar(self, event: ScalarEvent, path: str, line: int) -> _Node:
        self._count(1, line)
        word: str = event.value
        if not event.implicit[0]:
            return _Node(word, Lines(line), 1)
        why = doubt(word)
        if why is None and word[:1] in "+-0123456789" and word.isascii() and len(word) > INT_DIGITS and _digits(word):
            why = "is a number that some YAML readers round"
        if why is not None:
            self.flaws.append(Flaw(line, path, word, f"{why}: quote it"))
            return _Node(word, Lines(line), 1)
        if word == "~":
            self.flaws.append(Flaw(line, path, word, "is null: quote it if text was meant, else leave the field out"))
        return _Node(resolve(word), Lines(line), 1)

    def _mapping(self, path: str, line: int, depth: int) -> _Node:
        before = self._size
        self._count(1, line)
        values: dict[str, Any] = {}
        lines: dict[str | int, Lines] = {}
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            at = event.start_mark.line + 1
            key = self._key(event, path, at)
            below = f"{path}.{key}" if path else key
            node = self.node(next(self._events), below, depth + 1)
            if key in values:
                self.flaws.append(
                    Flaw(at, below, key, f"is given twice, first in line {lines[key].line}: remove one of them")
                )
                continue
            values[key] = node.value
            lines[key] = Lines(at, node.lines.children)
        return _Node(values, Lines(line, lines), self._size - before)

    def _key(self, event: Event, path: str, line: int) -> str:
        if not isinstance(event, ScalarEvent):
            raise BrokenYaml(
                line, "a key must be a word, not a list, mapping or alias; a template ({{ … }}) must be rendered first"
            )
        if event.tag is not None and event.tag not in TAGS:
            raise BrokenYaml(line, f"the tag {_shown(event.tag)} is not read: remove it")
        self._count(1, line)
        key: str = event.value
        if event.implicit[0]:
            why = doubt(key)
            if why is None and not isinstance(resolve(key), str):
                why = "is not text"
            if why is not None:
                below = f"{path}.{key}" if path else key
                cure = _MERGE if key == "<<" else f"{why}: quote it"
                self.flaws.append(Flaw(line, below, f"the key {key}", cure))
        return key

    def _sequence(self, path: str, line: int, depth: int) -> _Node:
        before = self._size
        self._count(1, line)
        values: list[Any] = []
        lines: dict[str | int, Lines] = {}
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            index = len(values)
            node = self.node(event, f"{path}[{index}]", depth + 1)
            values.append(node.value)
            lines[index] = node.lines
        return _Node(values, Lines(line, lines), self._size - before)


_STRAY_COLON: Final = "a ':' where none may be: check the indentation, or quote text"
_OPEN_QUOTE: Final = "a quote that is opened here is never closed: close it"
_OPEN_BRACKET: Final = "a bracket that is opened here is never closed: close it"
_IN_BRACKETS: Final = "a list or mapping in brackets that is opened here goes wrong: check it"
_INDENTATION: Final = "the indentation does not fit the lines above: align it"
_CURES: Final = {
    "mapping values are not allowed in this context": _STRAY_COLON,
    "found unexpected end of stream": _OPEN_QUOTE,
    "found unexpected document indicator": _OPEN_QUOTE,
    "did not find expected ',' or ']'": _IN_BRACKETS,
    "did not find expected ',' or '}'": _IN_BRACKETS,
    "did not find expected key": _INDENTATION,
    "did not find expected '-' indicator": _INDENTATION,
    "could not find expected ':'": "a key without ':' after it: add it",
}
"""libyaml's words, and what to do about it."""


_CONFLICT: Final = re.compile(r"^(?:<{7} |>{7} |={7}$)", re.MULTILINE)
"""The lines that Git leaves in a file."""


def _explained(error: MarkedYAMLError, text: str) -> BrokenYaml:
    if unresolved := _CONFLICT.search(text):
        line = text.count("\n", 0, unresolved.start()) + 1
        return BrokenYaml(line, "broken YAML: a merge that nobody resolved: keep one side, without the lines of < = >")
    problem = " ".join(str(error.problem or error.context or "").split())
    mark: Mark | None = error.problem_mark or error.context_mark
    at = text[mark.index : mark.index + 1] if mark else ""
    cure = _CURES.get(problem)
    if "tab character" in problem or ("cannot start any token" in problem and at == "\t"):
        cure = "a tab: indent with spaces"
    elif "cannot start any token" in problem and at:
        cure = f"text may not start with {_shown(at)}: quote it"
    if cure is _IN_BRACKETS and not at:
        cure = _OPEN_BRACKET
    if error.context == "while parsing a flow node" and not at:  # nothing is said of where it was opened
        return BrokenYaml(text.rstrip().count("\n") + 1, f"broken YAML: {_OPEN_BRACKET}")
    if cure and "opened here" in cure:
        mark = error.context_mark or mark
    return BrokenYaml(mark.line + 1 if mark else 1, f"broken YAML: {cure or _shown(problem, 120)}")


def _digits(word: str) -> bool:
    return word.lstrip("+-").isdigit()


def _shown(word: str, limit: int = 40) -> str:
    """A word of the user's for a message: one line, short, printable."""
    clean = "".join(c if c.isprintable() else "?" for c in word)
    return clean if len(clean) <= limit else f"{clean[:limit]}…"


def _codepoint(character: Any) -> str:
    number = character if isinstance(character, int) else ord(str(character)[:1] or "\0")
    return f"U+{number:04X}"


def reads_alike(text: str) -> bool:
    """Whether `text` may stand unquoted in YAML and is text to every reader."""
    return doubt(text) is None and isinstance(resolve(text), str)
