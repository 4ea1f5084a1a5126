"""PURE: the mail that brings a message of a mailbox."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

CALLER_MOST = 80


def letter(
    *,
    sender: str,
    receiver: str,
    site: str,
    mailbox: str,
    message: str,
    left_at: datetime,
    caller: str,
    seconds: int,
    audio: tuple[str, bytes] | None,
) -> EmailMessage:
    """The mail.

    Its `Message-ID` is made of the message's own id, so that one that is sent twice is known as such.

    Args:
        sender: an address.
        receiver: an address.
        site: the namespace.
        mailbox: the number of the mailbox.
        message: the message's id.
        left_at: when it was left, in the site's time zone.
        caller: as the network named it: anything.
        seconds: how long it is.
        audio: its file name and bytes, where it is attached.
    """
    who = "".join(c for c in caller if c.isprintable()).strip()[:CALLER_MOST] or "an unknown number"
    length = f"{seconds // 60}:{seconds % 60:02}"
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = receiver
    mail["Subject"] = f"Message for {mailbox} from {who} ({length})"
    mail["Date"] = format_datetime(left_at)
    mail["Message-ID"] = f"<{message}.{mailbox}.{site}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(
        f"Mailbox: {mailbox}\nFrom: {who}\nAt: {left_at:%Y-%m-%d %H:%M:%S %Z}\nLength: {length}\n", charset="utf-8"
    )
    if audio is not None:
        name, data = audio
        kind = "gsm" if name.endswith(".gsm") else "x-wav"
        mail.add_attachment(data, maintype="audio", subtype=kind, filename=name)
    return mail
