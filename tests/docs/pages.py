"""Reads the project's Markdown: what tests want to know of a page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^(`{3,})(.*)$")
_LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
_CODE = re.compile(r"(`+)(?:(?!\1).)+?\1(?!`)")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Block:
    """A fenced block; `words` are those of its info string, `line` that of its fence."""

    page: Path
    line: int
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every Markdown file that belongs to the project."""
    folders = (ROOT / name for name in ("docs", "examples", "controller", "charts", "templates", "bench"))
    return sorted([*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md"))])


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    opened, words, lines, fence = 0, (), [], ""
    for number, line in enumerate(_lines(page), start=1):
        match = _FENCE.match(line)
        if not fence and match:
            fence, opened, words, lines = match[1], number, tuple(match[2].split()), []
        elif fence and line.rstrip() == fence:
            yield Block(page, opened, words, "".join(f"{each}\n" for each in lines))
            fence = ""
        elif fence:
            lines.append(line)
    assert not fence, f"{page}:{opened}: the block never ends"


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead; what stands in code leads nowhere."""
    return [target for line in _prose(page) for target in _LINK.findall(_CODE.sub("", line))]


def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    titles = (line.lstrip("#").strip().lower() for line in _prose(page) if line.startswith("#"))
    return {_NOT_IN_ANCHORS.sub("", title).replace(" ", "-") for title in titles}


def _lines(page: Path) -> list[str]:
    return page.read_text(encoding="utf-8").splitlines()


def _prose(page: Path) -> list[str]:
    """The lines of a page that are in no block."""
    fenced = {line for block in blocks(page) for line in range(block.line, block.line + block.text.count("\n") + 2)}
    return [line for number, line in enumerate(_lines(page), start=1) if number not in fenced]
