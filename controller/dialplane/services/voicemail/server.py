"""The mail server: one connection at a time, encrypted and verified as the manifest says, every wait bounded.

Blocks: it is called in a thread. What it says of a failure holds the server's code and the system's word, never what
the server wrote, nor anything of the account.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final

from pydantic import SecretStr

from dialplane.resources.voicemail import Security

ANSWER_SECONDS: Final = 20.0
"""For each answer of the server."""
SESSION_SECONDS: Final = 300.0
"""For all that is said over one connection: a server that trickles is left."""


class ServerError(Exception):
    """The server takes no mail from here: it cannot be reached, is not the one it should be, or refuses the account."""


class LetterRefusedError(Exception):
    """The server does not take this mail; another it may."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is taken, and as whom to come."""

    host: str
    port: int
    security: Security = "starttls"
    username: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    authority: str = ""
    """Certificates in PEM that are trusted; empty: those of the system."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Session:
    """An open connection to a server, logged in."""

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self._smtp = smtp

    def send(self, mail: EmailMessage) -> None:
        """Return once the server has taken the mail.

        Raises:
            LetterRefusedError: it refused this one.
            ServerError: the connection ended; nobody knows whether it was taken.
        """
        sender, receiver = str(mail["From"]), str(mail["To"])
        try:
            self._smtp.send_message(mail, sender, [receiver])
        except smtplib.SMTPRecipientsRefused as error:
            code, _ = next(iter(error.recipients.values()))
            raise LetterRefusedError(f"the mail server refuses the address (SMTP {code})") from None
        except smtplib.SMTPServerDisconnected:
            raise ServerError("the connection was cut") from None
        except smtplib.SMTPSenderRefused as error:
            raise ServerError(f"the mail server refuses the sender (SMTP {error.smtp_code})") from None
        except smtplib.SMTPResponseException as error:
            raise LetterRefusedError(f"the mail server refuses the mail (SMTP {error.smtp_code})") from None
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise ServerError(_word(error)) from None


@contextmanager
def opened(server: Server) -> Iterator[Session]:
    """Connect, encrypt, verify, log in; say goodbye at the end.

    Raises:
        ServerError: why not.
    """
    smtp: smtplib.SMTP | None = None
    try:
        smtp = _connected(server)
        limit = threading.Timer(SESSION_SECONDS, _cut, [smtp])
        limit.daemon = True
        limit.start()
    except ServerError:
        raise
    except (OSError, smtplib.SMTPException, UnicodeError, ValueError) as error:
        raise ServerError(_word(error)) from None
    try:
        _log_in(smtp, server)
        yield Session(smtp)
    finally:
        limit.cancel()
        with suppress(OSError, smtplib.SMTPException):
            smtp.quit()
        smtp.close()


def _connected(server: Server) -> smtplib.SMTP:
    if server.security == "none":
        return smtplib.SMTP(server.host, server.port, timeout=ANSWER_SECONDS)
    trust = ssl.create_default_context(cadata=server.authority or None)
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=ANSWER_SECONDS, context=trust)
    smtp = smtplib.SMTP(server.host, server.port, timeout=ANSWER_SECONDS)
    try:
        smtp.starttls(context=trust)  # never falls back to clear text
    except BaseException:
        smtp.close()
        raise
    return smtp


def _log_in(smtp: smtplib.SMTP, server: Server) -> None:
    try:
        smtp.ehlo_or_helo_if_needed()
        if server.username:
            smtp.login(server.username, server.password.get_secret_value())
        elif smtp.noop()[0] >= 400:  # noqa: PLR2004 -- SMTP's answers of failure begin there
            raise ServerError("the mail server does not want to talk")
    except smtplib.SMTPAuthenticationError as error:
        raise ServerError(f"the mail server refuses the account (SMTP {error.smtp_code})") from None
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        raise ServerError(_word(error)) from None


def _cut(smtp: smtplib.SMTP) -> None:
    """End it from another thread: whoever waits in it is woken with an error."""
    with suppress(OSError, AttributeError):
        if smtp.sock is not None:
            smtp.sock.shutdown(socket.SHUT_RDWR)


_WORDS: Final = (
    (TimeoutError, f"no answer in {ANSWER_SECONDS:g} s"),
    (ssl.SSLError, "no encrypted connection"),
    (socket.gaierror, "its name is unknown"),
    (smtplib.SMTPServerDisconnected, "the connection was cut"),
    (smtplib.SMTPNotSupportedError, "it does not offer what it is asked for: STARTTLS, or a login"),
)


def _word(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answers SMTP {error.smtp_code}"
    for kind, word in _WORDS:
        if isinstance(error, kind):
            return word
    strerror = getattr(error, "strerror", None)
    return str(strerror) if strerror else f"it does not speak SMTP as expected ({type(error).__name__})"
