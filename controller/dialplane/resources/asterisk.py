"""Asterisk: the site's PBX itself."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.conditions import Truth
from dialplane.resources.event_type import EventType, Severity
from dialplane.resources.fields import (
    DISTINCT,
    AbsolutePath,
    BindAddress,
    CallerNumber,
    Codecs,
    DialNumber,
    Distinct,
    Host,
    HostPort,
    HttpUrl,
    Language,
    Networks,
    ObjectName,
    Port,
    Protocol,
    Timestamp,
    TimeZone,
    TlsSecretRef,
    UsernamePasswordRef,
)
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind
from dialplane.resources.numbering import Numbering
from dialplane.resources.rule import Rule
from dialplane.resources.status import Status
from dialplane.resources.text import Text
from dialplane.resources.voicemail import MailboxSettings

SIP_PORT: Final = 5060
TLS_PORT: Final = 5061


class Ami(Part):
    """How the controller reaches the Asterisk Manager Interface."""

    host: Host | None = None
    """Where Asterisk listens for AMI (`bindaddr` in manager.conf). By default what the controller's environment says in
    `ASTERISK_AMI_HOST`, else 127.0.0.1."""
    port: Port | None = None
    """The AMI port (`port` in manager.conf, with TLS that of `tlsbindaddr`). By default what the controller's
    environment says in `ASTERISK_AMI_PORT`, else 5038."""
    tls: bool = False
    """Speak TLS. Do so whenever AMI leaves the machine: it carries passwords in clear."""
    credentials_secret_ref: UsernamePasswordRef | None = None
    """The AMI user; needs `write=system,reporting`. Without it the controller takes the environment variables
    `ASTERISK_AMI_USERNAME` and `ASTERISK_AMI_PASSWORD`."""
    calls_credentials_secret_ref: UsernamePasswordRef | None = None
    """The AMI user of call control, which sends text messages, proves that calls can be recorded, and deletes messages
    that were mailed; needs `write=originate,call,user`. Without it the controller takes the environment variables
    `ASTERISK_AMI_CALLS_USERNAME` and `ASTERISK_AMI_CALLS_PASSWORD`, else the user above."""


class Ari(Part):
    """How voice bots and call control reach the Asterisk REST Interface."""

    url: HttpUrl = "http://127.0.0.1:8088"
    """The base address without `/ari` and without a trailing slash."""
    credentials_secret_ref: UsernamePasswordRef
    """The ARI user and its password."""


class Transport(Part):
    """One way in for SIP."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="transport-wss-no-bind",
            message="wss listens through http.conf: remove bind",
            field="bind",
            cel="self.protocol != 'wss' || !has(self.bind)",
            holds=lambda t: t.protocol != "wss" or t.bind is None,
        ),
        Rule(
            id="transport-bind",
            message="udp, tcp and tls need bind, such as 0.0.0.0:5060",
            field="bind",
            cel="self.protocol == 'wss' || has(self.bind)",
            holds=lambda t: t.protocol == "wss" or t.bind is not None,
        ),
        Rule(
            id="transport-certificate",
            message="wss needs certificateSecretRef",
            field="certificateSecretRef",
            cel="self.protocol != 'wss' || has(self.certificateSecretRef)",
            holds=lambda t: t.protocol != "wss" or t.certificate_secret_ref is not None,
        ),
        Rule(
            id="transport-no-certificate",
            message="udp and tcp use no certificate: remove certificateSecretRef, or choose tls",
            field="certificateSecretRef",
            cel="!(self.protocol in ['udp', 'tcp']) || !has(self.certificateSecretRef)",
            holds=lambda t: t.protocol not in ("udp", "tcp") or t.certificate_secret_ref is None,
        ),
    )

    name: ObjectName
    """The name by which trunks and extensions choose this transport."""
    protocol: Protocol
    """`udp`, `tcp`, `tls`, or `wss` for browsers (WebRTC)."""
    bind: BindAddress | None = None
    """`address[:port]` to listen at, such as `0.0.0.0:5060`. The port defaults to 5060, for tls to 5061. A change needs
    a restart of Asterisk. Not for wss, which listens through http.conf."""
    external_address: Host | None = None
    """The public address of this site when it is behind NAT; put into SIP and SDP for everyone outside of
    `localNetworks`."""
    local_networks: Networks = ()
    """Networks that are reached without NAT, such as `192.168.0.0/16`."""
    certificate_secret_ref: TlsSecretRef | None = None
    """The certificate that tls and wss show. A tls transport over which only trunks call out needs none."""

    @property
    def listens(self) -> tuple[str, int]:
        """Address (IPv6 without brackets; empty for wss) and port, with the default that Asterisk takes."""
        address, bracket, rest = (self.bind or "").rpartition("]")
        host, _, port = rest.partition(":")
        default = TLS_PORT if self.protocol == "tls" else SIP_PORT
        return address.removeprefix("[") if bracket else host, int(port) if port else default

    @property
    def kind(self) -> str:
        """Protocol and version of IP, such as `udp4`; empty for wss, which comes by the web server."""
        return f"{self.protocol}{6 if ':' in self.listens[0] else 4}" if self.bind else ""


