"""The mail that brings a message: whole for any caller, and known again when it is sent twice."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dialplane.services.voicemail.letter import letter

AT = datetime(2026, 4, 3, 8, 30, tzinfo=UTC)


def written(**fields: Any) -> EmailMessage:
    """As a receiver reads it."""
    about: dict[str, Any] = {
        "sender": "pbx@example.com",
        "receiver": "ada@example.com",
        "site": "office",
        "mailbox": "101",
        "message": "1-1",
        "left_at": AT,
        "caller": '"Bob" <+15550100>',
        "seconds": 75,
        "audio": ("msg0000.wav", b"voice"),
    }
    return message_from_bytes(letter(**(about | fields)).as_bytes(), EmailMessage, policy=policy.default)


def test_a_mail_says_who_called_when_and_for_how_long_and_brings_the_audio() -> None:
    mail = written()
    assert (mail["From"], mail["To"]) == ("pbx@example.com", "ada@example.com")
    assert mail["Subject"] == 'Message for 101 from "Bob" <+15550100> (1:15)'
    body = mail.get_body()
    assert body is not None
    assert "At: 2026-04-03 08:30:00 UTC" in body.get_content()
    (audio,) = mail.iter_attachments()
    assert (audio.get_filename(), audio.get_content_type()) == ("msg0000.wav", "audio/x-wav")
    assert audio.get_payload(decode=True) == b"voice"


def test_without_audio_it_tells_alone() -> None:
    assert not list(written(audio=None).iter_attachments())


def test_sent_twice_it_is_the_same_mail() -> None:
    assert written()["Message-ID"] == written(seconds=76)["Message-ID"] == "<1-1.101.office@example.com>"
    assert written(message="1-2")["Message-ID"] != written()["Message-ID"]


@given(st.text(max_size=200))
def test_no_caller_writes_a_header_or_another_part(caller: str) -> None:
    mail = written(caller=caller)
    assert set(mail.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"),
    }
    assert len(list(mail.iter_attachments())) == 1
    assert str(mail["Subject"]).startswith("Message for 101 from ")
