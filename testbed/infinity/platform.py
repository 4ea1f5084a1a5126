"""What the platform does with a request: checks it, takes the call or not, and plays it to its end."""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from testbed.control import emit
from testbed.infinity.account import Account
from testbed.infinity.call import Call
from testbed.infinity.callbacks import Callbacks
from testbed.infinity.lines import Lines
from testbed.infinity.script import Script, Scripts

SERVICE: Final = "App.Sip_Call.MakeCall"
FORM: Final = "application/x-www-form-urlencoded"
_NEEDED: Final = frozenset({"service", "token", "extnumber", "destnumber"})
_KNOWN: Final = _NEEDED | {"disnumber", "userid", "customuuid", "memberid", "chengshudu"}
_NUMBER: Final = re.compile(r"\+?[0-9]{2,20}")
_LONGEST: Final = 256  # characters of a parameter


class WrongRequest(Exception):
    """The platform says why, with this code in ``ret``."""

    def __init__(self, ret: int, words: str) -> None:
        super().__init__(words)
        self.ret, self.words = ret, words


@dataclass(frozen=True)
class Verdict:
    """What goes back; `script` says how."""

    body: dict[str, Any]
    script: Script


class Platform:
    """All its customers and calls."""

    def __init__(self, accounts: dict[str, Account], scripts: Scripts, callbacks: Callbacks, lines: Lines) -> None:
        self.accounts, self.scripts = accounts, scripts
        self.requests: list[dict[str, Any]] = []
        self.calls: list[Call] = []
        self.counts: Counter[str] = Counter()
        self._callbacks, self._lines = callbacks, lines
        self._asked: set[str] = set()
        self._live: dict[str, Call] = {}  # by extension
        self._tasks: set[asyncio.Task[None]] = set()

    async def forget(self) -> None:
        """Be as new: no calls, requests, rules and figures."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for kept in (self.scripts, self.requests, self.calls, self.counts, self._asked, self._live):
            kept.clear()

    async def make_call(self, content_type: str, body: bytes) -> Verdict:
        """Answer one request; returns when its answer is due."""
        at = time.time()
        fields: dict[str, str] = {}
        script, call, account, verdict = Script(), None, None, ""
        try:
            fields = _fields(content_type, body)
            account = self._account(fields)
            script = self.scripts.take(fields["destnumber"])
            call = self._take(account, fields, script) if script.taken else None
            answer, verdict = _scripted(script, at), script.answer
        except WrongRequest as wrong:
            answer = {"ret": wrong.ret, "data": {}, "msg": wrong.words}
            verdict = f"refused: {wrong.words}"
            self.counts["refused"] += 1
        self._note(fields, account, verdict, at)
        await asyncio.sleep(script.after)
        if call is not None:
            told = self._begin(call)
            if script.callback == "first":
                await asyncio.wait([told])
        return Verdict(answer, script)

    def find(self, memberid: str) -> Call:
        """The last call of this name. Raises ValueError where there is none."""
        for call in reversed(self.calls):
            if call.id == memberid:
                return call
        raise ValueError(f"no call {memberid!r}")

    @property
    def live(self) -> int:
        """Calls that go on."""
        return sum(call.ended is None for call in self.calls)

    def _note(self, fields: dict[str, str], account: Account | None, verdict: str, at: float) -> None:
        shown = {name: value for name, value in fields.items() if name != "token"}
        memberid = fields.get("memberid", "")
        self.counts["requests"] += 1
        self.counts["asked_twice"] += bool(memberid) and memberid in self._asked
        self._asked.add(memberid)
        tenant = account.tenant if account else None
        self.requests.append({"fields": shown, "account": tenant, "verdict": verdict, "at": at})
        told = {name: shown.get(name, "") for name in ("memberid", "extnumber", "destnumber")}
        emit({"event": "request", **told, "verdict": verdict})

    def _account(self, fields: dict[str, str]) -> Account:
        for account in self.accounts.values():
            if account.token == fields["token"]:
                if not account.owns(fields["extnumber"]):
                    raise WrongRequest(400, "extnumber is not yours")
                return account
        raise WrongRequest(401, "token is wrong")

    def _take(self, account: Account, fields: dict[str, str], script: Script) -> Call:
        asked = {name: value for name, value in fields.items() if name not in {"token", "service"}}
        self.counts["collisions"] += asked["extnumber"] in self._live
        call = Call(asked, account, script)
        self._live[asked["extnumber"]] = call
        self.calls.append(call)
        self.counts["taken"] += 1
        self.counts["most_live"] = max(self.counts["most_live"], self.live)
        return call

    def _begin(self, call: Call) -> asyncio.Task[None]:
        task = asyncio.create_task(self._play(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _play(self, call: Call) -> None:
        self._tell_state(call)
        script = call.script
        end = await self._lines.play(call, partial(self._answered, call))
        call.ended, call.cause, call.direction = time.time(), end.cause, end.direction
        if self._live.get(call.asked["extnumber"]) is call:
            del self._live[call.asked["extnumber"]]
        self.counts["ended"] += 1
        self._tell_state(call)
        if script.callback == "never":
            return
        await asyncio.sleep(script.late)
        for _ in range(script.repeat):
            await self.call_back(call, "ended")
        if script.callback == "reversed" and call.answered:
            await self.call_back(call, "answered")

    async def _answered(self, call: Call) -> None:
        call.answered = time.time()
        self._tell_state(call)
        if self._now(call).progress and call.script.callback in {"normal", "first"}:
            await self.call_back(call, "answered")

    async def call_back(self, call: Call, tells: str, **changes: Any) -> int:
        """Tell of it; the last answer's code, 0 where there was none."""
        account = self._now(call)
        if not account.url:
            return 0
        wrong = changes.pop("wrong", call.script.wrong)
        return await self._callbacks.tell(call, account, tells, wrong, **changes)

    async def hang_up(self, call: Call, direction: str) -> None:
        """Somebody hangs up."""
        await self._lines.hang_up(call, direction)

    def _now(self, call: Call) -> Account:
        """The account as it is by now."""
        return self.accounts.get(call.account.tenant, call.account)

    def _tell_state(self, call: Call) -> None:
        emit({"event": "call", "memberid": call.id, "state": call.state})


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise WrongRequest(400, f"the body is not {FORM}")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise WrongRequest(400, "the form cannot be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise WrongRequest(400, "a parameter comes twice")
    if missing := sorted(_NEEDED - fields.keys()):
        raise WrongRequest(400, f"missing: {', '.join(missing)}")
    if unknown := sorted(fields.keys() - _KNOWN):
        raise WrongRequest(400, f"unknown: {', '.join(unknown)}")
    if fields["service"] != SERVICE:
        raise WrongRequest(400, "no such service")
    for name in ("extnumber", "destnumber", "disnumber"):
        if name in fields and not _NUMBER.fullmatch(fields[name]):
            raise WrongRequest(400, f"{name} is no number")
    if long := sorted(name for name, value in fields.items() if len(value) > _LONGEST):
        raise WrongRequest(400, f"too long: {', '.join(long)}")
    return fields


def _scripted(script: Script, asked_at: float) -> dict[str, Any]:
    if script.answer == "refuse":
        return {"ret": script.said, "data": {}, "msg": script.words}
    status, words = (script.said, script.words) if script.answer == "status" else (0, "call accepted")
    data = {"status": status, "desc": words, "reqtime": round(asked_at), "rsptime": round(time.time())}
    return {"ret": 200, "data": data, "msg": ""}
