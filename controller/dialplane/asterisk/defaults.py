"""What Asterisk shows for options that were not rendered, and what it never shows.

An object that Asterisk refused keeps its old version. If the new one only leaves an option out, everything rendered
would still agree; so whatever was *not* rendered must show its default. An endpoint needs no such table: its revision
mark (`set_var`) changes with every change. Measured on Asterisk 22.10.
"""

from collections.abc import Mapping

from dialplane.plan.objects import PjsipType

DEFAULTS: Mapping[PjsipType, Mapping[str, str]] = {
    PjsipType.AOR: {
        "contacts": "",
        "maxcontacts": "0",
        "removeexisting": "false",
        "removeunavailable": "false",
        "minimumexpiration": "60",
        "defaultexpiration": "3600",
        "maximumexpiration": "7200",
        "qualifyfrequency": "0",
        "qualifytimeout": "3.000000",
        "authenticatequalify": "false",
        "supportpath": "false",
        "mailboxes": "",
        "voicemailextension": "",
        "outboundproxy": "",
    },
    PjsipType.AUTH: {"username": "", "password": "", "md5cred": "", "realm": "", "noncelifetime": "32"},
    PjsipType.IDENTIFY: {"match": "", "matchheader": "", "srvlookups": "true"},
    PjsipType.REGISTRATION: {
        "transport": "",
        "outboundauth": "",
        "outboundproxy": "",
        "contactuser": "",
        "contactheaderparams": "",
        "expiration": "3600",
        "retryinterval": "60",
        "maxretries": "10",
        "forbiddenretryinterval": "0",
        "fatalretryinterval": "0",
        "authrejectionpermanent": "true",
        "line": "false",
        "endpoint": "",
        "supportpath": "false",
        "useragent": "",
    },
    PjsipType.TRANSPORT: {
        "externalmediaaddress": "",
        "externalsignalingaddress": "",
        "externalsignalingport": "0",
        "localnet": "",
        "certfile": "",
        "privkeyfile": "",
        "calistfile": "",
        "verifyserver": "No",
        "allowwildcardcerts": "No",
    },
}

NOT_SHOWN: Mapping[PjsipType, frozenset[str]] = {
    PjsipType.ENDPOINT: frozenset({"contactuser", "securitymechanisms"}),
    PjsipType.REGISTRATION: frozenset({"securitymechanisms"}),
    PjsipType.TRANSPORT: frozenset({"tos", "cos"}),
}
"""Fields that are not compared: what Asterisk shows for them says nothing about what it runs."""

UNVERIFIABLE: Mapping[tuple[str, str], str] = {
    (
        "endpoint",
        "permit, deny, acl, contact_*",
    ): "shown as `deny/permit`; presence is compared, the mark covers the rest",
    ("endpoint", "contact_user, security_mechanisms"): "never shown; the mark covers them",
    ("registration", "security_mechanisms"): "never shown",
    ("transport", "tos, cos"): "the file's value is shown while the open socket keeps the old one",
    (
        "transport",
        "ca_list_file, verify_server, cert_file, priv_key_file",
    ): "what was read is shown while the open socket goes on with the old ones; the controller's notes tell",
    ("transport", "a transport that no endpoint names"): "transports are shown beside an endpoint only",
    ("global", "*"): "no AMI action shows it",
    ("system", "*"): "no AMI action shows it, and only a restart reads it",
    ("identify", "match by host name"): "shown as the addresses it had at the reload; that it has some is compared",
    ("identify", "whose endpoint does not exist"): "identifies are shown beside their endpoint only",
    ("mailbox", "pin"): "never shown",
    ("dongle, quectel", "initstate"): "a modem may be stopped and started by hand; one with `remove` must not be there",
    ("context", "the caller id of EXTEN/CALLERID"): "ListDialplan leaves it out",
    ("rtp.conf, http.conf, cdr_*.conf", "*"): "no AMI action shows them, except that CDR and HTTP are enabled",
}
"""What AMI cannot prove, and why: (type, option). The one list of it; everything else is compared."""
