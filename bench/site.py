"""The site that is measured: a PBX and N phones, each with its Secret. Pure."""

from typing import Any

from testbed.asterisk import AsteriskInstance
from testbed.manifests import Manifest, manifest, secret
from testbed.ports import LOOPBACK

FIRST_NUMBER = 10_000
PERMISSIONS = (["internal"], ["internal", "local"], ["internal", "local", "national"])


def number(index: int) -> str:
    """The number of a phone, five digits."""
    return str(FIRST_NUMBER + index)


def name(index: int) -> str:
    """The name of its resource."""
    return f"e{number(index)}"


def password(index: int) -> str:
    """The password in its Secret."""
    return f"a-password-of-usual-length-{number(index)}"


def pbx(asterisk: AsteriskInstance) -> Manifest:
    """The manifest of this Asterisk."""
    return pbx_at(asterisk.sip_port, (asterisk.rtp_start, asterisk.rtp_end))


def pbx_at(port: int, rtp: tuple[int, int]) -> Manifest:
    """The manifest of an Asterisk on loopback."""
    transport = {"name": "udp", "protocol": "udp", "bind": f"{LOOPBACK}:{port}"}
    return manifest("Asterisk", "pbx", transports=[transport], rtp={"portStart": rtp[0], "portEnd": rtp[1]})


def extension(index: int, **changes: Any) -> Manifest:
    """A phone as most are, but for these fields."""
    usual = {
        "number": number(index),
        "displayName": f"Desk {index}",
        "credentialsSecretRef": {"name": f"phone-{number(index)}"},
        "permissions": PERMISSIONS[index % len(PERMISSIONS)],
        "ringSeconds": 25,
    }
    return manifest("Extension", name(index), **(usual | changes))


def account(index: int, secret_word: str = "") -> Manifest:
    """Its Secret."""
    return secret(f"phone-{number(index)}", username=number(index), password=secret_word or password(index))


KINDS_OF_EDITS = 3


def edit(serial: int) -> Manifest:
    """A change of one phone's spec, another each time: of its endpoint, of its context, or of its dialplan alone."""
    changes: tuple[Manifest, ...] = (
        {"displayName": f"Moved {serial}"},
        {"permissions": PERMISSIONS[serial // 3 % 3], "displayName": f"Promoted {serial}"},
        {"ringSeconds": 30 + serial % 60},
    )
    return changes[serial % KINDS_OF_EDITS]
