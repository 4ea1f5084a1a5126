"""A diff as Markdown, for a comment of a pull request: never longer than the platforms take.

What matters most comes first and is cut last: the sum, new problems, the table of resources, then the lines of files.
Whatever is cut is counted, and named as far as that fits, too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dialplane.cli.comparison import Comparison, ResourceChange

LIMIT: Final = 60_000
"""Bytes of UTF-8: GitHub, Gitea and others take 65,536 characters, and who posts it may add some of their own."""
PROBLEMS_ROOM: Final = 10_000
TABLE_ROOM: Final = 20_000
NAMES_ROOM: Final = 10_000
FOOT_ROOM: Final = 4_000
"""For what names the files that are cut."""

FileLines = tuple[str, Sequence[str]]
"""A file's name, and the lines of its unified diff."""


def page(comparison: Comparison, needs: str, problems: Sequence[str], files: Sequence[FileLines]) -> str:
    """The whole comment; secrets are hidden already.

    Args:
        comparison: what differs.
        needs: what Asterisk needs for it, such as a reload.
        problems: those that the change brings.
        files: each file that differs.
    """
    head = ["### Dialplane", "", _sum(comparison.resources, needs) if not comparison.same else _NOTHING]
    whole = [*head, *_problems(problems), *_table(comparison.resources)]
    for name, lines in files:
        whole += _details(name, lines, _fence(lines))
    if _size(whole) > LIMIT:
        whole = [*head, *_cut(comparison.resources, problems, files, LIMIT - _size(head))]
    return "\n".join(whole) + "\n"


_NOTHING: Final = "Nothing changes in Asterisk."
_CUT: Final = "*Too long for a comment, so cut; `dialplane diff` without `-o markdown` shows all of it.*"


def _sum(changes: Sequence[ResourceChange], needs: str) -> str:
    counted = Counter(change.change for change in changes)
    kinds = ", ".join(f"{count} {change}" for change, count in sorted(counted.items()))
    resources = f"**{len(changes)} resource{'s' * (len(changes) != 1)}** change" + (f" ({kinds})" if kinds else "")
    return f"{resources}. Asterisk needs: {needs}."


def _problems(problems: Sequence[str], left: int = 0) -> list[str]:
    if not problems and not left:
        return []
    rest = [f"- and {left:,} more"] if left else []
    return ["", "**New problems** (these resources are left out):", "", *(_item(p) for p in problems), *rest]


def _item(problem: str) -> str:
    return f"- `{_cell(problem)}`"


def _table(changes: Sequence[ResourceChange]) -> list[str]:
    if not changes:
        return []
    return ["", "| | resource | in the running Asterisk |", "| --- | --- | --- |", *map(_row, changes)]


def _row(change: ResourceChange) -> str:
    return f"| {change.change} | `{_cell(str(change.key))}` | {_cell(change.effect)} |"


def _details(name: str, lines: Sequence[str], fence: str, left: int = 0) -> list[str]:
    rest = ["", f"… and {left:,} more lines"] if left else []
    opening = ["", f"<details><summary><code>{name}</code></summary>", "", f"{fence}diff"]
    return [*opening, *lines, fence, *rest, "", "</details>"]


def _fence(lines: Iterable[str]) -> str:
    """One that none of the lines ends."""
    return "`" * max(3, 1 + max((len(run) for line in lines for run in _ticks(line)), default=0))


def _cut(
    changes: Sequence[ResourceChange], problems: Sequence[str], files: Sequence[FileLines], room: int
) -> Iterator[str]:
    """All after the sum, in so many bytes."""
    rows, shown = _fitting(map(_row, changes), TABLE_ROOM), _fitting(map(_item, problems), PROBLEMS_ROOM)
    out = ["", _CUT, *_problems(problems[: len(shown)], len(problems) - len(shown))]
    out += _table(changes[: len(rows)])
    out += _named([f"`{_cell(str(change.key))}`" for change in changes[len(rows) :]], "more resources")
    room -= _size(out) + FOOT_ROOM
    left = []
    for number, (name, lines) in enumerate(files):
        fence = _fence(lines)
        share = room // (len(files) - number) - _size(_details(name, [], fence, len(lines)))
        some = _fitting(lines, share)
        if len(some) < len(lines):
            left.append(f"`{_cell(name)}`")
        if some:
            part = _details(name, some, fence, len(lines) - len(some))
            out += part
            room -= _size(part)
    yield from [*out, *_named(left, "of the files are cut", FOOT_ROOM - 200)]


def _named(names: Sequence[str], what: str, room: int = NAMES_ROOM) -> list[str]:
    if not names:
        return []
    shown = _fitting(names, room)
    rest = f", and {len(names) - len(shown):,} more" if len(shown) < len(names) else ""
    return ["", f"**{len(names):,} {what}**: {', '.join(shown)}{rest}"]


def _fitting(lines: Iterable[str], room: int) -> list[str]:
    """The first of the lines that fit into so many bytes, each with two for what parts it from the next."""
    taken = []
    for line in lines:
        room -= len(line.encode()) + 2
        if room < 0:
            break
        taken.append(line)
    return taken


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("`", "'").replace("<", "&lt;").replace("\n", " ")


def _ticks(line: str) -> Iterator[str]:
    run = ""
    for character in line:
        if character == "`":
            run += character
        elif run:
            yield run
            run = ""
    if run:
        yield run
