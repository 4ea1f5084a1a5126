"""What a site of bots says of the Asterisk that it is to run on, on this machine."""

from pathlib import Path
from urllib.parse import urlsplit

from dialplane.cli.inputs import read_input
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.voice_bot import VoiceBotSpec
from testbed.bootstrap import Account

_HTTP_PORT = 80


def rest_interface(site: Path) -> tuple[Account, int] | None:
    """Return the account and the port of the REST interface that its manifests name; None where they name none."""
    snapshot = read_input([str(site)], None).snapshot
    for _, spec in snapshot.of(AsteriskSpec):
        if spec.ari is not None:
            account = snapshot.secrets.get(spec.ari.credentials_secret_ref.name, {})
            if {"username", "password"} <= account.keys():
                name, secret = (account[key].get_secret_value() for key in ("username", "password"))
                return Account(name, secret), urlsplit(spec.ari.url).port or _HTTP_PORT
    return None


def numbers_of_bots(site: Path) -> list[str]:
    """Return the numbers that phones dial to speak with its bots."""
    specs = read_input([str(site)], None).snapshot.of(VoiceBotSpec)
    return [spec.number for _, spec in specs if spec.number is not None]
