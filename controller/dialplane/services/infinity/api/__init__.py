"""`/infinity`: outbound calls on leased extensions, one module for each kind of thing that is asked for.

`access` says who may do what, `limits` how much of it.
"""

from collections.abc import Sequence

from fastapi import APIRouter

from dialplane.api.dependencies import Api
from dialplane.api.mount import Mount, OpenPath
from dialplane.services.infinity import callback
from dialplane.services.infinity.api import callbacks, calls, campaigns, configs, do_not_call, events, extensions
from dialplane.services.infinity.api.access import AREA
from dialplane.services.infinity.api.limits import ALLOWANCES
from dialplane.services.infinity.api.models import MakeCall
from dialplane.services.infinity.api.problem import CallProblem


def mounts() -> Sequence[Mount]:
    """Return every path of `/infinity`: for those who show a token, and for the platforms of tenants."""
    guarded = APIRouter(prefix="/infinity", tags=["infinity"])
    for module in (calls, events, extensions, configs, callbacks, campaigns, do_not_call):
        guarded.include_router(module.router)
    platform = APIRouter(prefix="/infinity", tags=["infinity"])
    platform.include_router(callbacks.platform)
    return (
        Mount(
            guarded,
            bodies={"/infinity/make-call": MakeCall},
            allowances=ALLOWANCES,
            problems=(CallProblem,),
        ),
        Mount(
            platform,
            open=OpenPath(
                path="/infinity/callback/call-record",
                expects=_expects,
                refusal="no tenant takes callbacks from this address",
            ),
        ),
    )


def _expects(api: Api, address: str | None) -> bool:
    infinity = api.services.get(AREA)
    return infinity is not None and callback.heard(infinity.tenants().values(), address)
