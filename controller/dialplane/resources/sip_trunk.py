"""SipTrunk: a line to a carrier or to another PBX."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.conditions import ConditionType, Truth
from dialplane.resources.destination import Destination
from dialplane.resources.event_type import EventType, Severity
from dialplane.resources.fields import (
    DISTINCT,
    CallerNumber,
    Codecs,
    DialPattern,
    DialPrefix,
    Did,
    Distinct,
    DtmfMode,
    FromUser,
    Host,
    HostPort,
    MediaEncryption,
    ObjectName,
    PeerCidr,
    Permission,
    Port,
    SipUser,
    Timestamp,
    UsernamePasswordRef,
)
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind, condition_column
from dialplane.resources.numbering import CountryCode, NationalPrefix
from dialplane.resources.rule import Rule
from dialplane.resources.secret_ref import AuthoritySecretRef
from dialplane.resources.status import Status
from dialplane.resources.text import Text


class Registration(Part):
    """Registering with the carrier, so that it knows where to send calls."""

    enabled: bool = True
    """Register. `false` keeps the settings and stays unregistered."""
    expiry_seconds: Annotated[int, Field(ge=60, le=86_400)] = 3600
    """How long a registration is asked for, in seconds; Asterisk renews it before."""
    retry_seconds: Annotated[int, Field(ge=10, le=3600)] = 60
    """How long to wait after a failed registration, in seconds. Tried again for ever, after a rejection too."""
    contact_user: SipUser | None = None
    """The user part of the contact, which some carriers send calls to. By default the Secret's user name."""


class CallerIdPolicy(Part):
    """How numbers are written and believed on this trunk."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="caller-id-country",
            message="formats e164 and national need countryCode",
            field="countryCode",
            cel="self.format == 'asIs' || has(self.countryCode)",
            holds=lambda policy: policy.format == "asIs" or policy.country_code is not None,
        ),
    )

    format: Literal["e164", "national", "asIs"] = "asIs"
    """How the caller's number is written to the carrier: `e164` (+49301234567), `national` (0301234567), or `asIs`."""
    country_code: CountryCode | None = None
    """The country calling code without `+`, such as `"49"`."""
    national_prefix: NationalPrefix | None = None
    """What stands before a national number; empty in countries without one. By default the country's."""
    trust_inbound: bool = False
    """Believe the caller's identity that the other side asserts (P-Asserted-Identity, Remote-Party-ID)."""
    assert_hidden: bool = False
    """Tell the carrier, and the carrier alone, the number of a caller who hides it (P-Asserted-Identity beside
    `Privacy: id`). Some carriers take no call without. By default it gets no number of theirs."""


SipAnswer = Annotated[
    str,
    Text('a SIP answer in quotes: a code such as "503", or a class such as "5xx"', r"^[4-6]([0-9]{2}|xx)$", 3),
]
"""A final answer of SIP, or a class of them."""


