"""The SIP address of a carrier, and the transport to it."""

from ipaddress import ip_address

from dialplane.resources.asterisk import AsteriskSpec, Transport
from dialplane.resources.sip_trunk import SipTrunkSpec


def server_uri(asterisk: AsteriskSpec, spec: SipTrunkSpec, user: str) -> str:
    """`sip:[user@]host[:port][;transport=…]` of the carrier."""
    return f"sip:{user}{'@' if user else ''}{server_address(asterisk, spec)}"


def server_address(asterisk: AsteriskSpec, spec: SipTrunkSpec) -> str:
    """`host[:port][;transport=…]` of the carrier: what follows the user in a URI."""
    return f"{bracketed(spec.host)}{f':{spec.port}' if spec.port else ''}{transport_parameter(asterisk, spec)}"


def transport_parameter(asterisk: AsteriskSpec, spec: SipTrunkSpec) -> str:
    """`;transport=…`; nothing for udp, which every SIP address means."""
    protocol = asterisk.protocol(spec.transport)
    return f";transport={protocol}" if protocol in {"tcp", "tls"} else ""


def bracketed(host: str) -> str:
    """A host as it stands in a URI: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def transport_of(asterisk: AsteriskSpec, spec: SipTrunkSpec) -> Transport | None:
    """The transport of a trunk: as named, else the first, or for an address the first of its protocol with its IP.

    None where there is none.
    """
    if spec.transport is not None:
        return next((t for t in asterisk.transports if t.name == spec.transport), None)
    protocol = asterisk.protocol(None)
    fitting = [t for t in asterisk.transports if t.protocol == ("udp" if protocol == "wss" else protocol)]
    if spec.next_hop_is_address:
        version = ip_address(spec.next_hop[0]).version
        fitting = [t for t in fitting if t.kind.endswith(str(version))]
    return fitting[0] if fitting else None
