"""Every path of `/infinity`."""

from fastapi import APIRouter

from dialplane.services.infinity.api import callbacks, calls, campaigns, configs, do_not_call, events, extensions

guarded = APIRouter(prefix="/infinity", tags=["infinity"])
"""For whoever shows a token."""
for _router in (
    calls.router,
    events.router,
    extensions.router,
    configs.router,
    callbacks.router,
    campaigns.router,
    do_not_call.router,
):
    guarded.include_router(_router)

platform = APIRouter(prefix="/infinity", tags=["infinity"])
"""For the platform, which proves a tenant's callback secret."""
platform.include_router(callbacks.platform)
