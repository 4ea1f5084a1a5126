"""Read-back of mailboxes (app_voicemail's VoicemailUserStatus). It never shows the PIN."""

from collections.abc import Callable, Iterable, Mapping

from dialplane.asterisk.ami import IN_FLIGHT, Ami
from dialplane.asterisk.errors import ActionRefused, PermissionMissing
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.normalise import same_truth
from dialplane.plan.objects import Mailbox
from dialplane.tasks import run_for_each

_OPTIONS: Mapping[str, str] = {
    "attach": "attachmessage",
    "attachfmt": "attachmentformat",
    "callback": "callback",
    "delete": "deletemessage",
    "dialout": "dialout",
    "envelope": "sayenvelope",
    "exitcontext": "exitcontext",
    "fromstring": "fromstring",
    "language": "language",
    "maxmsg": "maxmessagecount",
    "maxsecs": "maxmessagelength",
    "operator": "calloperator",
    "review": "canreview",
    "saycid": "saycid",
    "saydurationm": "saydurationminimum",
    "serveremail": "serveremail",
    "tz": "timezone",
}
"""An option of a mailbox's line, and the field that shows it."""


async def read_back_mailboxes(ami: Ami, mailboxes: Iterable[Mailbox]) -> list[Mismatch]:
    """Compare each mailbox of `[default]` with Asterisk's, all but the PIN."""
    found: list[Mismatch] = []

    async def one(mailbox: Mailbox) -> None:
        shown = await _show(ami, mailbox)
        if shown is None:
            found.append(_mismatch(mailbox, "", "not in Asterisk", missing=True))
        else:
            found.extend(_differences(mailbox, shown))

    await run_for_each(one, mailboxes, at_most=IN_FLIGHT)
    return found


async def mailboxes_left(ami: Ami, deleted: Iterable[Mailbox]) -> list[Mismatch]:
    """Those of the deleted mailboxes that Asterisk still has."""
    found: list[Mismatch] = []

    async def one(mailbox: Mailbox) -> None:
        if await _show(ami, mailbox) is not None:
            found.append(_mismatch(mailbox, "", "deleted, but still in Asterisk"))

    await run_for_each(one, deleted, at_most=IN_FLIGHT)
    return found


async def _show(ami: Ami, mailbox: Mailbox) -> Callable[[str], str] | None:
    # One that does not exist answers a bare success.
    try:
        events = await ami.list("VoicemailUserStatus", Context="default", Mailbox=mailbox.number)
    except PermissionMissing:
        raise
    except ActionRefused:
        return None  # app_voicemail does not run.
    if not events:
        return None
    event = events[0]
    return lambda field: "" if event.get(field, "") == "(null)" else event.get(field, "").strip()


def _differences(mailbox: Mailbox, shown: Callable[[str], str]) -> Iterable[Mismatch]:
    rendered = [("fullName", "fullname", mailbox.full_name), ("email", "email", mailbox.email)]
    for name, value in mailbox.options:
        field = _OPTIONS.get(name.lower())
        if field is None:
            yield _mismatch(mailbox, name, "Asterisk does not show this option")
        else:
            rendered.append((name, field, value))
    for name, field, value in rendered:
        runs = shown(field)
        if value.strip() != runs and not same_truth(value, runs):
            yield _mismatch(mailbox, name, f"rendered {value!r}, Asterisk runs {runs!r}")


def _mismatch(mailbox: Mailbox, field: str, message: str, *, missing: bool = False) -> Mismatch:
    return Mismatch(mailbox.owner, f"mailbox {mailbox.number}", field, message, missing=missing)
