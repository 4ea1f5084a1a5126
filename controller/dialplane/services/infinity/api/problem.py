"""Why there is no call, as the API says it."""

from typing import Literal

from dialplane.api.problems import Problem
from dialplane.services.infinity.tables.calls import Rung


class CallProblem(Problem):
    """Why there is no call, or why nobody knows (RFC 9457, with members of our own)."""

    code: Literal["do-not-call", "number-unknown"] | None = None
    """Why nobody may be called: the number is on a do-not-call list, or whether it is cannot be known."""
    call_id: str | None = None
    """The call's id, where one was kept."""
    customer_rung: Rung | None = None
    """Whether the customer's telephone rang; after `maybe`, a second request may ring it a second time."""
    in_use: int | None = None
    """Extensions of the tenant that are in a call, where none was free."""
    maximum: int | None = None
    """How many calls the tenant may have at a time."""
    available: int | None = None
    """Extensions of the tenant that are free."""
