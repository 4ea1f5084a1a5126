"""Commands: asked for, for one device or many, and looked up."""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final, Literal, NoReturn

import structlog
from fastapi import APIRouter, Header, Path, Query, Response

from dialplane.api.dependencies import PREFIX, Api, Before, Limit, Site
from dialplane.api.models import cursor
from dialplane.api.problems import Refusal, described
from dialplane.api.tokens import Holder
from dialplane.services.elevator.api import models
from dialplane.services.elevator.api.access import ByToken, DeviceId, Served, device_of, may
from dialplane.services.elevator.command_desk import CommandRequest, Denial
from dialplane.services.elevator.desired import Command as AllowedCommand
from dialplane.services.elevator.directory import DeviceDirectory
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.tables import commands
from dialplane.services.elevator.tables.commands import Command, CommandState, NewCommand

log = structlog.get_logger("dialplane.api")

router = APIRouter()
sending = APIRouter()
"""For the callers of another system's gateway, whose path it is."""

SENT_WITHIN: Final = 1.0
"""Seconds in which a command for a connected device goes out."""
LOOK_SECONDS: Final = 0.03
"""Until the first look whether it went out."""

CommandId = Annotated[str, Path(pattern="^cmd-[0-9a-f]{24}$", description="Of a command, `cmd-…`.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[!-~]{1,160}$",
        description="Your own name for the request, where the body has no `request_key`. Sent again with the same one,"
        " nothing is sent twice.",
    ),
]

_STATUS: Final[Mapping[Denial, Literal[404, 409]]] = {"Offline": 404, "Unacknowledged": 409, "KeyReused": 409}
_WHY: Final[Mapping[Denial, str]] = {
    "Offline": "{device} is offline: a physical command is not kept for later",
    "Unacknowledged": "{device} acknowledges no commands, so nobody would know whether it was carried out: allow it by"
    " allowUnacknowledged in its allowedCommands",
    "KeyReused": "this request_key, or Idempotency-Key, was used for another command",
}
_CONFLICTS: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.post(
    "/commands",
    summary="Send a command to many devices",
    responses=described(),
)
async def send_to_many(
    api: Site, elevator: Served, holder: ByToken, asked: models.BulkCommand, key: IdempotencyKey = None
) -> models.BulkAnswers:
    """Queue the same command for up to 1,000 devices, each of which is answered by itself, in one transaction."""
    names = list(dict.fromkeys(asked.device_ids))
    answers: dict[str, models.BulkAnswer] = {}
    requests: dict[str, CommandRequest] = {}
    for name in names:
        refused = _refused(elevator, holder, name, asked.name)
        if isinstance(refused, models.BulkAnswer):
            answers[name] = refused
        else:
            requests[name] = _request(api, holder, name, refused, asked, key)
    taken = await elevator.desk.submit(list(requests.values())) if requests else []
    for name, answer in zip(requests, taken, strict=True):
        answers[name] = _answer(name, answer)
    items = [answers[name] for name in names]
    queued = sum(each.id is not None for each in items)
    log.info("command asked for", command=asked.name, devices=queued, refused=len(items) - queued, by=holder.name)
    return models.BulkAnswers(items=items, queued=queued)


@router.post(
    "/{id}/commands",
    status_code=HTTPStatus.ACCEPTED,
    summary="Send a command",
    responses=described(*_CONFLICTS),
)
async def send(
    api: Site,
    elevator: Served,
    holder: ByToken,
    response: Response,
    id: DeviceId,  # noqa: A002 -- the path's name for it
    asked: models.NewDeviceCommand,
    key: IdempotencyKey = None,
) -> models.DeviceCommand:
    """Queue a command; `GET` the `Location` to see what becomes of it.

    A safe one waits for a device that is offline, until its deadline. A physical one does not (404), is sent once at
    most, and goes to a device that acknowledges nothing only where `allowUnacknowledged` says so (409). 403: it is not
    among the device's `allowedCommands`.
    """
    lift = device_of(elevator, holder, "command", id)
    allowed = _allowed(lift, asked.name)
    command = await _submit(elevator, _request(api, holder, id, allowed, asked, key))
    log.info("command asked for", command=command.name, device=id, id=command.id, by=holder.name)
    response.headers["Location"] = f"{PREFIX}/devices/{id}/commands/{command.id}"
    return shown(command)


@router.get(
    "/{id}/commands", summary="Commands of a device, the newest first", responses=described(HTTPStatus.NOT_FOUND)
)
async def listed(
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- as above
    before: Before,
    limit: Limit = 50,
    state: Annotated[CommandState | None, Query(description="Only those in this state.")] = None,
) -> models.DeviceCommandPage:
    """A page of what was sent to a device, or is to be."""
    device_of(elevator, holder, "read", id)
    page = await api.store.call(commands.page, api.site, id, limit=limit, before=before, state=state)
    return models.DeviceCommandPage(items=[shown(each) for each in page.commands], next=cursor(page.next))


