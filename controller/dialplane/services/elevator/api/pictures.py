"""Pictures over HTTP: uploads by one-time addresses, and addresses at which they are seen.

An upload and a signed address need no token: each proves by itself what it is for.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from dialplane.api.admission import Admission, address_of
from dialplane.api.concurrency import Concurrency
from dialplane.api.dependencies import Site
from dialplane.api.limits import Allowance
from dialplane.api.mount import Mount, OpenPath
from dialplane.api.problems import Refusal, described
from dialplane.services.elevator.api.access import ByToken, DeviceId, Served, permit
from dialplane.services.elevator.pictures.check import MOST_BYTES, SUFFIXES
from dialplane.services.elevator.pictures.pictures import PictureNotTaken, Pictures
from dialplane.services.elevator.pictures.structure import PictureRefused
from dialplane.services.elevator.pictures.uploads import TICKET_LENGTH, digest_of
from dialplane.services.elevator.tables import snapshots, uploads
from dialplane.storage.errors import ObjectMissing, StorageError

UPLOAD_SECONDS: Final = 60.0
"""For a picture to arrive over a poor mobile network."""
UPLOADS: Final = Concurrency("device uploads", 1, 16, "pictures are being uploaded")
VIEWS: Final = Concurrency("pictures", 8, 32, "pictures are being read")
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=86400, immutable",
}
_PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The picture.",
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in SUFFIXES.values()},
    }
}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": f"The picture itself: a JPEG or PNG of up to {MOST_BYTES:,} bytes.",
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in SUFFIXES.values()},
    }
}

router = APIRouter()
"""For those who show a token."""
uploading = APIRouter(prefix="/devices", tags=["devices"])
"""For devices that were asked for a picture."""
viewing = APIRouter(prefix="/devices", tags=["devices"])
"""For those who have a signed address."""


class UploadedPicture(BaseModel):
    """A picture that was taken."""

    device_id: str
    """Of which device."""
    media_type: str
    """What it is, whatever the upload called it."""
    size: int
    """Bytes that are kept."""
    taken_at: datetime
    """When it came."""

    model_config = ConfigDict(use_attribute_docstrings=True)


@uploading.put(
    "/uploads/{ticket}",
    status_code=HTTPStatus.CREATED,
    summary="Upload a picture (a device)",
    responses=described(HTTPStatus.REQUEST_TIMEOUT),
    openapi_extra=_BODY,
)
async def upload(
    request: Request,
    api: Site,
    elevator: Served,
    ticket: Annotated[
        str,
        Path(
            pattern=f"^[A-Za-z0-9_-]{{{TICKET_LENGTH}}}$",
            description="From `data.upload.url` of the command that asked for the picture.",
        ),
    ],
) -> UploadedPicture:
    """Take a picture that a device was asked for. The address is good once, for five minutes.

    It is used up by a whole body, a picture or not; not where this answers 408, 429 or 503, nor by an upload that was
    cut off.
    """
    digest, now = digest_of(ticket), api.now()
    expected = await api.store.call(uploads.get, api.site, digest, now=now)
    if expected is None:
        raise _unproven(request, "no upload is expected here: the address is wrong, used up or expired")
    room = UPLOADS.of(request.app)
    room.check(ticket)
    with room.one(ticket):
        body = bytearray()
        async for part in request.stream():
            body += part
        if not await api.store.call(uploads.redeem, api.site, digest, now=now):
            raise _unproven(request, "no upload is expected here: the address was used up meanwhile")
        try:
            taken = await elevator.pictures.take(expected.device, bytes(body), expected.command)
        except PictureRefused as refused:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"the picture is not kept: {refused}") from None
        except PictureNotTaken as busy:
            await api.store.call(uploads.add, api.site, [expected])
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"{busy}: try again", Retry_After="10") from None
    return UploadedPicture(
        device_id=taken.device, media_type=taken.media_type, size=taken.size, taken_at=taken.taken_at
    )


@viewing.get(
    "/pictures/{device}/{year}/{month}/{day}/{picture}",
    response_class=Response,
    summary="See a picture by a signed address",
    responses={**_PICTURE, **described(HTTPStatus.NOT_FOUND)},
)
async def signed(
    request: Request,
    elevator: Served,
    device: DeviceId,
    year: Annotated[str, Path(pattern="^[0-9]{4}$", description="The year in which it came (UTC).")],
    month: Annotated[str, Path(pattern="^[0-9]{2}$", description="The month.")],
    day: Annotated[str, Path(pattern="^[0-9]{2}$", description="The day.")],
    picture: Annotated[str, Path(pattern="^[0-9]{6}-[0-9a-f]{20}[.](jpg|png)$", description="Its own name.")],
    expires: Annotated[str, Query(pattern="^[0-9]{1,11}$", description="Seconds since 1970.")],
    signature: Annotated[str, Query(pattern="^[0-9a-f]{64}$", description="Of the path and `expires`.")],
) -> Response:
    """A picture, at an address that Dialplane made: it is good for some days, and needs no token.

    Whoever has the address sees the picture. It is 403 once it has expired, and where anything in it was changed.
    """
    name = f"{device}/{year}/{month}/{day}/{picture}"
    if not await elevator.pictures.addresses.is_signed(name, expires, signature):
        raise _unproven(request, "this address of a picture has expired, or was changed")
    return await _shown(request, elevator.pictures, name, address_of(request.scope) or "")


@router.get(
    "/{id}/snapshots/{seq}",
    response_class=Response,
    summary="See a picture",
    responses={**_PICTURE, **described(HTTPStatus.NOT_FOUND)},
)
async def one(
    request: Request,
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- the path's name for it
    seq: Annotated[int, Path(ge=0, lt=2**63, description="Of the picture.")],
) -> Response:
    """A picture of a device, as `status.lastSnapshot.url` has it: the address stays the same until it is deleted."""
    permit(holder, "read", id)
    found = await api.store.call(snapshots.get, api.site, id, seq)
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"the device {id} has no picture {seq}")
    return await _shown(request, elevator.pictures, found.object, holder.name)


async def _shown(request: Request, pictures: Pictures, name: str, viewer: str) -> Response:
    room = VIEWS.of(request.app)
    room.check(viewer)
    with room.one(viewer):
        try:
            data = await pictures.get(name)
        except ObjectMissing:
            raise Refusal(HTTPStatus.NOT_FOUND, "this picture was deleted") from None
        except StorageError:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "the storage of pictures does not answer: try again", Retry_After="5"
            ) from None
    own = name.rpartition("/")[2]
    media_type = SUFFIXES[own.rpartition(".")[2]]
    return Response(
        data, headers={**_HEADERS, "Content-Disposition": f'inline; filename="{own}"'}, media_type=media_type
    )


def _unproven(request: Request, detail: str) -> Refusal:
    admission: Admission = request.app.state.admission
    admission.guessed(request.scope)
    return Refusal(HTTPStatus.FORBIDDEN, detail)


ALLOWANCES: Final = (
    (
        "PUT",
        "/devices/uploads/{ticket}",
        Allowance(body=MOST_BYTES, body_seconds=UPLOAD_SECONDS, seconds=UPLOAD_SECONDS + 30, streamed=True),
    ),
)


def open_mounts() -> tuple[Mount, ...]:
    """Return the paths that ask for no token."""
    return (
        Mount(
            uploading,
            open=OpenPath("/devices/uploads/{ticket}", _anybody, "no upload is expected here", method="PUT"),
            allowances=ALLOWANCES,
        ),
        Mount(
            viewing,
            open=OpenPath(
                "/devices/pictures/{device}/{year}/{month}/{day}/{picture}",
                _anybody,
                "this address of a picture has expired, or was changed",
                method="GET",
            ),
        ),
    )


def _anybody(*_: object) -> bool:
    """Proven by the path itself."""
    return True
