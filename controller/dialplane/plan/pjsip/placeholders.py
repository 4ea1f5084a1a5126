"""The transports on loopback that Asterisk's base files open at its start, so that it will ask DNS.

Asterisk decides once, while res_pjsip loads, for which transports it will ever look up addresses. Of several transports
of a protocol it sends by the one that it opened first. So a placeholder may not stay before one of the site's: phones
would be called from loopback.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from dialplane.plan.objects import Setting
from dialplane.plan.site import Site
from dialplane.resources.asterisk import Transport

PLACEHOLDER = "dp_boot_"
"""Begins the name of a placeholder, which ends in its kind (`udp4`); `_` stands in no name of a manifest."""

FILE = "pjsip_placeholder.conf"


def kinds(transports: Iterable[Transport]) -> list[str]:
    """The kinds of these transports, such as `udp4`, sorted."""
    return sorted({transport.kind for transport in transports} - {""})


def placeholder_settings(site: Site) -> Iterator[Setting]:
    """What the placeholders of the site's own kinds get to leave, or to be opened again behind the site's.

    For UDP another protocol, one without a socket, closes it. A listener of TCP or TLS is only opened again, at any
    change: here of a time limit of web sockets, which it has no use for.
    """
    transports = site.asterisk.transports
    for kind in kinds(transports):
        own = [(t.name, t.bind) for t in transports if t.kind == kind]
        mark = str(int.from_bytes(blake2b(repr(own).encode(), digest_size=3).digest()) + 1)
        option = ("protocol", "ws") if kind.startswith("udp") else ("websocket_write_timeout", mark)
        yield Setting(FILE, f"{PLACEHOLDER}{kind}", *option, site.asterisk_key)
