"""What a site serves, in words for the person who wants to make a call: where a softphone registers, and as whom."""

from collections.abc import Iterator

from dialplane.resources.asterisk import AsteriskSpec, Transport
from dialplane.resources.extension import ExtensionSpec, generated_secret
from dialplane.resources.snapshot import Snapshot

MANY = 8
"""Phones that are named; of more, the rest is counted."""


def served(snapshot: Snapshot) -> Iterator[str]:
    """Lines for a terminal. They name the Secrets that hold passwords, never a password."""
    asterisk = next((spec for _, spec in snapshot.of(AsteriskSpec)), None)
    phones = sorted(((s, r.key.name) for r, s in snapshot.of(ExtensionSpec)), key=lambda pair: pair[0].number)
    if asterisk is None or not phones:
        return
    yield f"Register a softphone at {', '.join(_place(t) for t in asterisk.transports)}"
    for spec, name in phones[:MANY]:
        reference = spec.credentials_secret_ref
        secret = reference.name if reference else generated_secret(name)
        permitted = ", ".join(spec.permissions) or "emergency numbers only"
        yield f"  user {spec.number}, password: key `password` of Secret {secret}; may dial {permitted}"
    if len(phones) > MANY:
        yield f"  and {len(phones) - MANY} more: dialplane get extensions"


def _place(transport: Transport) -> str:
    if transport.bind is None:
        return f"the web server of Asterisk ({transport.protocol})"
    address, port = transport.listens
    return f"{f'[{address}]' if ':' in address else address}:{port} ({transport.protocol})"
