"""Whom a tenant or a campaign never calls: numbers that are compared however they are written. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from dialplane.resources.numbering import Numbering, form, identity

Verdict = Literal["", "DoNotCall", "NumberUnknown"]
"""Whether a number may be called: empty; it is on the list; or that cannot be known."""

MIXED = (
    "numbers with a country and without one are mixed, so that nobody knows which of them are the same: write all of "
    "them with + and the country code, or set numbering.countryCode in the Asterisk or the InfinityTenant"
)


@dataclass(frozen=True)
class Barred:
    """Numbers that are not called."""

    identities: frozenset[str] = frozenset()
    """As `numbering.identity` has them."""
    numbering: Numbering | None = None
    """How numbers without a country are read."""

    @classmethod
    def of(cls, numbers: Iterable[str], numbering: Numbering | None) -> "Barred":
        """These numbers, in whatever way each is written."""
        return cls(frozenset(identity(number, numbering) for number in numbers), numbering)

    def verdict(self, number: str) -> Verdict:
        """Whether a number may be called. One that cannot be compared with the list may not."""
        if not self.identities:
            return ""
        wanted = identity(number, self.numbering)
        if wanted in self.identities:
            return "DoNotCall"
        return "" if self._forms == {form(wanted)} else "NumberUnknown"

    @cached_property
    def _forms(self) -> frozenset[str]:
        return frozenset(map(form, self.identities))


NOBODY: Final = Barred()
"""Everybody may be called."""


def mixed(identities: Iterable[str]) -> bool:
    """Whether two of them may be one number though they differ."""
    forms = set()
    for each in identities:
        forms.add(form(each))
        if len(forms) > 1:
            return True
    return False
