"""Extension: a phone, a softphone or a browser with a number of its own."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import GeneratedAccount, Part, Spec
from dialplane.resources.fields import (
    DISTINCT,
    CallerNumber,
    Codecs,
    DialNumber,
    DisplayName,
    DtmfMode,
    Email,
    ExtensionNumber,
    MediaEncryption,
    Networks,
    ObjectName,
    Permissions,
    SecretKeyRef,
    UsernamePasswordRef,
)
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind, condition_column
from dialplane.resources.rule import Rule
from dialplane.resources.status import Status
from dialplane.resources.text import Text

NAME_BYTES: Final = 79
"""What Asterisk keeps of a name, in UTF-8 (`caller_id_handler` of res_pjsip): it cuts off the rest, within a letter
too."""


def generated_secret(name: str) -> str:
    """The name of the Secret that `generateCredentials` makes for the Extension called `name`."""
    return f"{name}-credentials"


OwnNumber = Annotated[
    str,
    Text(
        "a telephone number: 2 to 20 digits, with at most one + in front; to hide it set hideCallerId",
        r"^[+]?[0-9]{2,20}$",
        21,
    ),
]
"""A `CallerNumber` that may be hidden."""


class Voicemail(Part):
    """A mailbox under the extension's number."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="voicemail-pin",
            message="an enabled mailbox needs pinSecretRef",
            field="pinSecretRef",
            cel="!self.enabled || has(self.pinSecretRef)",
            holds=lambda box: not box.enabled or box.pin_secret_ref is not None,
        ),
        Rule(
            id="voicemail-delete-email",
            message="deleteAfterEmail needs email and attachAudio, otherwise the message would be lost",
            field="deleteAfterEmail",
            cel="!self.deleteAfterEmail || (has(self.email) && self.attachAudio)",
            holds=lambda box: not box.delete_after_email or (box.email is not None and box.attach_audio),
        ),
    )

    enabled: bool = True
    """Take messages. `false` keeps the settings and takes none."""
    pin_secret_ref: SecretKeyRef | None = None
    """The PIN to listen to messages, 4 to 10 digits."""
    email: Email | None = None
    """Where new messages are mailed. Needs `voicemail.mail` of the Asterisk."""
    attach_audio: bool = True
    """Attach the message to the e-mail."""
    delete_after_email: bool = False
    """Delete the message from the mailbox once the mail server has taken it. Needs `email` and `attachAudio`."""


class Forward(Part):
    """Numbers that calls go on to, with the permissions of this extension."""

    unconditional: DialNumber | None = None
    """Every call goes there; the phone does not ring."""
    busy: DialNumber | None = None
    """Calls go there while the extension is busy."""
    no_answer: DialNumber | None = None
    """Calls go there that nobody answered in `ringSeconds`, or while no phone is registered. Comes before voicemail."""


