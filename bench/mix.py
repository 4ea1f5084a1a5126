"""The soak's changes: a seeded mix, and what must be true of the site after them. Pure.

Most are edits; phones come and go, passwords change, and some phones are invalid for a while (they name a Secret that
is not there). They come alone, in handfuls and in storms.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bench import site
from testbed.manifests import Manifest

_KINDS = {"edit": 60, "add": 10, "delete": 10, "rotate": 12, "break": 8}
_BATCHES = ((1, 1), (5, 40), (100, 300))
_BATCH_WEIGHTS = (12, 8, 2)
_HEALED_AT_ONCE = 0.2


@dataclass(frozen=True)
class Phone:
    """One phone as it shall be."""

    index: int
    serial: int = 0
    """Of its last edit."""
    rotation: int = 0
    valid: bool = True

    @property
    def display_name(self) -> str:
        """What callees see."""
        return f"Desk {self.index}" + f" moved {self.serial}" * bool(self.serial)

    @property
    def password(self) -> str:
        """What its Secret holds."""
        return site.password(self.index) + f"-{self.rotation}" * bool(self.rotation)

    @property
    def extension(self) -> Manifest:
        """Its resource."""
        reference = {} if self.valid else {"credentialsSecretRef": {"name": "not-there"}}
        changes = {"displayName": self.display_name, "ringSeconds": 25 + self.serial % 60}
        return site.extension(self.index, **changes, **reference)

    @property
    def account(self) -> Manifest:
        """Its Secret."""
        return site.account(self.index, self.password)


@dataclass(frozen=True)
class Change:
    """One step: `after` is None for a phone that goes, `before` for one that comes."""

    before: Phone | None
    after: Phone | None


@dataclass
class Mix:
    """The site as it shall be, and the changes that bring it on."""

    size: int
    seed: int = 1
    phones: dict[int, Phone] = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 -- the same run every time
        self.phones = {index: Phone(index) for index in range(self.size)}
        self._next = self.size

    def batches(self, changes: int) -> Iterator[list[Change]]:
        """So many changes, in batches of different sizes; each phone changes at most once in one."""
        left = changes
        while left > 0:
            low, high = self._chance.choices(_BATCHES, _BATCH_WEIGHTS)[0]
            count = min(left, self._chance.randint(low, high), len(self.phones) // 2)
            left -= count
            yield [self._change(index) for index in self._chance.sample(sorted(self.phones), count)]

    def heal(self) -> list[Change]:
        """Make every phone valid again."""
        return [self._put(phone, valid=True) for phone in tuple(self.phones.values()) if not phone.valid]

    def _change(self, index: int) -> Change:
        phone = self.phones[index]
        if not phone.valid and self._chance.random() < _HEALED_AT_ONCE:
            return self._put(phone, valid=True)
        match self._chance.choices(tuple(_KINDS), tuple(_KINDS.values()))[0]:
            case "add":
                self._next += 1
                return self._put(Phone(self._next), came=True)
            case "delete":
                return Change(self.phones.pop(index), None)
            case "rotate":
                return self._put(phone, rotation=phone.rotation + 1)
            case "break":
                return self._put(phone, valid=False)
            case _:
                return self._put(phone, serial=phone.serial + 1)

    def _put(self, phone: Phone, *, came: bool = False, **fields: Any) -> Change:
        after = self.phones[phone.index] = replace(phone, **fields)
        return Change(None if came else phone, after)
