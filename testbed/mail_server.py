"""``python -m testbed.mail_server``: an SMTP server as a process, steered by JSON lines (``testbed/control.py``).

It takes mail from the one account it knows (AUTH) for any address. ``behave`` sets what it does with the next mails:
refuse so many with 451, or hold each for so many seconds. Events: ``received`` (to, subject, text, headers, answer),
``login`` (right).
"""

import argparse
import asyncio
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
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
                "answer": answer,
                "at": time.time(),
            }
        )
        await asyncio.sleep(self.hang)
        return answer


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    del server, session, envelope, mechanism
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    emit({"event": "login", "right": known})
    return AuthResult(success=known, handled=known)


async def _main() -> None:
    mailbox = Mailbox()
    make = partial(
        SMTP,
        mailbox,
        hostname="mail.example.com",
        authenticator=_authenticate,
        auth_required=True,
        auth_require_tls=False,
        enable_SMTPUTF8=True,
    )
    server = await asyncio.get_running_loop().create_server(make, LOOPBACK, 0)

    async def behave(refuse: int = 0, hang: float = 0.0) -> Answer:
        mailbox.refuse, mailbox.hang = refuse, hang
        return {}

    emit({"event": "ready", "port": server.sockets[0].getsockname()[1]})
    await serve({"behave": behave})


if __name__ == "__main__":
    argparse.ArgumentParser().parse_args()
    asyncio.run(_main())
