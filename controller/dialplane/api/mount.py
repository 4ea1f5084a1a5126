"""How a service hangs its paths into the API."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import BaseModel

from dialplane.api.limits import Allowance
from dialplane.api.problems import Problem

if TYPE_CHECKING:
    from dialplane.api.dependencies import Api


@dataclass(frozen=True, slots=True)
class OpenPath:
    """A path for somebody who has no token and proves who it is in another way: by the body, or by the address."""

    path: str
    """Below `PREFIX`; it may have parameters."""
    expects: Callable[["Api", str | None], bool]
    """Whether a request from this address may be read at all."""
    refusal: str
    """What anybody else is answered, with 403."""
    method: str = ""
    """Only requests of this method need no token; empty: all."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Paths of one service."""

    router: APIRouter
    area: str = ""
    """The scope that a token needs for all of them; empty: the paths look at the token themselves."""
    open: OpenPath | None = None
    """The router serves this path alone, and asks for no token."""
    outside: bool = False
    """Its paths are not below `PREFIX`, but where callers of another system have always found them. A token is asked
    for all the same."""
    bodies: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    """Models of bodies, by path as the router has it: what is wrong in them is said as it is said of a manifest."""
    allowances: Sequence[tuple[str, str, Allowance]] = ()
    """Method, path as the router has it, and allowance of requests that may take other than what is usual."""
    problems: Sequence[type[Problem]] = ()
    """Problems with members of the service's own, for OpenAPI."""
