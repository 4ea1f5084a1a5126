"""What the rules admit and refuse, as specs that a user could write; used against the models and the API server."""

# ruff: noqa: S104 -- an Asterisk listens on all interfaces

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from dialplane.resources.base import Part
from dialplane.resources.kinds import KINDS
from dialplane.resources.rule import Rule

Spec = dict[str, Any]

MINIMAL: dict[str, Spec] = {
    "Asterisk": {},
    "SipTrunk": {"host": "sip.example.com"},
    "Extension": {"number": "101", "generateCredentials": True},
    "Schedule": {"whenOpen": {"extension": "101"}, "whenClosed": {"voicemail": "101"}},
    "Dongle": {"imei": "490154203237518"},
    "SmsMessage": {"dongle": "gsm-1", "to": "+15550100", "text": "Hello"},
    "Notifier": {"urlSecretRef": {"name": "notifiers", "key": "office"}},
    "InfinityTenant": {
        "tenantId": "1",
        "apiUrl": "https://voice.example.com/api",
        "tokenSecretRef": {"name": "infinity", "key": "token"},
        "extensionPool": {"numbers": ["8001-8050"]},
    },
    "Campaign": {
        "tenant": "acme",
        "agents": [{"id": "ada", "callbackNumber": "+15550101"}],
        "destinations": {"inline": [{"number": "+15550111"}]},
    },
    "ElevatorDevice": {"location": "Town hall, lift 2"},
    "VoiceBot": {
        "dialog": {"start": "bye", "states": [{"name": "bye", "say": {"text": "Bye."}, "action": {"hangup": True}}]},
        "fallback": {"to": {"extension": "101"}},
    },
}
"""The least that each kind needs."""


@dataclass(frozen=True)
class Example:
    """A spec that a rule admits and one that it refuses, at `path`; they differ in nothing else."""

    kind: str
    admitted: Spec
    refused: Spec
    path: str


def example(kind: str, path: str, *, admitted: Spec, refused: Spec) -> Example:
    return Example(kind, _merged(MINIMAL[kind], admitted), _merged(MINIMAL[kind], refused), path)


def _merged(base: Spec, change: Spec) -> Spec:
    return {**deepcopy(base), **change}


def _transport(**fields: Any) -> Spec:
    return {"transports": [{"name": "sip", **fields}]}


def _mail(**server: Any) -> Spec:
    return {"voicemail": {"mail": {"from": "pbx@example.com", "server": {"host": "mail.example.com", **server}}}}


def _inbound(to: Spec) -> Spec:
    return {"matchNetworks": ["192.0.2.0/24"], "inbound": [{"did": "*", "to": to}]}


def _state(**fields: Any) -> Spec:
    return {"dialog": {"start": "one", "states": [{"name": "one", **fields}]}}


def _collect(**fields: Any) -> Spec:
    return _state(collect=fields, transitions=[{"answered": True, "to": "one"}])


def _fallback(to: Spec) -> Spec:
    return {"fallback": {"to": to}}


