"""A site that says everything there is to say: every option of every kind."""

from typing import Any

from dialplane.resources.snapshot import Snapshot
from tests.plan.modems import MODEM_SECRETS, MODEMS
from tests.plan.office import manifest, snapshot

TRANSPORTS = [
    {"name": "udp", "protocol": "udp", "bind": "192.0.2.1:5060", "externalAddress": "pbx.example.com", "localNetworks": ["10.0.0.0/8", "2001:db8::/32"]},
    {"name": "tcp", "protocol": "tcp", "bind": "[::1]:5070"},
    {"name": "tls", "protocol": "tls", "bind": "192.0.2.1", "certificateSecretRef": {"name": "tls"}},
    {"name": "browsers", "protocol": "wss", "certificateSecretRef": {"name": "tls"}},
]  # fmt: skip

ASTERISK: dict[str, Any] = {
    "transports": TRANSPORTS,
    "rtp": {"portStart": 12_000, "portEnd": 13_000, "stunServer": "stun.example.com:3478"},
    "emergency": {"numbers": ["112"], "prefixes": ["9"], "trunks": ["carrier"], "callerId": "+4930555"},
    "recording": {"path": "/srv/recordings"},
    "voicemail": {"mail": {"from": "pbx@example.com", "server": {"host": "mail.example.com"}}},
    "cdr": {"enabled": False},
    "numbering": {"countryCode": "49"},
    "timeZone": "Europe/Berlin",
    "defaultLanguage": "de",
    "codecs": ["opus", "alaw"],
    "caFile": "/etc/pki/tls/certs/ca-bundle.crt",
}

DESK = {
    "number": "101",
    "displayName": 'Lovelace, Ada; "R&D" \\ ${EXTEN}',
    "credentialsSecretRef": {"name": "desk"},
    "transport": "tls",
    "codecs": ["g722", "ulaw"],
    "dtmfMode": "auto_info",
    "mediaEncryption": "sdes",
    "nat": False,
    "maxContacts": 3,
    "permissions": ["internal", "local", "national", "international"],
    "callerId": "+4930555101",
    "hideCallerId": True,
    "emergencyCallerId": "+4930555999",
    "callWaiting": False,
    "record": "always",
    "voicemail": {"pinSecretRef": {"name": "desk", "key": "pin"}, "email": "ada@example.com", "deleteAfterEmail": True},
    "forward": {"unconditional": "102", "busy": "102", "noAnswer": "030123456"},
    "ringSeconds": 25,
    "pickupGroups": ["sales", "desks"],
    "allowedNetworks": ["10.1.0.0/16", "2001:db8:1::/48"],
}

CARRIER = {
    "host": "sip.example.com",
    "port": 5071,
    "transport": "tls",
    "tls": {"verify": True, "caSecretRef": {"name": "authority"}},
    "credentialsSecretRef": {"name": "carrier"},
    "registration": {"expirySeconds": 600, "retrySeconds": 30, "contactUser": "line-1"},
    "qualifySeconds": 30,
    "codecs": ["alaw"],
    "dtmfMode": "info",
    "matchNetworks": ["198.51.100.0/24", "2001:db8:2::1"],
    "fromUser": "account",
    "fromDomain": "example.com",
    "outboundProxy": "[2001:db8::5]:5060",
    "callerId": "+4930555",
    "callerIdPolicy": {"format": "national", "countryCode": "49", "trustInbound": True, "assertHidden": True},
    "inboundNumberFrom": "toHeader",
    "answerSeconds": 8,
    "failoverOn": ["503", "6xx"],
    "maxChannels": 4,
    "mediaEncryption": "sdes",
    "inbound": [{"did": "4930555", "to": {"extension": "101"}}],
    "outbound": [{"pattern": "_0Z.", "strip": 1, "prepend": "+49", "permission": "national"}],
}

MANIFESTS = [
    manifest("Asterisk", "pbx", ASTERISK),
    manifest("Extension", "desk", DESK),
    manifest("Extension", "plain", {"number": "102", "generateCredentials": True}),
    manifest("Extension", "browser", {"number": "103", "credentialsSecretRef": {"name": "browser"}, "webrtc": True}),
    manifest("SipTrunk", "carrier", CARRIER),
    manifest("SipTrunk", "peer", {"host": "2001:db8::7", "transport": "tcp", "qualifySeconds": 0}),
    *MODEMS,
]

SECRETS = {
    "desk": {"username": "101", "password": "p;w=1 #x", "pin": "4711"},
    "plain-credentials": {"username": "102", "password": "generated"},
    "browser": {"username": "103", "password": "of the browser"},
    "carrier": {"username": "account", "password": "of the carrier"},
    "authority": {"ca.crt": "-----BEGIN CERTIFICATE-----\nMIIA\n"},
    "tls": {"tls.crt": "-----BEGIN CERTIFICATE-----\nMIIB\n", "tls.key": "-----BEGIN PRIVATE KEY-----\nMIIE\n"},
    **MODEM_SECRETS,
}


def rich() -> Snapshot:
    return snapshot(MANIFESTS, SECRETS)
