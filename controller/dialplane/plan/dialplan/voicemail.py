"""Voicemail: the boxes, and calls sent straight to one."""

from dialplane.plan.dialplan.routine import routine
from dialplane.plan.objects import DialplanEntry, Mailbox
from dialplane.plan.site import Site
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key

ZONE = "site"
"""The name in `[zonemessages]` of the site's time zone: a box names that, not a zone of the tz database."""

ZONE_MESSAGE = "'vm-received' Q 'digits/at' kM"
"""What follows the time zone there: how the date of a message is spoken."""

NAMELESS = routine(
    "nameless",
    (),
    """
          GotoIf($["${CALLERID(pres)}" =~ "^prohib"]?:done)
          Set(CALLERID(all)=)
    done: Return()
    """,
)
"""Takes away the number of a caller who hides it: VoiceMail() would write it into the message and its e-mail."""

LEAVE_MESSAGE = routine(
    "leave_message",
    ("mailbox",),
    """
          Gosub(<nameless>,s,1())
          VoiceMail(<mailbox>@default,u)
          Hangup()
    """,
    calls=(NAMELESS,),
)

ROUTINES = (NAMELESS, LEAVE_MESSAGE)


def box_line(key: Key, spec: ExtensionSpec) -> DialplanEntry:
    """What a call to an extension's mailbox does, in `dp-voicemail`."""
    return LEAVE_MESSAGE.entry(spec.number, key, spec.number)


def mailbox(site: Site, key: Key, spec: ExtensionSpec) -> Mailbox:
    """The box of an extension that has one.

    Asterisk mails nothing itself and deletes nothing: it would delete a message right after its mail program was
    started, whatever that did. The service of voicemail does both.
    """
    box = spec.voicemail
    if box is None or box.pin_secret_ref is None:
        raise ValueError(f"{key}: an enabled mailbox without a PIN; the rules of the kind forbid it")
    pin = box.pin_secret_ref
    return Mailbox(
        number=spec.number,
        pin=site.secret(key, pin.name, pin.key),
        full_name=_full_name(spec),
        email="",
        options=(("delete", "no"), ("tz", ZONE)),
        owner=key,
    )


def _full_name(spec: ExtensionSpec) -> str:
    """The extension's name as a mailbox can have it: a comma would end it, and what follows be read as an address."""
    name = (spec.display_name or "").replace(",", " ")
    return " ".join(name.split()) or spec.number
