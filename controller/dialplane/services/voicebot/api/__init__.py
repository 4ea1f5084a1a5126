"""`/bots`: calls of bots and their transcripts, one module for each kind of thing that is asked for."""

from collections.abc import Sequence

from fastapi import APIRouter

from dialplane.api.mount import Mount
from dialplane.services.voicebot.api import callers, calls
from dialplane.services.voicebot.api.limits import ALLOWANCES


def mounts() -> Sequence[Mount]:
    """Return every path about bots."""
    router = APIRouter(tags=["bots"])
    for module in (calls, callers):
        router.include_router(module.router, prefix="/bots")
    return (Mount(router, allowances=ALLOWANCES),)
