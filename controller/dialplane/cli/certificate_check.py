"""Whether carriers show certificates that are taken: Asterisk tells of one that is not in its log alone."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dialplane.cli.doctor_checks import Diagnosis, Level
from dialplane.plan.authorities import verifies
from dialplane.resources.asterisk import TLS_PORT, AsteriskSpec
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.snapshot import Snapshot

_CHECK: Final = "certificates"


def certificates(asterisk: AsteriskSpec, snapshot: Snapshot, limit: float) -> Iterator[Diagnosis]:
    """Connect to each carrier over TLS, as Asterisk would from this machine; `limit` in seconds is for each."""
    for resource, trunk in snapshot.of(SipTrunkSpec):
        if trunk.enabled and verifies(asterisk, trunk):
            yield _judged(resource.key.name, asterisk, trunk, snapshot, limit)


def _judged(name: str, asterisk: AsteriskSpec, trunk: SipTrunkSpec, snapshot: Snapshot, limit: float) -> Diagnosis:
    host, port = trunk.next_hop[0], trunk.next_hop[1] or TLS_PORT
    where = f"SipTrunk/{name}: {host}, port {port}"
    try:
        context = _context(asterisk, trunk, snapshot)
        with (
            socket.create_connection((host, port), timeout=limit) as connection,
            context.wrap_socket(connection, server_hostname=host) as tls,
        ):
            version = tls.version()
    except ssl.SSLCertVerificationError as error:
        cure = (
            "spec.host must be a name in the certificate, and its authority in caFile of the Asterisk or in "
            "spec.tls.caSecretRef; a certificate that has expired is the carrier's to renew"
        )
        return Diagnosis(_CHECK, Level.FAILED, f"{where}: not taken: {error.verify_message}", cure)
    except (ssl.SSLError, OSError) as error:
        cure = "look at host, port and firewall; does the carrier speak TLS 1.2 or newer there?"
        return Diagnosis(_CHECK, Level.WARNING, f"{where}: no TLS: {error.strerror or error}", cure)
    return Diagnosis(_CHECK, Level.OK, f"{where}: taken ({version})")


def _context(asterisk: AsteriskSpec, trunk: SipTrunkSpec, snapshot: Snapshot) -> ssl.SSLContext:
    """What the trunk trusts; where the file of Asterisk's machine is not on this one, what this one trusts."""
    reference = trunk.tls.ca_secret_ref
    if reference is not None:
        value = snapshot.secrets.get(reference.name, {}).get("ca.crt")
        return ssl.create_default_context(cadata=value.get_secret_value() if value else None)
    here = Path(asterisk.ca_file).is_file()
    return ssl.create_default_context(cafile=asterisk.ca_file if here else None)
