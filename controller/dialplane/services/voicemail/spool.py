"""Messages as app_voicemail keeps them: `NUMBER/INBOX/msg0000.txt` and the audio beside it, in a folder per mailbox.

Read alone: whoever deletes a file here without Asterisk's lock breaks the numbering of the others. A message is known
by its `msg_id`, for its number changes when an elder one is deleted.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

CONTEXT: Final = "default"
FOLDERS: Final = ("INBOX", "Urgent")
"""Where new messages are. One that was heard is in another, and nobody is told of it any more."""
AUDIO_MOST: Final = 32 * 1024 * 1024
"""Bytes of audio that a mail may carry: half an hour."""
TEXT_MOST: Final = 64 * 1024

_STEM: Final = re.compile(r"msg\d{4,5}", re.ASCII)
_ID: Final = re.compile(r"[0-9A-Za-z.-]{1,64}", re.ASCII)
_SUFFIXES: Final = (".wav", ".WAV", ".gsm")
_LATEST: Final = 253_402_300_799


class UnreadableError(Exception):
    """A message cannot be read, now or ever; the message says which and why, in words of the system."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message that is complete: Asterisk gives it its `.txt` last."""

    id: str
    mailbox: str
    folder: str
    text: Path
    """Its `.txt`."""
    left_at: datetime
    """When it was begun, by Asterisk's clock."""
    caller: str
    """As the network named it: anything."""
    seconds: int


def present(path: Path) -> frozenset[str]:
    """The mailboxes that Asterisk has made a folder for.

    Raises:
        UnreadableError: nobody can tell.
    """
    try:
        return frozenset(folder.name for folder in (path / CONTEXT).iterdir())
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise UnreadableError(f"{path / CONTEXT}: {error.strerror}") from None


def scan(path: Path, mailbox: str) -> tuple[list[Message], list[str]]:
    """The new messages of a mailbox, the eldest first, and why others cannot be read."""
    found, troubles = [], []
    for folder in FOLDERS:
        place = path / CONTEXT / mailbox / folder
        try:
            texts = sorted(file for file in place.iterdir() if file.suffix == ".txt" and _STEM.fullmatch(file.stem))
        except FileNotFoundError:
            continue
        except OSError as error:
            troubles.append(f"{place}: {error.strerror}")
            continue
        for text in texts:
            try:
                found.append(_message(mailbox, folder, text))
            except FileNotFoundError:
                continue  # moved or deleted meanwhile
            except UnreadableError as error:
                troubles.append(str(error))
    return sorted(found, key=lambda message: message.left_at), troubles


def audio_of(message: Message) -> tuple[str, bytes]:
    """The name and the bytes of its audio.

    Raises:
        UnreadableError: there is none, or another message has taken its place.
    """
    for suffix in _SUFFIXES:
        path = message.text.with_suffix(suffix)
        try:
            data = _read(path, AUDIO_MOST)
            if _message(message.mailbox, message.folder, message.text).id != message.id:
                raise UnreadableError(f"{path}: moved meanwhile")
        except FileNotFoundError:
            continue
        return path.name, data
    raise UnreadableError(f"{message.text.with_suffix('')}: no audio beside it ({', '.join(_SUFFIXES)})")


def _message(mailbox: str, folder: str, path: Path) -> Message:
    values = dict(_values(_read(path, TEXT_MOST).decode("utf-8", "replace")))
    id_, at, seconds = values.get("msg_id", ""), values.get("origtime", ""), values.get("duration", "")
    if not _ID.fullmatch(id_):
        raise UnreadableError(f"{path}: no msg_id")
    if not at.isdecimal() or int(at) > _LATEST:
        raise UnreadableError(f"{path}: no origtime")
    left_at = datetime.fromtimestamp(int(at), UTC)
    caller = values.get("callerid", "")
    return Message(id_, mailbox, folder, path, left_at, caller, int(seconds) if seconds.isdecimal() else 0)


def _values(text: str) -> Iterator[tuple[str, str]]:
    """Its lines. Of a name that comes twice the last counts: what callers say of themselves stands before the rest."""
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(";"):
            yield name.strip(), value.strip()


def _read(path: Path, most: int) -> bytes:
    """The contents of a plain file.

    Raises:
        FileNotFoundError: it is not there.
        UnreadableError: it may not be read, or is larger than `most`.
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(opened, "rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from None
    if len(data) > most:
        raise UnreadableError(f"{path}: larger than {most} bytes")
    return data