class Rtp(Part):
    """The ports of voice."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="rtp-range",
            message="portStart must be below portEnd",
            field="portStart",
            cel="self.portStart < self.portEnd",
            holds=lambda rtp: rtp.port_start < rtp.port_end,
        ),
    )

    port_start: Annotated[int, Field(ge=1024, le=65_534)] = 10_000
    """The first UDP port. A call takes two; the firewall must let the whole range in."""
    port_end: Annotated[int, Field(ge=1025, le=65_535)] = 20_000
    """The last UDP port."""
    stun_server: HostPort | None = None
    """`host[:port]` of a STUN server that WebRTC calls ask for their public address, port 3478 by default."""


OutsidePrefix = Annotated[
    str, Text('what is dialled for an outside line: 1 to 3 digits in quotes, such as "9"', r"^[0-9]{1,3}$", 3)
]
"""Digits before a number that lead outside."""


class Emergency(Part):
    """Emergency calls: any extension may make them at any time, whatever its permissions."""

    numbers: Annotated[tuple[DialNumber, ...], Field(min_length=1, max_length=16), DISTINCT]
    """The emergency numbers, such as `["112", "110"]`."""
    prefixes: Annotated[tuple[OutsidePrefix, ...], Field(max_length=4), DISTINCT] = ()
    """What people dial for an outside line, such as `["9"]`: 9112 is an emergency call as well then, and goes out as
    112."""
    trunks: Annotated[tuple[ObjectName, ...], Field(min_length=1, max_length=8), DISTINCT]
    """Names of the SipTrunks to try, in this order, each until one takes the call."""
    caller_id: CallerNumber | None = None
    """The number shown to the emergency centre where the extension has no `emergencyCallerId`: it stands for an
    address, and must be reachable for a call back."""

    @property
    def dialled(self) -> dict[str, str]:
        """What reaches the emergency centre when it is dialled, each with the number that goes out."""
        behind = {prefix + number: number for prefix in self.prefixes for number in self.numbers}
        return behind | {number: number for number in self.numbers}


class Recording(Part):
    """Where recordings of calls are kept."""

    path: AbsolutePath = "/var/spool/asterisk/monitor"
    """The directory Asterisk writes to, as Asterisk sees it."""
    retention_days: Annotated[int, Field(ge=0, le=3650)] = 0
    """Days after which a recording is deleted; 0 keeps them all. The controller deletes them: it must see the directory
    under the same path, and may delete files in it."""


class Cdr(Part):
    """Call detail records."""

    enabled: bool = True
    """Write a record of each call."""


class Restart(Part):
    """How a restart asked for by the annotation `dialplane.io/restartedAt` goes about."""

    drain_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """How long to wait for calls to end by themselves, in seconds. Meanwhile every call works, emergency calls too."""
    force: bool = False
    """After `drainSeconds`, restart although calls are up; only an emergency call is waited for. Otherwise the restart
    is given up and reported."""


class AsteriskSpec(Spec):
    """The site's PBX; one per namespace."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="transports-one-wss",
            message="Asterisk has one web server: list one wss transport at most",
            field="transports",
            cel="self.transports.filter(t, t.protocol == 'wss').size() <= 1",
            holds=lambda spec: sum(t.protocol == "wss" for t in spec.transports) <= 1,
        ),
    )

    ami: Ami = Ami()
    """How the controller reaches Asterisk."""
    ari: Ari | None = None
    """How voice bots reach Asterisk. Needed only where a VoiceBot or call control is used."""
    config_directory: AbsolutePath = "/etc/asterisk/dialplane"
    """The directory the controller writes to, as the controller sees it. Asterisk's own files include it."""
    transports: Annotated[tuple[Transport, ...], Field(min_length=1, max_length=16), Distinct(keys=("name",))] = (
        Transport(name="udp", protocol="udp", bind="0.0.0.0:5060"),
    )
    """Where Asterisk listens for SIP. The first is used by everyone who names none."""
    ca_file: AbsolutePath = "/etc/ssl/certs/ca-certificates.crt"
    """The authorities that carriers' certificates are verified by, where a trunk over tls names none: a PEM file on the
    machine that Asterisk runs on. By default Debian's; Red Hat's is `/etc/pki/tls/certs/ca-bundle.crt`."""
    rtp: Rtp = Rtp()
    """The ports of voice."""
    emergency: Emergency | None = None
    """Emergency calls. Without it no number is treated as one."""
    recording: Recording = Recording()
    """Where recordings are kept."""
    voicemail: MailboxSettings = MailboxSettings()
    """What holds for every mailbox."""
    cdr: Cdr = Cdr()
    """Call detail records."""
    time_zone: TimeZone = "UTC"
    """The site's time zone, used by voicemail and by every Schedule that names none."""
    numbering: Numbering | None = None
    """How numbers without a country are written here, so that one number is one number in every spelling. Without it
    such numbers cannot be compared with others."""
    default_language: Language = "en"
    """The language of prompts; its sounds must be installed."""
    codecs: Codecs = ("ulaw", "alaw")
    """What trunks and extensions offer that list no codecs, the preferred one first."""
    restart: Restart = Restart()
    """How restarts go about."""

    def transport(self, name: str | None) -> Transport:
        """The transport of that name; the first one where none is named."""
        return next((t for t in self.transports if t.name == name), self.transports[0])

    def protocol(self, transport: str | None) -> Protocol:
        """The protocol of a transport; of the first one where none is named."""
        return self.transport(transport).protocol


