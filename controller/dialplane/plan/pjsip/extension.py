"""The PJSIP objects of an Extension: endpoint, auth and aor, all named by its number."""

from collections.abc import Iterator

from dialplane.plan.dialplan.contexts import END, HINTS
from dialplane.plan.dialplan.endpoints import cabin_context, extension_context
from dialplane.plan.dialplan.features import OWN_MAILBOX_CODE
from dialplane.plan.objects import PjsipObject, PjsipType
from dialplane.plan.pjsip.options import Options, codecs, encryption, options, quoted, repeated
from dialplane.plan.site import Site
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key

QUALIFY_SECONDS = 60
"""How often a phone is asked whether it is there; keeps the binding of a NAT open as well."""


def extension_objects(site: Site, key: Key, spec: ExtensionSpec) -> Iterator[PjsipObject]:
    """The three objects of one extension. Reads `password` from its Secret."""
    number = spec.number
    credentials = site.credentials(key, spec)
    password = credentials.password if credentials else None
    mailbox = _mailbox(spec)
    yield PjsipObject(
        PjsipType.AUTH,
        number,
        options(("auth_type", "digest"), ("username", number), ("password", password)),
        key,
    )
    yield PjsipObject(
        PjsipType.AOR,
        number,
        options(
            ("max_contacts", spec.max_contacts),
            ("remove_existing", True),  # else one phone too many is refused; unreachable ones go first
            ("remove_unavailable", True),
            ("qualify_frequency", QUALIFY_SECONDS),
            ("default_expiration", 3600),
            ("minimum_expiration", 60),
            ("maximum_expiration", 7200),
            # Phones that subscribe to their number, or to what their key for messages dials.
            ("mailboxes", mailbox),
            ("voicemail_extension", OWN_MAILBOX_CODE if mailbox else None),
        ),
        key,
    )
    yield PjsipObject(PjsipType.ENDPOINT, number, _endpoint(site, spec), key)


def _endpoint(site: Site, spec: ExtensionSpec) -> Options:
    number = spec.number
    cabin = site.cabins.get(number)
    name = cabin.location if cabin else spec.display_name or number
    return (
        options(
            ("context", cabin_context(spec) if cabin else extension_context(spec)),
            ("subscribe_context", HINTS),
            ("message_context", END),
            ("auth", number),
            ("aors", number),
            ("identify_by", "username,auth_username"),
            ("transport", spec.transport),
            ("callerid", f"{quoted(name)} <{number}>"),
            ("language", site.asterisk.default_language),
            ("dtmf_mode", str(spec.dtmf_mode)),
            ("direct_media", False),
            ("rtp_symmetric", spec.nat),
            ("rtp_keepalive", site.rtp_keepalive),
            ("force_rport", spec.nat),
            ("rewrite_contact", spec.nat),
            ("webrtc", spec.webrtc),
            ("media_encryption", None if spec.webrtc else encryption(spec.encryption)),
            ("device_state_busy_at", None if spec.call_waiting else 1),
            ("named_call_group", ",".join(spec.pickup_groups) or None),
            ("named_pickup_group", ",".join(spec.pickup_groups) or None),
            ("mailboxes", _mailbox(spec)),
            ("mwi_subscribe_replaces_unsolicited", True if spec.has_mailbox else None),
            ("allow_overlap", False),
        )
        + codecs(spec.codecs or site.asterisk.codecs)
        + _networks(spec)
    )


def _mailbox(spec: ExtensionSpec) -> str | None:
    return f"{spec.number}@default" if spec.has_mailbox else None


def _networks(spec: ExtensionSpec) -> Options:
    if not spec.allowed_networks:
        return ()
    return (("deny", "0.0.0.0/0"), ("deny", "::/0"), *repeated("permit", spec.allowed_networks))
