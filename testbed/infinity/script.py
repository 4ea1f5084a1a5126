"""What shall happen to a call, and to which one."""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

Reply = Literal["accept", "refuse", "status", "error", "garbage", "half", "cut", "silent", "redirect", "endless"]
Result = Literal["answered", "busy", "no_answer", "rejected", "agent_no_answer"]
Telling = Literal["normal", "never", "first", "reversed"]
Wrong = Literal["", "secret", "timestamp", "company", "extension", "destination", "memberid"]

CAUSES: Final[dict[Result, int]] = {
    "answered": 16,
    "busy": 17,
    "no_answer": 19,
    "rejected": 21,
    "agent_no_answer": 19,
}
"""Causes of hangup (ITU-T Q.850), as the platform's record has them."""
_CODES: Final[dict[Reply, int]] = {"refuse": 403, "status": 1, "error": 503}


@dataclass(frozen=True)
class Script:
    """The fields of ``behave``; the table in :mod:`testbed.infinity` says what they mean."""

    answer: Reply = "accept"
    code: int = 0
    words: str = "no line is free"
    after: float = 0.0
    takes: bool | None = None
    outcome: Result = "answered"
    agent_seconds: float = 0.02
    ring_seconds: float = 0.05
    talk_seconds: float | None = 0.1
    callback: Telling = "normal"
    late: float = 0.0
    repeat: int = 1
    wrong: Wrong = ""

    @property
    def taken(self) -> bool:
        """Whether the call is placed."""
        return self.answer == "accept" if self.takes is None else self.takes

    @property
    def said(self) -> int:
        """The code in the answer."""
        return self.code or _CODES.get(self.answer, 0)


@dataclass
class _Rule:
    destination: str
    left: int | None
    script: Script


@dataclass
class Scripts:
    """The rules, the newest first."""

    _rules: list[_Rule] = field(default_factory=list)

    def behave(self, destination: str = "", times: int = 0, **fields: Any) -> None:
        """Add a rule. Raises TypeError for a field that there is not."""
        self._rules.insert(0, _Rule(destination, times or None, replace(Script(), **fields)))

    def clear(self) -> None:
        """Accept everything."""
        self._rules.clear()

    def take(self, destination: str) -> Script:
        """What happens to a call to this number; counts it."""
        for rule in self._rules:
            if destination.endswith(rule.destination):
                if rule.left is not None:
                    rule.left -= 1
                    if rule.left == 0:
                        self._rules.remove(rule)
                return rule.script
        return Script()
