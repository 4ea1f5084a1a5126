"""Asterisk's own reading of a configuration file, written anew from `main/config.c` as an independent judge.

It knows what the renderer must never be tricked into: sections, templates, directives, comments, block comments,
appended values. It shares no code with the renderer.
"""

from dataclasses import dataclass
from functools import lru_cache

_BLANKS_OR_CONTROLS = "".join(map(chr, range(33)))


@dataclass(frozen=True)
class Line:
    section: str
    name: str
    value: str


@dataclass(frozen=True)
class Reading:
    lines: tuple[Line, ...]
    sections: tuple[str, ...]
    directives: tuple[str, ...]
    comments: int
    """Comments that do not begin their line: a value that was cut."""


@lru_cache(512)
def read(text: str) -> Reading:
    lines: list[Line] = []
    sections: list[str] = []
    directives: list[str] = []
    cut = 0
    in_block = False
    section = ""
    for raw in text.encode("utf-8", "surrogateescape").split(b"\n"):
        content, in_block, commented = _without_comment(raw.decode("latin-1"), in_block=in_block)
        stripped = content.strip(_BLANKS_OR_CONTROLS)
        cut += commented and bool(stripped)
        if not stripped:
            continue
        if stripped[0] == "[":
            section = stripped
            sections.append(stripped)
        elif stripped[0] == "#":
            directives.append(stripped)
        else:
            name, _, value = stripped.partition("=")
            lines.append(Line(section, name.strip(), value.removeprefix(">").strip(_BLANKS_OR_CONTROLS)))
    return Reading(tuple(lines), tuple(sections), tuple(directives), cut)


def caller_id(value: str) -> tuple[str, str]:
    """Name and number of a `callerid`, after `ast_callerid_parse` of `main/callerid.c`; bytes as latin-1."""
    text = _unquoted(value.strip(_BLANKS))
    place = text.rfind("<")
    if place < 0:
        return text, ""
    name, number = text[:place], text[place + 1 :]
    end = number.rfind(">")
    shown = ""
    escaped = False
    for character in _unquoted(name.strip(_BLANKS)):
        if character == "\\" and not escaped:
            escaped = True
        else:
            shown += character
            escaped = False
    return shown[:79], number[:end] if end >= 0 else number


def mailbox(value: str) -> list[str]:
    """PIN, name, e-mail address, pager and options of a mailbox, after `append_mailbox` of `apps/app_voicemail.c`."""
    return value.split(",", 4)


_BLANKS = "".join(map(chr, range(1, 33)))


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _without_comment(line: str, *, in_block: bool) -> tuple[str, bool, bool]:
    out = ""
    index = 0
    commented = False
    while index < len(line):
        if in_block:
            end = line.find("--;", index)
            if end < 0:
                return out, True, commented
            index, in_block = end + 3, False
            continue
        if line[index] == ";":
            if out.endswith("\\"):
                out = out[:-1] + ";"
                index += 1
                continue
            commented = True
            if line[index : index + 3] == ";--" and line[index + 3 : index + 4] != "-":
                in_block = True
                index += 3
                continue
            return out, in_block, commented
        out += line[index]
        index += 1
    return out, in_block, commented
