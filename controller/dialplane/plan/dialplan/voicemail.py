"""Voicemail: the boxes, and calls sent straight to one."""

from dialplane.plan.dialplan.contexts import VOICEMAIL, context
from dialplane.plan.dialplan.routine import routine
from dialplane.plan.objects import DialplanContext, Mailbox
from dialplane.plan.site import Site
from dialplane.resources.extension import ExtensionSpec, Voicemail
from dialplane.resources.key import Key

ZONE = "site"
"""The name in `[zonemessages]` of the site's time zone: a box names that, not a zone of the tz database."""

ZONE_MESSAGE = "'vm-received' Q 'digits/at' kM"
"""What follows the time zone there: how the date of a message is spoken."""

LEAVE_MESSAGE = routine(
    "leave_message",
    ("mailbox",),
    """
          VoiceMail(<mailbox>@default,u)
          Hangup()
    """,
)

ROUTINES = (LEAVE_MESSAGE,)


def voicemail(site: Site) -> DialplanContext:
    """The boxes that calls can be sent to, by their extension's number."""
    entries = [LEAVE_MESSAGE.entry(spec.number, key, spec.number) for key, spec, _ in _boxes(site)]
    return context(VOICEMAIL, site.asterisk_key, entries)


def mailboxes(site: Site) -> tuple[Mailbox, ...]:
    """Every enabled box, by number."""
    found = (_mailbox(site, key, spec, box) for key, spec, box in _boxes(site))
    return tuple(sorted(found, key=lambda box: box.number))


def _boxes(site: Site) -> list[tuple[Key, ExtensionSpec, Voicemail]]:
    return [(key, spec, spec.voicemail) for key, spec in site.extensions if spec.voicemail and spec.voicemail.enabled]


def _mailbox(site: Site, key: Key, spec: ExtensionSpec, box: Voicemail) -> Mailbox:
    pin = box.pin_secret_ref
    if pin is None:
        raise ValueError(f"{key}: an enabled mailbox without a PIN; the rules of the kind forbid it")
    return Mailbox(
        number=spec.number,
        pin=site.secret(key, pin.name, pin.key),
        full_name=spec.display_name or spec.number,
        email=box.email or "",
        options=(
            ("attach", "yes" if box.attach_audio else "no"),
            ("delete", "yes" if box.delete_after_email else "no"),
            ("tz", ZONE),
        ),
        owner=key,
    )