class TrunkTls(Part):
    """Whose certificate is taken from the other side; only over a tls transport."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="trunk-tls-authority",
            message="without verify no authority is asked: remove caSecretRef, or verify",
            field="caSecretRef",
            cel="self.verify || !has(self.caSecretRef)",
            holds=lambda tls: tls.verify or tls.ca_secret_ref is None,
        ),
    )

    verify: bool = True
    """Take only a certificate that an authority vouches for and that names `host` (with `outboundProxy`: that one).
    `false` takes any: whoever is on the way can listen and place calls, and the keys of SRTP travel in SIP."""
    ca_secret_ref: AuthoritySecretRef | None = None
    """The authorities that may vouch for it, a certificate that is its own authority included. By default those of the
    machine that Asterisk runs on (`caFile` of the Asterisk)."""


class InboundRoute(Part):
    """Where calls to one number go."""

    did: Did
    """The number as the carrier sends it, such as `"+49301234567"`; `"*"` catches every other. Without a match the call
    is refused."""
    to: Destination
    """Where the call goes: exactly one of these."""


class OutboundRoute(Part):
    """Which dialled numbers leave through this trunk, and how they are written."""

    pattern: DialPattern
    """A number, or an Asterisk pattern: `_0X.` is a 0 and at least one more digit; X is 0-9, Z 1-9, N 2-9, `[2-5]` a
    choice, a final `.` one or more and a final `!` any number of further characters."""
    strip: Annotated[int, Field(ge=0, le=20)] = 0
    """Digits to take off the front of the dialled number."""
    prepend: DialPrefix = ""
    """What to put before the number after stripping."""
    permission: Permission = "international"
    """What an extension must be permitted to use this route."""
    priority: Annotated[int, Field(ge=1, le=1000)] = 100
    """Where routes of several trunks match: the lowest is tried first, the next one when that trunk fails."""


_IDENTIFIED = (
    "self.inbound.size() == 0 || (has(self.registration) && self.registration.enabled)"
    " || self.matchNetworks.size() > 0 || self.host.matches('^([0-9.]+|.*:.*)$')"
)


class SipTrunkSpec(Spec):
    """A line to a carrier or to another PBX."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="trunk-registration-credentials",
            message="a trunk that registers needs credentialsSecretRef",
            field="credentialsSecretRef",
            cel="!has(self.registration) || !self.registration.enabled || has(self.credentialsSecretRef)",
            holds=lambda spec: not spec.registers or spec.credentials_secret_ref is not None,
        ),
        Rule(
            id="trunk-identified",
            message="calls from this trunk must be told from others: list the carrier's networks, give host as an "
            "IP address, or register",
            field="matchNetworks",
            cel=_IDENTIFIED,
            holds=lambda spec: not spec.inbound or spec.registers or bool(spec.match_networks) or spec.host_is_address,
        ),
    )

    host: Host
    """The carrier's host name or address."""
    port: Port | None = None
    """The carrier's SIP port. Without it: what DNS says (SRV), else 5060, with tls 5061."""
    transport: ObjectName | None = None
    """The name of a transport of the Asterisk (udp, tcp or tls). By default its first."""
    tls: TrunkTls = TrunkTls()
    """Whose certificate is taken, where `transport` is a tls one. Trunks of one transport agree on it."""
    enabled: bool = True
    """`false` takes the trunk out of service and keeps the manifest."""
    credentials_secret_ref: UsernamePasswordRef | None = None
    """The account at the carrier; used to register and to answer its challenges."""
    registration: Registration | None = None
    """Register with the carrier. Without it the carrier must know this site's address."""
    qualify_seconds: Annotated[int, Field(ge=0, le=3600)] = 60
    """How often to ask the carrier whether it is there (OPTIONS), in seconds; 0 never asks, and then there is no
    `Reachable` condition."""
    codecs: Codecs | None = None
    """What is offered, the preferred one first. By default those of the Asterisk."""
    dtmf_mode: DtmfMode = "rfc4733"
    """How key presses travel: `rfc4733` (in RTP, usual), `info` (SIP INFO), `inband` (as tones), `auto` (rfc4733 if
    offered, else inband), `auto_info` (rfc4733 if offered, else info)."""
    match_networks: Annotated[tuple[PeerCidr, ...], Field(max_length=64), DISTINCT] = ()
    """The networks that calls from this carrier come from, at least /8 (IPv6: /16). Whoever is in them may use the
    inbound routes without a password. By default `host` if that is an IP address. Trunks with the very same networks
    share them, and the number called decides."""
    from_user: FromUser | None = None
    """The user part of From, where the carrier wants its account there. Calls that hide their number go without."""
    from_domain: Host | None = None
    """The domain of From, where the carrier wants its own. Calls that hide their number go without."""
    outbound_proxy: HostPort | None = None
    """`host[:port]` of a proxy that all requests go through."""
    caller_id: CallerNumber | None = None
    """The number shown to those called where the extension has no `callerId` of its own."""
    caller_id_policy: CallerIdPolicy = CallerIdPolicy()
    """How numbers are written and believed."""
    inbound_number_from: Literal["requestUri", "toHeader"] = "requestUri"
    """Where the called number stands: in the request URI, or in the To header (carriers that send all calls to the
    registered contact)."""
    answer_seconds: Annotated[int, Field(ge=1, le=60)] = 9
    """How long a call waits until the carrier rings or sends voice (180 or 183) before the next trunk is tried, in
    seconds. `100 Trying` alone is no answer. A call that rings is not cut off, and the last trunk is waited for.
    Emergency calls wait for 4 seconds."""
    failover_on: Annotated[tuple[SipAnswer, ...], Field(max_length=32), DISTINCT] = ("408", "5xx")
    """The carrier's answers after which the next trunk is tried: they say that the trunk failed. Any other answer is
    the callee's, and the caller hears it. A carrier that is unreachable or silent, refuses the account (401, 407) or
    sends the call elsewhere (3xx) always means the next trunk."""
    max_channels: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """The most calls at once, in and out together. By default unlimited."""
    media_encryption: MediaEncryption = "none"
    """Encryption of voice: `none`, `sdes` (SRTP with keys in SDP: use tls), or `dtls`."""
    inbound: Annotated[tuple[InboundRoute, ...], Field(max_length=256), Distinct(keys=("did",))] = ()
    """Where calls from the carrier go, by the number called."""
    outbound: Annotated[tuple[OutboundRoute, ...], Field(max_length=256), Distinct(keys=("pattern",))] = ()
    """Which dialled numbers leave through this trunk."""

    @property
    def registers(self) -> bool:
        """Whether Asterisk registers with the carrier (unless the trunk is disabled)."""
        return self.registration is not None and self.registration.enabled

    @property
    def host_is_address(self) -> bool:
        """Whether `host` is an IP address, so that it can identify the trunk without asking DNS."""
        return _is_address(self.host)

    @property
    def next_hop(self) -> tuple[str, int | None]:
        """Host (IPv6 without brackets) and port that requests go to: of `outboundProxy`, else of the carrier itself."""
        if not self.outbound_proxy:
            return self.host, self.port
        address, bracket, rest = self.outbound_proxy.rpartition("]")
        host, _, port = rest.partition(":")
        return address.removeprefix("[") if bracket else host, int(port) if port else None

    @property
    def next_hop_is_address(self) -> bool:
        """Whether requests go out without asking DNS."""
        return _is_address(self.next_hop[0])


