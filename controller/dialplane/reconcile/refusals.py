"""Whom Asterisk refused, told to people: folded, so that a flood of guessed passwords is a few words and little work.

Guarantees: a resource is told of at most once in `AGAIN` seconds, and a site of at most `AT_ONCE` resources in `TICK`;
what happens meanwhile is counted and told then. What is kept is bounded by the site's own accounts, never by what
attackers make up. No password, challenge or hash comes here.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from dialplane.asterisk.security import SecurityEvent
from dialplane.reconcile import metrics
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import Notice, Notices

log = structlog.get_logger(__name__)

TICK: Final = 1.0
AT_ONCE: Final = 5
AGAIN: Final = 300.0
"""Seconds."""

LOOK_UP_SECONDS: Final = 5.0
"""For the addresses behind a trunk's `host`."""

DIFFERENT: Final = 50
"""So many networks and made-up accounts are told apart; the others are counted together."""
SHOWN: Final = 3

AUTHENTICATION_FAILED: Final = "AuthenticationFailed"
REQUEST_REFUSED: Final = "RequestRefused"

_OF_CARRIER: Final = (
    "this is the address of its host: the carrier calls without the line of the registration, so list the address in "
    "matchNetworks"
)

_WORDS: Final = {
    "ChallengeResponseFailed": "wrong password",
    "InvalidPassword": "wrong password",
    "InvalidAccountID": "unknown account",
    "FailedACL": "address not allowed",
    "UnexpectedAddress": "address not allowed",
}


@dataclass(slots=True)
class _Heap:
    """What was refused since it was told last."""

    due: float = 0.0
    count: int = 0
    why: Counter[str] = field(default_factory=Counter)
    cure: str = ""
    networks: Counter[str] = field(default_factory=Counter)
    accounts: Counter[str] = field(default_factory=Counter)

    def add(self, event: SecurityEvent, account: str) -> None:
        self.count += 1
        self.why[_WORDS.get(event.kind, event.kind)] += 1
        for seen, name in ((self.networks, event.network), (self.accounts, account)):
            if name:
                seen[name if name in seen or len(seen) < DIFFERENT else ""] += 1

    def notice(self) -> Notice:
        """What to say of it."""
        failed = self.why.keys() & {"wrong password", "unknown account"}
        reasons = ", ".join(f"{why} ({number})" for why, number in self.why.most_common())
        said = f"refused: {reasons}"
        if self.networks:
            said += f"; from {_first(self.networks)}"
        if self.accounts:
            said += f"; as {_first(self.accounts)}"
        if self.cure:
            return Notice(REQUEST_REFUSED, f"{said}; {self.cure}", self.count)
        return Notice(AUTHENTICATION_FAILED if failed else REQUEST_REFUSED, said, self.count)


def _first(seen: Counter[str]) -> str:
    """The most frequent ones, and that there are more."""
    names = [name for name, _ in seen.most_common() if name]
    more = len(names) > SHOWN or "" in seen
    return ", ".join(names[:SHOWN]) + (" and others" if more else "")


async def _addresses(hosts: Mapping[str, tuple[Key, ...]]) -> dict[str, Key]:
    """Return every address of the trunks' hosts as DNS has them now; a name that does not resolve in time has none."""
    loop = asyncio.get_running_loop()

    async def of(host: str) -> list[str]:
        with suppress(OSError, TimeoutError, UnicodeError):
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return [str(found[4][0]) for found in await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)]
        return []

    looked = zip(hosts.values(), await asyncio.gather(*map(of, hosts)), strict=True)
    return {address: min(keys) for keys, addresses in looked for address in addresses}


class Refusals:
    """Hears of every refusal, tells of some."""

    def __init__(self, notices: Notices, site: Callable[[], Snapshot]) -> None:
        self._notices = notices
        self._site = site
        self._heaps: dict[Key, _Heap] = {}
        self._read: Snapshot | None = None
        self._accounts: dict[str, Key] = {}
        self._pbx: Key | None = None
        self._hosts: Mapping[str, tuple[Key, ...]] = {}
        """The hosts of trunks, names and addresses, each with its trunks."""
        self._carriers: dict[str, Key] = {}
        """The addresses behind them."""

    def hear(self, event: SecurityEvent) -> None:
        """Count it. Cheap: there may be thousands a second."""
        metrics.security_events.labels(event.kind, event.service).inc()
        self._read_site()
        if not event.account and event.kind == "ChallengeResponseFailed" and event.service == "PJSIP":
            return  # the companion of an InvalidAccountID or FailedACL of the same request
        owner = self._accounts.get(event.account) if event.service == "PJSIP" else None
        carrier = self._carriers.get(event.address) if owner is None and event.service == "PJSIP" else None
        key = owner or carrier or self._pbx
        if key is not None:
            heap = self._heaps.setdefault(key, _Heap())
            heap.add(event, "" if owner else event.account)
            heap.cure = _OF_CARRIER if carrier else ""

    async def run(self) -> None:
        """Tell, until cancelled."""
        loop = asyncio.get_running_loop()
        resolved, again = self._hosts, 0.0
        while True:
            await asyncio.sleep(TICK)
            self.tell(loop.time())
            self._read_site()
            if self._hosts is not resolved or loop.time() >= again:
                resolved, again = self._hosts, loop.time() + AGAIN
                self._carriers = await _addresses(resolved)

    def tell(self, now: float) -> None:
        """Tell of what is due at `now`, in monotonic seconds; those that have waited longest first."""
        due = sorted((heap.due, key) for key, heap in self._heaps.items() if heap.due <= now)
        told = 0
        for _, key in due:
            heap = self._heaps.pop(key)
            if not heap.count:
                continue
            if told == AT_ONCE:
                self._heaps[key] = heap
                continue
            told += 1
            notice = heap.notice()
            log.warning("refused", resource=str(key), reason=notice.reason, count=notice.times, message=notice.message)
            self._notices.tell(key, notice)
            self._heaps[key] = _Heap(due=now + AGAIN)

    def _read_site(self) -> None:
        site = self._site()
        if site is self._read:
            return
        self._read = site
        self._accounts = {spec.number: resource.key for resource, spec in site.of(ExtensionSpec)}
        hosts: dict[str, tuple[Key, ...]] = {}
        for resource, trunk in site.of(SipTrunkSpec):
            if trunk.enabled:
                hosts[trunk.host] = (*hosts.get(trunk.host, ()), resource.key)
        if hosts != self._hosts:
            self._hosts = hosts
        self._pbx = min((resource.key for resource, _ in site.of(AsteriskSpec)), default=None)
