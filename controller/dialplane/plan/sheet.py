"""Texts that are kept from plan to plan: of what did not change, nothing is laid out, joined or hashed again."""

from collections.abc import Callable
from typing import Generic, TypeVar

from dialplane.plan.draft import Finding
from dialplane.plan.escape import LINE_LIMIT, Unrenderable
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason

T = TypeVar("T")


class Sheet(Generic[T]):
    """A run of pieces of one file. A piece is known again by being the very same object."""

    def __init__(self, begin: str = "") -> None:
        self.text = self._begin = begin
        self.findings: tuple[Finding, ...] = ()
        """About the pieces that do not fit: they are not in the text."""
        self._pieces: tuple[T, ...] = ()
        self._texts: list[str] = []

    def lay_out(self, pieces: tuple[T, ...], text_of: Callable[[T], str], owner_of: Callable[[T], Key]) -> str:
        """The text of all pieces after `begin`; `text_of` lays out one, and raises Unrenderable if it does not fit."""
        if pieces == self._pieces and not self.findings:
            return self.text
        known = dict(zip(map(id, self._pieces), self._texts, strict=True))
        texts: list[str] = []
        findings: list[Finding] = []
        for piece in pieces:
            text = known.get(id(piece))
            if not text:  # new, or did not fit before: say so again
                try:
                    text = limited(text_of(piece))
                except Unrenderable as error:
                    findings.append((owner_of(piece), unrenderable(error)))
                    text = ""
            texts.append(text)
        self._pieces, self._texts, self.findings = pieces, texts, tuple(findings)
        self.text = "".join((self._begin, *texts))
        return self.text


def unrenderable(error: Unrenderable) -> Problem:
    """What the owner of the value is told."""
    return Problem(Reason.INVALID, f"a value {error}", "spec")


def limited(text: str) -> str:
    """`text`, if Asterisk reads each of its lines; raises Unrenderable otherwise."""
    if len(text) > LINE_LIMIT and any(len(line.encode("utf-8", "replace")) > LINE_LIMIT for line in text.splitlines()):
        raise Unrenderable(f"makes a line longer than {LINE_LIMIT:,} bytes, which Asterisk would skip")
    return text
