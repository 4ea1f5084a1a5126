"""``python -m testbed.mail_server``: an SMTP server as a process, steered by JSON lines (``testbed/control.py``).

It takes mail from the one account it knows (AUTH) for any address; with ``--certificate FILE`` (certificate and key)
after STARTTLS alone. ``behave`` sets what it does with the next mails: refuse so many with 451, hold each for so many
seconds, know nobody at some addresses (550). Events: ``received`` (to, subject, text, headers, attachments, answer),
``login`` (right).
"""

import argparse
import asyncio
import hashlib
import ssl
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from testbed.control import Answer, emit, serve
from testbed.ports import LOOPBACK

USER: Final = "alarm"
PASSWORD: Final = "secret-of-mail"  # noqa: S105 -- nobody's


class Mailbox:
    """Takes every mail (aiosmtpd's handler)."""

    def __init__(self) -> None:
        self.refuse = 0
        self.hang = 0.0
        self.unknown: list[str] = []

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """One receiver."""
        del server, session, options
        if address in self.unknown:
            return "550 nobody here of that name"
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's
        """One mail."""
        del server, session
        mail = message_from_bytes(envelope.original_content or b"", EmailMessage, policy=policy.default)
        body = mail.get_body(("plain", "html"))
        answer = "451 later" if self.refuse else "250 taken"
        self.refuse -= bool(self.refuse)
        emit(
            {
                "event": "received",
                "to": envelope.rcpt_tos,
                "subject": str(mail["subject"]),
                "text": body.get_content() if body else "",
                "headers": {name: str(value) for name, value in mail.items()},
                "attachments": [
                    {"name": part.get_filename(), "type": part.get_content_type(), "sha256": _digest(part)}
                    for part in mail.iter_attachments()
                ],
                "answer": answer,
                "at": time.time(),
            }
        )
        await asyncio.sleep(self.hang)
        return answer


def _digest(part: Any) -> str:
    return hashlib.sha256(part.get_payload(decode=True)).hexdigest()


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    del server, session, envelope, mechanism
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    emit({"event": "login", "right": known})
    return AuthResult(success=known, handled=known)


async def _main(port: int, certificate: Path | None) -> None:
    mailbox = Mailbox()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    make = partial(
        SMTP,
        mailbox,
        hostname="mail.example.com",
        authenticator=_authenticate,
        auth_required=True,
        auth_require_tls=False,
        tls_context=context,
        require_starttls=context is not None,
        enable_SMTPUTF8=True,
    )
    server = await asyncio.get_running_loop().create_server(make, LOOPBACK, port)

    async def behave(refuse: int = 0, hang: float = 0.0, unknown: list[str] | None = None) -> Answer:
        mailbox.refuse, mailbox.hang, mailbox.unknown = refuse, hang, unknown or []
        return {}

    emit({"event": "ready", "port": server.sockets[0].getsockname()[1]})
    await serve({"behave": behave})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    given = parser.parse_args()
    asyncio.run(_main(given.port, given.certificate))
