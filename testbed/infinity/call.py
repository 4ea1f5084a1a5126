"""A call that the platform took."""

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from testbed.infinity.account import Account
from testbed.infinity.script import Script


@dataclass
class Call:
    """What was asked, and what came of it; moments are seconds since 1970."""

    asked: dict[str, str]
    account: Account
    script: Script
    began: float = field(default_factory=time.time)
    answered: float | None = None
    ended: float | None = None
    cause: int = 0
    direction: str = ""
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def id(self) -> str:
        """The caller's own name for it."""
        return self.asked.get("memberid", "")

    @property
    def state(self) -> str:
        """As events have it."""
        return "ended" if self.ended else "answered" if self.answered else "ringing"

    def record(self, tells: str) -> dict[str, Any]:
        """The body of a callback, as the platform's documentation has it; ``event`` is ours."""
        ended = self.ended or time.time()
        answered = self.answered or ended
        over = tells == "ended"
        return {
            "callmethod": "api",
            "starttime": _moment(self.began),
            "answertime": _moment(self.answered) if self.answered else "",
            "endtime": _moment(ended) if over else "",
            "duration": round(answered - self.began),
            "billsec": round(ended - answered) if over else 0,
            "crmid": self.asked.get("userid", ""),
            "hangupdirection": self.direction,
            "hangupcause": self.cause,
            "memberid": self.id,
            "disnumber": self.asked.get("disnumber", ""),
            "destnumber": self.asked["destnumber"],
            "downloadip": "recordings.example.com",
            "recordfilename": f"{self.uuid}.wav" if self.answered and over else "",
            "companycode": self.account.company,
            "type": "callout",
            "id": self.uuid.partition("-")[0],
            "extnumber": self.asked["extnumber"],
            "uuid": self.uuid,
            "userkey": "",
            "customuuid": self.asked.get("customuuid", ""),
            "chengshudu": self.asked.get("chengshudu", ""),
            "event": tells,
        }

    def report(self) -> dict[str, Any]:
        """As the command ``calls`` has it."""
        return {
            **self.asked,
            "tenant": self.account.tenant,
            "state": self.state,
            "cause": self.cause,
            "direction": self.direction,
            "uuid": self.uuid,
        }


def _moment(at: float) -> str:
    """In UTC, without a word of it, as the platform does."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