@router.get("/{id}/commands/{command}", summary="One command", responses=described(HTTPStatus.NOT_FOUND))
async def one(
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- as above
    command: CommandId,
) -> models.DeviceCommand:
    """A command as it is now, or as it ended."""
    device_of(elevator, holder, "read", id)
    kept = await api.store.call(commands.get, api.site, command)
    if kept is None or kept.device != id:
        raise Refusal(HTTPStatus.NOT_FOUND, f"{id} has no command {command}")
    return shown(kept)


@sending.post("/api/send", summary="Send a command to a device that is connected", responses=described(*_CONFLICTS))
async def send_now(api: Site, elevator: Served, holder: ByToken, asked: models.SendCommand) -> models.SentCommand:
    """For callers of a gateway that had this path: `{"device_id", "type", "payload", "data"}`, or nested.

    404: the device is offline, and the command, be it safe or physical, is not kept.
    """
    wanted = asked.wanted
    if wanted is None:
        errors = {"body.payload": "is missing: the command's name, such as REBOOT"}
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", errors)
    lift = device_of(elevator, holder, "command", asked.device_id)
    wish = models.CommandWish(name=wanted.payload, data=wanted.data, deadline_seconds=models.PHYSICAL_SECONDS)
    command = await sent(api, await command_now(api, elevator, holder, lift, wish))
    return models.SentCommand(status="queued" if command.state == "queued" else "sent", id=command.id)


async def command_now(
    api: Api, elevator: DeviceDirectory, holder: Holder, lift: Lift, wish: models.CommandWish
) -> Command:
    """Queue a command for a device that is connected; raises a Refusal where that may not be, or it is not."""
    allowed = _allowed(lift, wish.name)
    command = await _submit(elevator, _request(api, holder, lift.name, allowed, wish, None, online_only=True))
    log.info("command asked for", command=command.name, device=lift.name, id=command.id, by=holder.name)
    return command


async def sent(api: Api, command: Command) -> Command:
    """Return the command once it went out, or as it is after a second."""
    loop = asyncio.get_running_loop()
    end, pause = loop.time() + SENT_WITHIN, LOOK_SECONDS
    while command.state == "queued" and loop.time() < end:
        await asyncio.sleep(pause)
        pause *= 2  # where gateways are slow, many callers must not keep the database busy
        newer = await api.store.call(commands.get, api.site, command.id)
        command = newer or command
    return command


def shown(command: Command) -> models.DeviceCommand:
    """Return a command as it is answered."""
    return models.DeviceCommand.model_validate(command)


def _allowed(lift: Lift, name: str) -> AllowedCommand:
    allowed = lift.profile.commands.get(name)
    if allowed is None:
        raise Refusal(HTTPStatus.FORBIDDEN, _not_allowed(lift, name))
    return allowed


def _not_allowed(lift: Lift, name: str) -> str:
    allowed = ", ".join(lift.profile.commands) or "none"
    return f"{name} is not among the allowedCommands of {lift.settings or lift.name}, which are: {allowed}"


def _refused(elevator: DeviceDirectory, holder: Holder, device: str, name: str) -> AllowedCommand | models.BulkAnswer:
    """Return the command as it is allowed, or why it is not."""
    if not may(holder, "command", device):
        return models.BulkAnswer(device_id=device, status=403, detail=f"this token may not command the device {device}")
    lift = elevator.devices().get(device)
    if lift is None:
        return models.BulkAnswer(device_id=device, status=404, detail=f"there is no device {device}")
    denied = models.BulkAnswer(device_id=device, status=403, detail=_not_allowed(lift, name))
    return lift.profile.commands.get(name, denied)


def _request(
    api: Api,
    holder: Holder,
    device: str,
    allowed: AllowedCommand,
    wish: models.CommandWish,
    key: str | None,
    *,
    online_only: bool = False,
) -> CommandRequest:
    physical = allowed.physical
    if physical and (wish.deadline_seconds or 0) > models.PHYSICAL_SECONDS:
        text = f"{wish.name} is physical, and is sent within {models.PHYSICAL_SECONDS} s or not at all"
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", {"body.deadline_seconds": text})
    seconds = wish.deadline_seconds or (models.PHYSICAL_SECONDS if physical else models.SAFE_SECONDS)
    chosen = wish.request_key or key
    new = NewCommand(
        device=device,
        name=wish.name,
        physical=physical,
        data=wish.data,
        token=holder.name,
        request_key=chosen or secrets.token_hex(16),
        deadline=api.now() + timedelta(seconds=seconds),
    )
    return CommandRequest(new, chosen is not None, online_only, allowed.allow_unacknowledged)


async def _submit(elevator: DeviceDirectory, request: CommandRequest) -> Command:
    (answer,) = await elevator.desk.submit([request])
    if not isinstance(answer, Command):
        _deny(request.new.device, answer)
    return answer


def _deny(device: str, denial: Denial) -> NoReturn:
    raise Refusal(_STATUS[denial], _WHY[denial].format(device=device))


def _answer(device: str, answer: Command | Denial) -> models.BulkAnswer:
    if isinstance(answer, Command):
        return models.BulkAnswer(device_id=device, status=202, id=answer.id, state=answer.state)
    return models.BulkAnswer(device_id=device, status=_STATUS[answer], detail=_WHY[answer].format(device=device))
