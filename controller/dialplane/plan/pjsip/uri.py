"""The SIP address of a carrier."""

from dialplane.resources.asterisk import AsteriskSpec
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
