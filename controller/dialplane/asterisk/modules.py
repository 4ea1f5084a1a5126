"""Which modules of Asterisk the rendered objects need, and which of them do not run.

An Asterisk without app_voicemail knows no mailboxes, and its list of actions no question about them. That is nobody's
mistake in a manifest: whoever needs the module is told its name, everybody else is served.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.status import missing_modules
from dialplane.plan.dialplan.voice_bots import BOT_CONTEXT
from dialplane.plan.objects import DialplanContext, Dongle, Mailbox, Objects, PjsipObject, PjsipType, Readable, owners

DIALPLAN = "pbx_config.so"
_CORE = "res_pjsip.so"
_PJSIP: Mapping[PjsipType, tuple[str, ...]] = {
    PjsipType.ENDPOINT: (
        _CORE,
        "chan_pjsip.so",
        "res_pjsip_sdp_rtp.so",
        "res_pjsip_session.so",
        "res_rtp_asterisk.so",
    ),
    PjsipType.AUTH: (_CORE, "res_pjsip_authenticator_digest.so", "res_pjsip_outbound_authenticator_digest.so"),
    PjsipType.AOR: (_CORE, "res_pjsip_registrar.so"),
    PjsipType.TRANSPORT: (_CORE,),
    PjsipType.IDENTIFY: (_CORE, "res_pjsip_endpoint_identifier_ip.so"),
    PjsipType.REGISTRATION: (
        _CORE,
        "res_pjsip_outbound_authenticator_digest.so",
        "res_pjsip_outbound_registration.so",
    ),
}
_BOT = (
    "app_stasis.so",
    "chan_websocket.so",
    "res_ari.so",
    "res_ari_applications.so",
    "res_ari_channels.so",
    "res_ari_events.so",
    "res_http_websocket.so",
    "res_stasis.so",
)
"""Asterisk's REST interface and the media of bots."""
_OPTIONS: Mapping[tuple[str, str], str] = {
    ("media_encryption", "sdes"): "res_srtp.so",
    ("media_encryption", "dtls"): "res_srtp.so",
    ("webrtc", "yes"): "res_pjsip_transport_websocket.so",
    ("protocol", "ws"): "res_pjsip_transport_websocket.so",
    ("protocol", "wss"): "res_pjsip_transport_websocket.so",
}
"""Options of PJSIP objects that need more."""


def needed_by(item: Readable) -> tuple[str, ...]:
    """The modules without which Asterisk has no such object; what dialplan lines call is checked with them. Pure."""
    match item:
        case DialplanContext():
            return (DIALPLAN, *(_BOT if item.name.startswith(BOT_CONTEXT) else ()))
        case Mailbox():
            return ("app_voicemail.so",)
        case Dongle():
            return ()  # their driver says itself that it is not there (`asterisk.modems`)
        case PjsipObject():
            more = (_OPTIONS.get((name, value)) for name, value in item.options if isinstance(value, str))
            return (*_PJSIP.get(item.type, ()), *(module for module in more if module))


async def without_missing(ami: Ami, expected: Objects) -> tuple[Objects, list[Mismatch]]:
    """What can be asked for at all, and a mismatch for each owner of what cannot."""
    needs: dict[str, list[tuple[str, Readable]]] = defaultdict(list)
    for name, item in expected.readable().items():
        for module in needed_by(item):
            needs[module].append((name, item))
    missing = await missing_modules(ami, needs)
    found = [
        Mismatch(owner, name.replace("/", " ", 1), "", f"needs {module}, which is not running", module=module)
        for module in missing
        for name, item in needs[module]
        for owner in owners(item)
    ]
    lost = {name for module in missing for name, _ in needs[module]}
    if not lost:
        return expected, []
    return replace(
        expected,
        pjsip=tuple(o for o in expected.pjsip if f"{o.type}/{o.id}" not in lost),
        contexts=tuple(c for c in expected.contexts if f"context/{c.name}" not in lost),
        globals={} if DIALPLAN in missing else expected.globals,
        mailboxes=tuple(m for m in expected.mailboxes if f"mailbox/{m.number}" not in lost),
    ), found


def sentence(found: Iterable[Mismatch]) -> str:
    """What is missing, the cure, and what does not work without it; empty where no module is missing. Pure."""
    lost = [m for m in found if m.module]
    modules = ", ".join(sorted({m.module for m in lost}))
    objects = "; ".join(sorted({f"{m.object}{f' {m.field}' if m.field else ''}" for m in lost}))
    if not modules:
        return ""
    cure = "load it in modules.conf, or install the package that has it"
    return f"Asterisk does not run {modules}: {cure}; without it: {objects}"
