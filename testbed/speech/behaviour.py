"""How a provider misbehaves, and when."""

from dataclasses import dataclass
from typing import Literal, get_args

Reply = Literal["serve", "refuse", "quota", "cut", "silent", "garbage", "slow", "broken", "unknown"]
Stage = Literal["connect", "begin", "answer"]


@dataclass
class Rule:
    """What shall happen at one stage; the table in :mod:`testbed.speech` says what it means."""

    answer: Reply
    at: Stage
    after: float = 0.0
    times: int = 0

    def __post_init__(self) -> None:
        if self.answer not in get_args(Reply) or self.at not in get_args(Stage):
            raise ValueError(f"answer={self.answer} at={self.at}: there is no such thing")


class Behaviour:
    """The rules of a provider, the newest first."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        """Behave so from now on."""
        self._rules.insert(0, rule)

    def forget(self) -> None:
        """Serve."""
        self._rules.clear()

    def at(self, stage: Stage) -> Rule:
        """What shall happen now."""
        for rule in self._rules:
            if rule.at == stage:
                if rule.times:
                    rule.times -= 1
                    if not rule.times:
                        self._rules.remove(rule)
                return rule
        return Rule("serve", stage)
