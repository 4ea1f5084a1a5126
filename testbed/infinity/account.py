"""A customer of the platform."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dialplane.resources.pool_numbers import numbers_of


@dataclass(frozen=True)
class Account:
    """The fields of ``account``; the table in :mod:`testbed.infinity` says what they mean."""

    token: str = field(repr=False)
    tenant: str = "1"
    company: str = "1001"
    url: str = ""
    authentication: Literal["Hmac", "SharedSecret"] = "Hmac"
    secret: str = field(default="", repr=False)
    progress: bool = False
    numbers: tuple[str, ...] = ()

    def owns(self, extension: str) -> bool:
        """Whether it may call over this extension."""
        return not self.numbers or extension in numbers_of(self.numbers)


def written(accounts: Iterable[Account]) -> str:
    """As the environment has them."""
    return json.dumps([asdict(account) for account in accounts])


def read(text: str) -> dict[str, Account]:
    """By tenant."""
    return {account.tenant: account for account in (made(**fields) for fields in json.loads(text))}


def made(**fields: Any) -> Account:
    """One, of what JSON can say."""
    return Account(**{**fields, "numbers": tuple(fields.get("numbers", ()))})