class ExtensionSpec(Spec):
    """A phone with a number of its own."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="extension-credentials",
            message="set exactly one of credentialsSecretRef and generateCredentials: true",
            field="credentialsSecretRef",
            cel="has(self.credentialsSecretRef) != self.generateCredentials",
            holds=lambda spec: (spec.credentials_secret_ref is not None) != spec.generate_credentials,
        ),
        Rule(
            id="extension-webrtc-dtls",
            message="browsers encrypt voice by dtls: set mediaEncryption to dtls, or leave it out",
            field="mediaEncryption",
            cel="!self.webrtc || !has(self.mediaEncryption) || self.mediaEncryption == 'dtls'",
            holds=lambda spec: not spec.webrtc or spec.media_encryption in (None, "dtls"),
        ),
        Rule(
            id="extension-display-name",
            message=f"Asterisk keeps {NAME_BYTES} bytes of a name: shorten it (letters beyond a to z take 2 to 4 each)",
            field="displayName",
            cel=f"!has(self.displayName) || size(bytes(self.displayName)) <= {NAME_BYTES}",
            holds=lambda spec: len((spec.display_name or "").encode()) <= NAME_BYTES,
        ),
    )

    number: ExtensionNumber
    """The number to dial, such as `"101"`; also the SIP user name of the phone."""
    display_name: DisplayName | None = None
    """The name that others see when this extension calls, as written: 64 characters and 79 bytes of UTF-8 at most. By
    default the number."""
    credentials_secret_ref: UsernamePasswordRef | None = None
    """The phone's SIP account; `username` must equal `number`."""
    generate_credentials: bool = False
    """Have the controller make the account, in a Secret called after this Extension: `NAME-credentials`."""
    transport: ObjectName | None = None
    """The name of a transport of the Asterisk. By default whichever the phone comes in by. For webrtc it must be
    wss."""
    webrtc: bool = False
    """The phone is a browser: ICE, DTLS and AVPF, through a wss transport of the Asterisk."""
    codecs: Codecs | None = None
    """What is offered, the preferred one first. By default those of the Asterisk."""
    dtmf_mode: DtmfMode = "rfc4733"
    """How key presses travel: `rfc4733` (in RTP, usual), `info` (SIP INFO), `inband` (as tones), `auto` (rfc4733 if
    offered, else inband), `auto_info` (rfc4733 if offered, else info)."""
    media_encryption: MediaEncryption | None = None
    """Encryption of voice: `none`, `sdes` (SRTP with keys in SDP: use tls), or `dtls`. By default `dtls` for webrtc,
    else `none`."""
    nat: bool = True
    """Answer to where packets come from, not to where the phone says it is. Right behind NAT, harmless without."""
    max_contacts: Annotated[int, Field(ge=1, le=10)] = 1
    """How many phones may register under this number; all of them ring. One more takes the place of the oldest."""
    permissions: Permissions = ("internal",)
    """What may be dialled: `internal` (other extensions) and the outbound routes marked `local`, `national` and
    `international`. Each stands for itself: list all that apply. Emergency numbers are always permitted."""
    caller_id: OwnNumber | None = None
    """The number shown to those called outside. By default the trunk's."""
    hide_caller_id: bool = False
    """Hide the number from those called outside: they see an anonymous caller. The emergency centre sees it all the
    same."""
    emergency_caller_id: CallerNumber | None = None
    """The number shown to the emergency centre; it stands for this phone's address."""
    call_waiting: bool = True
    """Ring for a second call while busy. `false`: the second caller is busy."""
    record: Literal["never", "always"] = "never"
    """Record this extension's calls. Tell people where the law asks for it. Ready only while Asterisk proves, every
    minute, that it can write recordings."""
    voicemail: Voicemail | None = None
    """A mailbox for calls that nobody answered."""
    forward: Forward = Forward()
    """Numbers that calls go on to."""
    ring_seconds: Annotated[int, Field(ge=5, le=300)] = 30
    """How long the phone rings before `forward.noAnswer` or voicemail, in seconds."""
    pickup_groups: Annotated[tuple[ObjectName, ...], Field(max_length=16), DISTINCT] = ()
    """Groups whose members may take each other's ringing calls (`*8`)."""
    allowed_networks: Networks = ()
    """The networks this phone may register from and call from. By default any."""

    @property
    def mails_to(self) -> str | None:
        """Where messages are mailed; None where they are not."""
        return self.voicemail.email if self.voicemail is not None and self.voicemail.enabled else None

    def generated_account(self, name: str) -> GeneratedAccount | None:
        """See `Spec.generated_account`."""
        if not self.generate_credentials:
            return None
        return GeneratedAccount("spec.generateCredentials", generated_secret(name), self.number)

    @property
    def has_mailbox(self) -> bool:
        """Whether messages are taken."""
        return self.voicemail is not None and self.voicemail.enabled

    @property
    def encryption(self) -> MediaEncryption:
        """`media_encryption` with its default, which depends on `webrtc`."""
        return self.media_encryption or ("dtls" if self.webrtc else "none")


class ContactStatus(Part):
    """A registered phone."""

    uri: Annotated[str, Field(max_length=512)]
    """Its address."""
    user_agent: Annotated[str, Field(max_length=256)] | None = None
    """What it calls itself."""


class ExtensionStatus(Status):
    """What the running Asterisk says about the extension."""

    contacts: Annotated[tuple[ContactStatus, ...], Field(max_length=16)] = ()
    """The phones that are registered now."""


KIND: Final = Kind(
    name="Extension",
    plural="extensions",
    singular="extension",
    short_names=("exten",),
    spec=ExtensionSpec,
    status=ExtensionStatus,
    columns=(
        Column("Number", ".spec.number"),
        Column("Display", ".spec.displayName"),
        condition_column("Registered", "Registered"),
        READY,
        AGE,
        *WHY,
    ),
    description="A phone, a softphone or a browser with a number of its own.",
    rendered=True,
)
