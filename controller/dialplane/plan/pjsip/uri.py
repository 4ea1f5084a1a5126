"""The SIP address of a carrier."""

from dialplane.plan.site import Site
from dialplane.resources.sip_trunk import SipTrunkSpec


def server_uri(site: Site, spec: SipTrunkSpec, user: str) -> str:
    """`sip:[user@]host[:port][;transport=…]` of the carrier."""
    return f"sip:{user}{'@' if user else ''}{server_address(site, spec)}"


def server_address(site: Site, spec: SipTrunkSpec) -> str:
    """`host[:port][;transport=…]` of the carrier: what follows the user in a URI."""
    host = f"[{spec.host}]" if ":" in spec.host else spec.host
    protocol = site.protocol(spec.transport)
    suffix = f";transport={protocol}" if protocol in {"tcp", "tls"} else ""
    return f"{host}{f':{spec.port}' if spec.port else ''}{suffix}"