def _is_address(host: str) -> bool:
    return ":" in host or not host.strip("0123456789.")


class RegistrationStatus(Part):
    """The outbound registration."""

    state: Annotated[str, Field(max_length=32)]
    """What Asterisk says: `Registered`, `Unregistered`, `Rejected` or `Stopped`."""
    server_uri: Annotated[str, Field(max_length=512)] | None = None
    """Where it registers."""
    last_registered_at: Timestamp | None = None
    """When it last became registered."""


class TrunkContactStatus(Part):
    """The carrier as OPTIONS sees it."""

    state: Annotated[str, Field(max_length=32)]
    """What Asterisk says: `Reachable`, `Unreachable`, `NonQualified` or `Unknown`."""


class SipTrunkStatus(Status):
    """What the running Asterisk says about the trunk."""

    registration: RegistrationStatus | None = None
    """The outbound registration; only where the trunk registers."""
    contact: TrunkContactStatus | None = None
    """Whether the carrier answers."""


KIND: Final = Kind(
    name="SipTrunk",
    plural="siptrunks",
    singular="siptrunk",
    short_names=("siptrunk",),
    spec=SipTrunkSpec,
    status=SipTrunkStatus,
    columns=(
        Column("Host", ".spec.host"),
        condition_column("Registered", "Registered"),
        condition_column("Reachable", "Reachable"),
        READY,
        AGE,
        *WHY,
    ),
    description="A line to a carrier or to another PBX, with the routes in and out.",
    rendered=True,
    events=(
        EventType(
            name="trunk.registered",
            title="Trunk {name} is registered again",
            severity=Severity.SUCCESS,
            after=Truth.TRUE,
            condition=ConditionType.REGISTERED,
        ),
        EventType(
            name="trunk.unregistered",
            title="Trunk {name} is not registered",
            severity=Severity.WARNING,
            after=Truth.FALSE,
            condition=ConditionType.REGISTERED,
        ),
    ),
)
