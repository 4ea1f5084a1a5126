"""Messages as Asterisk writes them into its spool: the audio first, the text last."""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TEXT = """;
; Message Information file
;
[message]
origmailbox={mailbox}
context=dp-voicemail
exten={mailbox}
rdnis=unknown
priority=1
callerchan=PJSIP/carrier-00000001
callerid={caller}
origdate=Mon Nov 30 07:49:03 AM UTC 2026
origtime={at}
category=
msg_id={id}
flag=
duration={seconds}
"""


@dataclass(frozen=True)
class Spool:
    """The folder `voicemail` of an Asterisk."""

    path: Path

    def leave(
        self,
        mailbox: str,
        id: str,  # noqa: A002 -- what it is
        *,
        caller: str = '"Ada" <+15550100>',
        at: float | None = None,
        seconds: int = 7,
        folder: str = "INBOX",
        audio: bytes = b"",
    ) -> str:
        """Leave a message; the digest of its audio."""
        place = self.path / "default" / mailbox / folder
        place.mkdir(parents=True, exist_ok=True)
        stem = place / f"msg{len(list(place.glob('*.txt'))):04}"
        voice = audio or f"RIFF voice of {id}".encode()
        stem.with_suffix(".wav").write_bytes(voice)
        text = TEXT.format(mailbox=mailbox, caller=caller, at=int(at or time.time()), id=id, seconds=seconds)
        stem.with_suffix(".new").write_text(text)
        stem.with_suffix(".new").rename(stem.with_suffix(".txt"))
        return hashlib.sha256(voice).hexdigest()

    def ids(self, mailbox: str, folder: str = "INBOX") -> list[str]:
        """The messages that are there, by number."""
        found = []
        for text in sorted((self.path / "default" / mailbox / folder).glob("*.txt")):
            with suppress(FileNotFoundError):  # deleted this moment
                found += [line[7:] for line in text.read_text().splitlines() if line.startswith("msg_id=")]
        return found
