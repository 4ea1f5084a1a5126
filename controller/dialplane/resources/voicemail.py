"""What holds for every mailbox of a site: where messages lie, and how they are mailed."""

from typing import ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part
from dialplane.resources.fields import AbsolutePath, Email, Host, Port, UsernamePasswordRef
from dialplane.resources.rule import Rule
from dialplane.resources.secret_ref import AuthoritySecretRef

Security = Literal["starttls", "tls", "none"]

_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


class MailServer(Part):
    """A mail server that takes mail over SMTP."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="mail-server-credentials",
            message="a password is sent encrypted alone: set security to starttls or tls",
            field="credentialsSecretRef",
            cel="self.security != 'none' || !has(self.credentialsSecretRef)",
            holds=lambda server: server.security != "none" or server.credentials_secret_ref is None,
        ),
        Rule(
            id="mail-server-authority",
            message="without encryption no certificate is shown: remove caSecretRef, or set security",
            field="caSecretRef",
            cel="self.security != 'none' || !has(self.caSecretRef)",
            holds=lambda server: server.security != "none" or server.ca_secret_ref is None,
        ),
    )

    host: Host
    """Its name or address; the name stands in its certificate."""
    port: Port | None = None
    """By default 587 for `starttls`, 465 for `tls`, 25 for `none`."""
    security: Security = "starttls"
    """`starttls`: encrypted after the greeting; `tls`: from the first byte; both verify the certificate. `none`: in
    clear, for a server on the same machine or network that asks for no password."""
    credentials_secret_ref: UsernamePasswordRef | None = None
    """The account at the server. By default none is shown."""
    ca_secret_ref: AuthoritySecretRef | None = None
    """The authority of its certificate, as `ca.crt`. By default those of the controller's system."""

    @property
    def listens(self) -> int:
        """The port, with its default."""
        return self.port or _PORTS[self.security]


class VoicemailMail(Part):
    """How messages in mailboxes are mailed."""

    from_: Email = Field(alias="from")
    """The sender of every mail."""
    server: MailServer
    """The server that takes them."""


class MailboxSettings(Part):
    """What holds for every mailbox."""

    path: AbsolutePath = "/var/spool/asterisk/voicemail"
    """The folder of Asterisk's messages, `voicemail` in its spool, as the controller sees it, which reads there what it
    mails."""
    mail: VoicemailMail | None = None
    """How new messages are mailed to whom an Extension names in `voicemail.email`. The controller does it: Asterisk
    needs no mail program."""
