"""`/notifications`: what was told to Notifiers, and what could not be."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from dialplane.api.dependencies import PLAIN, Before, Limit, Site
from dialplane.api.models import cursor
from dialplane.api.mount import Mount
from dialplane.api.problems import Refusal, described
from dialplane.services.notify import api_models as models
from dialplane.services.notify.tables import deliveries

router = APIRouter(prefix="/notifications", tags=["notifications"])


@router.get("", summary="Notifications, the newest first", responses=described())
async def listed(
    api: Site,
    before: Before,
    limit: Limit = 50,
    notifier: Annotated[
        str | None, Query(max_length=63, pattern=PLAIN, description="Only those to this Notifier.")
    ] = None,
    state: Annotated[
        deliveries.State | None, Query(description="Only these; `dead` are those that were given up.")
    ] = None,
) -> models.NotificationPage:
    """A page of what was told to Notifiers, is to be told, or was given up."""
    page = await api.store.call(deliveries.page, api.site, limit=limit, before=before, notifier=notifier, state=state)
    return models.NotificationPage(items=[models.notification(found) for found in page.items], next=cursor(page.next))


@router.post(
    "/{id}/resend",
    status_code=HTTPStatus.ACCEPTED,
    summary="Tell it again",
    responses=described(HTTPStatus.NOT_FOUND),
)
async def resend(
    api: Site,
    id: Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Of a notification.")],  # noqa: A002 -- the path's
) -> models.Notification:
    """Try a notification again from the first attempt, under its own id."""
    found = await api.store.call(deliveries.resend, api.site, id, now=api.now())
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no notification {id}")
    api.wake_outbox()
    return models.notification(found)


def mounts() -> Sequence[Mount]:
    """Return every path of `/notifications`."""
    return (Mount(router, area="notifications"),)