_KEY = {"name": "speech", "key": "key"}
_CHOICES = [{"value": "sales", "phrases": ["sales"]}]
_YES_NO = {"grammar": "yesNo"}
_REALTIME = {"provider": "openai", "secretRef": _KEY, "instructions": "Help."}
_TRANSFERS = [{"name": "sales", "description": "They want to buy.", "to": {"extension": "101"}}]
_TLS = {"name": "site-tls"}
_CALLBACK = {"name": "infinity", "key": "callback"}
_PIN = {"name": "pins", "key": "101"}
_ACCOUNT = {"name": "carrier"}

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "tenant-default-caller": (
        example(
            "InfinityTenant",
            "spec.defaultCallerNumber",
            admitted={"callerNumberStrategy": "Default", "defaultCallerNumber": "+15550100"},
            refused={"callerNumberStrategy": "Default"},
        ),
    ),
    "callback-shared-secret-networks": (
        example(
            "InfinityTenant",
            "spec.callback.allowedNetworks",
            admitted={
                "callback": {
                    "secretRef": _CALLBACK,
                    "authentication": "SharedSecret",
                    "allowedNetworks": ["192.0.2.0/24"],
                }
            },
            refused={"callback": {"secretRef": _CALLBACK, "authentication": "SharedSecret"}},
        ),
    ),
    "campaign-destinations": (
        example(
            "Campaign",
            "spec.destinations",
            admitted={"destinations": {"upload": True}},
            refused={"destinations": {"upload": True, "configMapRef": {"name": "leads", "key": "list.csv"}}},
        ),
    ),
    "campaign-who-speaks": (
        example(
            "Campaign",
            "spec",
            admitted={"agents": None, "voiceBot": {"name": "reminders", "callbackNumber": "+15550100"}},
            refused={"voiceBot": {"name": "reminders", "callbackNumber": "+15550100"}},
        ),
    ),
    "campaign-over-what": (
        example(
            "Campaign",
            "spec.tenant",
            admitted={"tenant": None, "agents": None, "voiceBot": {"name": "reminders"}},
            refused={"tenant": None, "agents": None, "voiceBot": {"name": "reminders", "callbackNumber": "+15550100"}},
        ),
    ),
    "heartbeat-timeout": (
        example(
            "ElevatorDevice",
            "spec.heartbeat.timeoutSeconds",
            admitted={"heartbeat": {"intervalSeconds": 10, "timeoutSeconds": 11}},
            refused={"heartbeat": {"intervalSeconds": 10, "timeoutSeconds": 10}},
        ),
    ),
    "device-callback-any": (
        example(
            "ElevatorDevice",
            "spec.callback",
            admitted={"callback": {"snapshotUrl": "https://backend.example.com/pictures"}},
            refused={"callback": {"secretRef": _CALLBACK}},
        ),
    ),
    "device-location": (
        example(
            "ElevatorDevice",
            "spec.location",
            admitted={"location": "ö" * 39 + "x"},
            refused={"location": "ö" * 40},
        ),
    ),
    "device-telephone": (
        example(
            "ElevatorDevice",
            "spec.emergencyExtension",
            admitted={"testCall": {"number": "770"}, "operators": ["101"], "emergencyExtension": "801"},
            refused={"testCall": {"number": "770"}, "operators": ["101"]},
        ),
        example(
            "ElevatorDevice",
            "spec.emergencyExtension",
            admitted={"operators": []},
            refused={"operators": ["101"]},
        ),
    ),
    "dongle-which": (Example("Dongle", {"imsi": "262011234567890"}, {"group": "out"}, "spec"),),
    "dongle-ports": (
        example(
            "Dongle",
            "spec.audioPort",
            admitted={"audioPort": "/dev/ttyUSB1", "dataPort": "/dev/ttyUSB2"},
            refused={"dataPort": "/dev/ttyUSB2"},
        ),
    ),
    "sms-one-way": (
        Example(
            "SmsMessage",
            {"dongleGroup": "out", "to": "+15550100", "text": "Hello"},
            {"to": "+15550100", "text": "Hello"},
            "spec",
        ),
    ),
    "transport-wss-no-bind": (
        example(
            "Asterisk",
            "spec.transports[0].bind",
            admitted=_transport(protocol="wss", certificateSecretRef=_TLS),
            refused=_transport(protocol="wss", certificateSecretRef=_TLS, bind="0.0.0.0:8089"),
        ),
    ),
    "transport-bind": (
        example(
            "Asterisk",
            "spec.transports[0].bind",
            admitted=_transport(protocol="tcp", bind="[::]:5060"),
            refused=_transport(protocol="tcp"),
        ),
    ),
    "transport-certificate": (
        example(
            "Asterisk",
            "spec.transports[0].certificateSecretRef",
            admitted=_transport(protocol="wss", certificateSecretRef=_TLS),
            refused=_transport(protocol="wss"),
        ),
    ),
    "trunk-tls-authority": (
        example(
            "SipTrunk",
            "spec.tls.caSecretRef",
            admitted={"host": "sip.example.com", "tls": {"caSecretRef": {"name": "authority"}}},
            refused={"host": "sip.example.com", "tls": {"verify": False, "caSecretRef": {"name": "authority"}}},
        ),
    ),
    "transport-no-certificate": (
        example(
            "Asterisk",
            "spec.transports[0].certificateSecretRef",
            admitted=_transport(protocol="udp", bind="0.0.0.0"),
            refused=_transport(protocol="udp", bind="0.0.0.0", certificateSecretRef=_TLS),
        ),
    ),
    "transports-one-wss": (
        example(
            "Asterisk",
            "spec.transports",
            admitted={
                "transports": [
                    {"name": "a", "protocol": "wss", "certificateSecretRef": _TLS},
                    {"name": "b", "protocol": "udp", "bind": "0.0.0.0"},
                ]
            },
            refused={
                "transports": [
                    {"name": "a", "protocol": "wss", "certificateSecretRef": _TLS},
                    {"name": "b", "protocol": "wss", "certificateSecretRef": _TLS},
                ]
            },
        ),
    ),
    "rtp-range": (
        example(
            "Asterisk",
            "spec.rtp.portStart",
            admitted={"rtp": {"portStart": 19_999}},
            refused={"rtp": {"portStart": 20_000}},
        ),
    ),
    "caller-id-country": (
        example(
            "SipTrunk",
            "spec.callerIdPolicy.countryCode",
            admitted={"callerIdPolicy": {"format": "e164", "countryCode": "49"}},
            refused={"callerIdPolicy": {"format": "e164"}},
        ),
    ),
    "trunk-registration-credentials": (
        example(
            "SipTrunk",
            "spec.credentialsSecretRef",
            admitted={"registration": {}, "credentialsSecretRef": _ACCOUNT},
            refused={"registration": {}},
        ),
        example(
            "SipTrunk",
            "spec.credentialsSecretRef",
            admitted={"registration": {"enabled": False}},
            refused={"registration": {"enabled": True}},
        ),
    ),
    "trunk-identified": (
        example(
            "SipTrunk",
            "spec.matchNetworks",
            admitted=_inbound({"hangup": True}),
            refused={"inbound": [{"did": "*", "to": {"hangup": True}}]},
        ),
        example(
            "SipTrunk",
            "spec.matchNetworks",
            admitted={"host": "192.0.2.1", "inbound": [{"did": "*", "to": {"hangup": True}}]},
            refused={"host": "192.0.2.1.example.com", "inbound": [{"did": "*", "to": {"hangup": True}}]},
        ),
        example(
            "SipTrunk",
            "spec.matchNetworks",
            admitted={"host": "2001:db8::1", "inbound": [{"did": "*", "to": {"hangup": True}}]},
            refused={"host": "db8.example", "inbound": [{"did": "*", "to": {"hangup": True}}]},
        ),
        example(
            "SipTrunk",
            "spec.matchNetworks",
            admitted={
                "registration": {},
                "credentialsSecretRef": _ACCOUNT,
                "inbound": [{"did": "*", "to": {"hangup": True}}],
            },
            refused={
                "registration": {"enabled": False},
                "credentialsSecretRef": _ACCOUNT,
                "inbound": [{"did": "*", "to": {"hangup": True}}],
            },
        ),
    ),
    "destination-one": (
        example(
            "SipTrunk",
            "spec.inbound[0].to",
            admitted=_inbound({"schedule": "office"}),
            refused=_inbound({"schedule": "office", "extension": "101"}),
        ),
        example("SipTrunk", "spec.inbound[0].to", admitted=_inbound({"voiceBot": "reception"}), refused=_inbound({})),
        example(
            "Schedule",
            "spec.whenOpen",
            admitted={"whenOpen": {"number": "+49301234567"}},
            refused={"whenOpen": {"number": "+49301234567", "voicemail": "101"}},
        ),
    ),
    "final-destination-one": (
        example(
            "SipTrunk",
            "spec.inbound[0].to.ringGroup.noAnswer",
            admitted=_inbound({"ringGroup": {"members": ["101", "102"], "noAnswer": {"voicemail": "101"}}}),
            refused=_inbound({"ringGroup": {"members": ["101", "102"], "noAnswer": {}}}),
        ),
    ),
    "extension-credentials": (
        example(
            "Extension",
            "spec.credentialsSecretRef",
            admitted={"generateCredentials": True},
            refused={"generateCredentials": True, "credentialsSecretRef": {"name": "phone"}},
        ),
        example(
            "Extension",
            "spec.credentialsSecretRef",
            admitted={"generateCredentials": False, "credentialsSecretRef": {"name": "phone"}},
            refused={"generateCredentials": False},
        ),
    ),
    "extension-display-name": (
        example(
            "Extension",
            "spec.displayName",
            admitted={"displayName": "ä" * 39 + "x"},
            refused={"displayName": "ä" * 40},
        ),
        example(
            "Extension", "spec.displayName", admitted={"displayName": "x" * 64}, refused={"displayName": "山" * 27}
        ),
    ),
    "extension-webrtc-dtls": (
        example(
            "Extension",
            "spec.mediaEncryption",
            admitted={"webrtc": True},
            refused={"webrtc": True, "mediaEncryption": "none"},
        ),
        example(
            "Extension",
            "spec.mediaEncryption",
            admitted={"webrtc": True, "mediaEncryption": "dtls"},
            refused={"webrtc": True, "mediaEncryption": "sdes"},
        ),
    ),
    "mail-server-credentials": (
        example(
            "Asterisk",
            "spec.voicemail.mail.server.credentialsSecretRef",
            admitted=_mail(security="tls", credentialsSecretRef={"name": "mail"}),
            refused=_mail(security="none", credentialsSecretRef={"name": "mail"}),
        ),
    ),
    "mail-server-authority": (
        example(
            "Asterisk",
            "spec.voicemail.mail.server.caSecretRef",
            admitted=_mail(caSecretRef={"name": "authority"}),
            refused=_mail(security="none", caSecretRef={"name": "authority"}),
        ),
    ),
    "voicemail-pin": (
        example(
            "Extension",
            "spec.voicemail.pinSecretRef",
            admitted={"voicemail": {"pinSecretRef": _PIN}},
            refused={"voicemail": {}},
        ),
        example(
            "Extension",
            "spec.voicemail.pinSecretRef",
            admitted={"voicemail": {"enabled": False}},
            refused={"voicemail": {"enabled": True}},
        ),
    ),
    "voicemail-delete-email": (
        example(
            "Extension",
            "spec.voicemail.deleteAfterEmail",
            admitted={"voicemail": {"pinSecretRef": _PIN, "email": "ada@example.com", "deleteAfterEmail": True}},
            refused={"voicemail": {"pinSecretRef": _PIN, "deleteAfterEmail": True}},
        ),
        example(
            "Extension",
            "spec.voicemail.deleteAfterEmail",
            admitted={"voicemail": {"pinSecretRef": _PIN, "email": "ada@example.com", "attachAudio": False}},
            refused={
                "voicemail": {
                    "pinSecretRef": _PIN,
                    "email": "ada@example.com",
                    "attachAudio": False,
                    "deleteAfterEmail": True,
                }
            },
        ),
    ),
    "schedule-hours": (
        example(
            "Schedule",
            "spec.open[0].to",
            admitted={"open": [{"days": ["fri"], "from": "22:00", "to": "06:00"}]},
            refused={"open": [{"days": ["fri"], "from": "22:00", "to": "22:00"}]},
        ),
    ),
    "speech-to-text-key": (
        example(
            "VoiceBot",
            "spec.speechToText.secretRef",
            admitted={"speechToText": {"provider": "elevenlabs", "secretRef": _KEY}},
            refused={"speechToText": {"provider": "elevenlabs"}},
        ),
        example(
            "VoiceBot",
            "spec.speechToText.secretRef",
            admitted={"speechToText": {"provider": "offline"}},
            refused={"speechToText": {"provider": "offline", "secretRef": _KEY}},
        ),
    ),
    "text-to-speech-key": (
        example(
            "VoiceBot",
            "spec.textToSpeech.secretRef",
            admitted={"textToSpeech": {"provider": "elevenlabs", "secretRef": _KEY}},
            refused={"textToSpeech": {"provider": "elevenlabs"}},
        ),
        example(
            "VoiceBot",
            "spec.textToSpeech.secretRef",
            admitted={"textToSpeech": {"voice": "slt"}},
            refused={"textToSpeech": {"voice": "slt", "secretRef": _KEY}},
        ),
    ),
    "fallback-one": (
        example(
            "VoiceBot",
            "spec.fallback.to",
            admitted=_fallback({"voicemail": "101"}),
            refused=_fallback({"voicemail": "101", "hangup": True}),
        ),
        example("VoiceBot", "spec.fallback.to", admitted=_fallback({"hangup": True}), refused=_fallback({})),
    ),
    "fallback-no-bot": (
        example(
            "VoiceBot",
            "spec.fallback.to.ringGroup",
            admitted=_fallback({"ringGroup": {"members": ["101"], "noAnswer": {"voicemail": "101"}}}),
            refused=_fallback({"ringGroup": {"members": ["101"], "noAnswer": {"voiceBot": "other"}}}),
        ),
    ),
    "voice-bot-one": (
        example("VoiceBot", "spec", admitted={}, refused={"realtime": _REALTIME}),
        example(
            "VoiceBot",
            "spec",
            admitted={"dialog": None, "engine": {"external": {"url": "https://bots.example.com/call"}}},
            refused={"dialog": None},
        ),
    ),
    "realtime-transfers": (
        example(
            "VoiceBot",
            "spec.realtime.transfers",
            admitted={"dialog": None, "realtime": {**_REALTIME, "provider": "openai", "transfers": _TRANSFERS}},
            refused={"dialog": None, "realtime": {**_REALTIME, "provider": "doubao", "transfers": _TRANSFERS}},
        ),
    ),
    "say-one": (
        example(
            "VoiceBot",
            "spec.dialog.states[0].say",
            admitted=_state(say={"prompt": "hello"}, next="one"),
            refused=_state(say={"prompt": "hello", "text": "Hello."}, next="one"),
        ),
    ),
    "collect-choices": (
        example(
            "VoiceBot",
            "spec.dialog.states[0].collect.choices",
            admitted=_collect(grammar="choices", choices=_CHOICES),
            refused=_collect(grammar="choices"),
        ),
        example(
            "VoiceBot",
            "spec.dialog.states[0].collect.choices",
            admitted=_collect(grammar="words"),
            refused=_collect(grammar="words", choices=_CHOICES),
        ),
    ),
    "collect-digits": (
        example(
            "VoiceBot",
            "spec.dialog.states[0].collect.minDigits",
            admitted=_collect(grammar="digits", minDigits=5, maxDigits=5),
            refused=_collect(grammar="digits", minDigits=6, maxDigits=5),
        ),
    ),
    "transition-one": (
        example(
            "VoiceBot",
            "spec.dialog.states[0].transitions[0]",
            admitted=_state(collect=_YES_NO, transitions=[{"intent": "yes", "to": "one"}]),
            refused=_state(collect=_YES_NO, transitions=[{"intent": "yes", "dtmf": "1", "to": "one"}]),
        ),
    ),
    "bot-action-one": (
        example(
            "VoiceBot",
            "spec.dialog.states[0].action",
            admitted=_state(action={"transfer": {"to": {"extension": "101"}}}),
            refused=_state(action={"transfer": {"to": {"extension": "101"}}, "hangup": True}),
        ),
    ),
    "state-one-end": (
        example("VoiceBot", "spec.dialog.states[0]", admitted=_state(next="one"), refused=_state()),
        example(
            "VoiceBot",
            "spec.dialog.states[0]",
            admitted=_state(collect=_YES_NO, transitions=[{"answered": True, "to": "one"}]),
            refused=_state(collect=_YES_NO, transitions=[{"answered": True, "to": "one"}], next="one"),
        ),
        example(
            "VoiceBot",
            "spec.dialog.states[0]",
            admitted=_state(action={"setVariable": {"name": "asked", "value": "yes"}}, next="one"),
            refused=_state(action={"setVariable": {"name": "asked", "value": "yes"}}),
        ),
        example(
            "VoiceBot",
            "spec.dialog.states[0]",
            admitted=_state(action={"hangup": True}),
            refused=_state(action={"hangup": True}, next="one"),
        ),
    ),
}


def all_rules() -> list[Rule]:
    """Every rule of every part that a kind is made of."""
    found: dict[type[Part], None] = {}

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, Part):
            if annotation not in found:
                found[annotation] = None
                for info in annotation.model_fields.values():
                    walk(info.annotation)
            return
        for argument in getattr(annotation, "__args__", ()):
            walk(argument)

    for kind in KINDS.values():
        walk(kind.spec)
        walk(kind.status)
    return [rule for part in found for rule in part.rules]


def rule_cases() -> list[tuple[Rule, Example]]:
    """Each rule with each of its examples; a rule without any is a KeyError, and so a failure of collection."""
    return [(rule, one) for rule in all_rules() for one in EXAMPLES[rule.id]]
