"""PURE: what the site asks of voicemail: which mailboxes are mailed, to whom, by which server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.voicemail import MailServer
from dialplane.services.contract import SiteView
from dialplane.services.voicemail.server import Server


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox whose messages are mailed."""

    key: Key
    """Of its Extension."""
    number: str
    email: str
    attach_audio: bool
    delete: bool


@dataclass(frozen=True, slots=True)
class Task:
    """All of it."""

    path: Path
    sender: str
    server: Server | None
    """None while a Secret of it is missing."""
    zone: tzinfo
    main: AmiAddress
    calls: AmiAddress
    boxes: Mapping[str, Box] = field(default_factory=dict)
    """By number."""
    unmailed: frozenset[str] = frozenset()
    """Numbers of extensions that are not to be mailed."""


def task_of(view: SiteView) -> Task | None:
    """What `view` asks; None where nobody is mailed, or nobody can be."""
    found = [spec for resource, spec in view.snapshot.of(AsteriskSpec) if resource.key in view.accepted]
    mail = found[0].voicemail.mail if found else None
    if mail is None or view.asterisk is None or view.calls is None:
        return None
    boxes, unmailed = {}, set()
    for resource, spec in view.snapshot.of(ExtensionSpec):
        if resource.key not in view.accepted:
            continue
        box = spec.voicemail
        if box is None or not spec.mails_to:
            unmailed.add(spec.number)
        else:
            boxes[spec.number] = Box(resource.key, spec.number, spec.mails_to, box.attach_audio, box.delete_after_email)
    if not boxes:
        return None
    return Task(
        path=Path(found[0].voicemail.path),
        sender=mail.from_,
        server=_server(mail.server, view),
        zone=_zone(found[0].time_zone),
        main=view.asterisk,
        calls=view.calls,
        boxes=boxes,
        unmailed=frozenset(unmailed),
    )


def _zone(name: str) -> tzinfo:
    """That zone; UTC where this machine has no tz database."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return UTC


def _server(server: MailServer, view: SiteView) -> Server | None:
    account, authority = server.credentials_secret_ref, server.ca_secret_ref
    known = view.snapshot.secrets.get(account.name, {}) if account else {}
    pem = view.snapshot.secrets.get(authority.name, {}).get("ca.crt") if authority else SecretStr("")
    if pem is None or (account and not {"username", "password"} <= known.keys()):
        return None
    return Server(
        server.host,
        server.listens,
        server.security,
        known["username"].get_secret_value() if account else "",
        known["password"] if account else SecretStr(""),
        pem.get_secret_value(),
    )