class LastReload(Part):
    """The last reload that the controller asked for."""

    at: Timestamp
    """When it ended."""
    modules: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=32)] = ()
    """The modules that were reloaded."""
    duration_millis: Annotated[int, Field(ge=0)]
    """How long it took, read-back included, in milliseconds."""
    result: Annotated[str, Field(max_length=1024)]
    """`Verified`, or what went wrong; `unanswered` where it did not end in time."""


class RestartStatus(Part):
    """The restart that was asked for last."""

    value: Annotated[str, Field(max_length=128)]
    """The value of the annotation `dialplane.io/restartedAt`, shortened to 128 characters."""
    phase: Literal["Skipped", "Draining", "Restarting", "Restarted", "GivenUp", "Failed"]
    """`Draining` while calls are waited for, `Restarting` until Asterisk has started anew and was verified, then
    `Restarted`; `GivenUp` where calls were left, `Failed` where nobody could restart it; `Skipped`: the value was there
    before the controller first saw the site, or was withdrawn."""
    since: Timestamp
    """When this phase began."""


class AsteriskStatus(Status):
    """What the running Asterisk says."""

    state: Literal["Unknown", "Normal", "Restarting", "Error"] | None = None
    """`Normal` once it is fully booted, `Restarting` from the order to restart it until it was verified after that,
    `Error` after it shut down by itself or cannot be reached, `Unknown` before the first answer."""
    version: Annotated[str, Field(max_length=128)] | None = None
    """Asterisk's version."""
    started_at: Timestamp | None = None
    """When Asterisk started."""
    active_channels: Annotated[int, Field(ge=0)] | None = None
    """Channels that are up; at most a minute old, and absent while Asterisk cannot be reached."""
    active_calls: Annotated[int, Field(ge=0)] | None = None
    """Calls that are up, likewise."""
    registrations: Annotated[int, Field(ge=0)] | None = None
    """Phones that are registered, counted by contact, likewise."""
    last_reload: LastReload | None = None
    """The last reload."""
    restart: RestartStatus | None = None
    """The restart that was asked for last."""
    config_revision: Annotated[str, Field(max_length=64)] | None = None
    """The revision of all rendered files that Asterisk was last proven to run as a whole."""


KIND: Final = Kind(
    name="Asterisk",
    plural="asterisks",
    singular="asterisk",
    short_names=("pbx",),
    spec=AsteriskSpec,
    status=AsteriskStatus,
    columns=(
        Column("State", ".status.state"),
        Column("Version", ".status.version"),
        Column("Channels", ".status.activeChannels", "integer"),
        Column("Registrations", ".status.registrations", "integer"),
        READY,
        AGE,
        *WHY,
    ),
    description="The site's PBX: how to reach it, and what holds for the whole site. One per namespace.",
    rendered=True,
    events=(
        EventType(
            name="asterisk.down",
            title="Asterisk {name} is down",
            severity=Severity.FAILURE,
            after=Truth.FALSE,
            state="Error",
        ),
        EventType(
            name="asterisk.up",
            title="Asterisk {name} is up again",
            severity=Severity.SUCCESS,
            after=Truth.TRUE,
            state="Normal",
        ),
    ),
)
