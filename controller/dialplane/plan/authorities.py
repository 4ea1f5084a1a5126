"""Whose certificates are taken over which transport: Asterisk verifies by transport, a manifest says it by trunk."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from dialplane.plan.digest import digest
from dialplane.plan.objects import KEYS, Objects, PjsipType
from dialplane.plan.site import Site
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import SipTrunkSpec

_TRUST = frozenset({"ca_list_file", "verify_server"})


@dataclass(frozen=True, slots=True)
class Authorities:
    """Who may vouch for those that are called over one transport."""

    file: str
    """Where Asterisk reads them, PEM."""
    name: str = ""
    """Of that file below the keys, without its ending; empty where it is the machine's own."""
    certificates: SecretStr = field(default_factory=lambda: SecretStr(""), repr=False)
    """What to write there."""
    owner: Key | None = None
    """The trunk that names them."""


def verifies(asterisk: AsteriskSpec, trunk: SipTrunkSpec) -> bool:
    """Whether the certificate of the other side is verified on calls to it."""
    return trunk.tls.verify and asterisk.protocol(trunk.transport) == "tls"


def trusted(objects: Objects) -> Mapping[str, str]:
    """A mark of what each rendered transport verifies by, by its id; empty where it verifies nobody."""
    found = {}
    for item in objects.pjsip:
        if item.type is PjsipType.TRANSPORT:
            options = [(name, value) for name, value in item.options if name in _TRUST]
            found[item.id] = digest(options) if options else ""
    return found


def authorities(site: Site) -> Mapping[str, Authorities]:
    """By the transport's name; those over which nobody is verified are not there. The checks made trunks agree."""
    found: dict[str, Authorities] = {}
    for key, trunk in site.trunks:
        transport = site.asterisk.transport(trunk.transport)
        if not verifies(site.asterisk, trunk) or transport.name in found:
            continue
        found[transport.name] = Authorities(site.asterisk.ca_file)
        if reference := trunk.tls.ca_secret_ref:
            name = f"{transport.name}.ca"
            path = f"{site.asterisk.config_directory}/{KEYS}/{name}.crt"
            found[transport.name] = Authorities(path, name, site.secret(key, reference.name, "ca.crt"), key)
    return found
