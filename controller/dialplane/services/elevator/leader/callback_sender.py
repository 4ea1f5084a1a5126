"""Tells programs of devices by `POST`: in the order of each device, again until they answer, and bounded in every way.

What is to be told is in the store, and goes once a program took it: after `kill -9` it is told again, under the same
`X-Callback-Id`. Each address (scheme, host and port) has its own few requests at a time, and its own pause after a
failure: one that hangs holds up no other. A body is what an old program expects; all of ours is in headers.
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Final

import httpx
import structlog
from pydantic import SecretStr

from dialplane.services.elevator.leader import metrics
from dialplane.services.elevator.tables import callbacks
from dialplane.services.elevator.tables.callbacks import WaitingCallback
from dialplane.store import Store, StoreError
from dialplane.tasks import Backoff, wait_at_most

log = structlog.get_logger(__name__)

for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)  # they tell URLs and headers

EACH: Final = 16
"""Requests to one address at a time."""
AT_ONCE: Final = 64
"""Requests at a time in all."""
ANSWER_SECONDS: Final = 10.0
"""For one request as a whole."""
ANSWER_LIMIT: Final = 16 << 10
"""Bytes of an answer that are read; nobody looks at them."""
LOOK_SECONDS: Final = 2.0
"""Between two looks for what is due, without a hint."""
GAP_SECONDS: Final = 0.2
"""Between two looks at least."""
KEPT: Final = timedelta(hours=24)
"""How long something is told again; after that nobody wants to know."""
MOST: Final = 100
"""Callbacks of one device that wait; the oldest goes for a new one."""
PRUNE_SECONDS: Final = 60.0
REFUSED: Final = Backoff(1, 300, least=0.5)
"""After an answer that refuses this one callback."""
AWAY: Final = Backoff(1, 30, least=0.5)
"""After no answer, or one that says that the program is down: the whole address waits."""
STORE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """Where a callback goes."""

    url: str
    secret: SecretStr | None = None
    """What it is signed with."""
    is_complete: bool = True
    """Whether its secret is there, if it has one; until then nothing is sent."""

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return "/".join(self.url.split("/", 3)[:3])


@dataclass(slots=True)
class _Lane:
    """The callbacks to one address."""

    waiting: "deque[tuple[WaitingCallback, CallbackTarget]]" = field(default_factory=deque)
    running: int = 0
    failures: int = 0
    """In a row."""
    until: float = 0.0
    """Before that nothing is sent, by the loop's clock."""


class CallbackSender:
    """The callbacks of one site; sends while `run` runs."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        destination: Callable[[WaitingCallback], CallbackTarget | None],
        leads: Callable[[], bool],
        now: Callable[[], datetime],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Name the site.

        Args:
            store: the database.
            site: the namespace.
            destination: where a callback goes; None: nobody wants it any more.
            leads: whether this process may send.
            now: the clock.
            transport: in place of connections, for benchmarks.
        """
        self._store = store
        self._site = site
        self._destination = destination
        self._leads = leads
        self._now = now
        self._transport = transport
        self._lanes: dict[str, _Lane] = {}
        self._sending: set[str] = set()
        self._moved: set[str] = set()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to tell."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled."""
        self._lanes, self._sending = {}, set()
        loop = asyncio.get_running_loop()
        pruned = -PRUNE_SECONDS
        async with _client(self._transport) as client, asyncio.TaskGroup() as sending:
            while True:
                self._woken.clear()
                wait = LOOK_SECONDS
                try:
                    if self._leads():
                        if loop.time() - pruned >= PRUNE_SECONDS:
                            pruned = loop.time()
                            await self._prune()
                        await self._fill()
                        wait = min(wait, self._start(client, sending))
                except StoreError as error:
                    log.warning("callbacks wait for the store", reason=str(error))
                    wait = STORE_SECONDS
                await asyncio.sleep(GAP_SECONDS)
                await wait_at_most(self._woken, max(wait - GAP_SECONDS, 0.0))

    async def _fill(self) -> None:
        """Put what is due into the lanes, the oldest of each device."""
        self._moved = set(self._sending)
        due = await self._store.call(callbacks.heads, self._site, now=self._now())
        for lane in self._lanes.values():
            lane.waiting.clear()
        unwanted = []
        for callback in due:
            destination = self._destination(callback)
            if destination is None:
                unwanted.append(callback.seq)
            elif callback.device not in self._moved and destination.is_complete:  # else it may be told by now
                self._lanes.setdefault(destination.address, _Lane()).waiting.append((callback, destination))
        metrics.PENDING.set(len(due) - len(unwanted))
        self._lanes = {
            name: lane for name, lane in self._lanes.items() if lane.waiting or lane.running or lane.failures
        }
        for seq in unwanted:
            await self._store.call(callbacks.remove, seq)
            self._woken.set()

    def _start(self, client: httpx.AsyncClient, sending: asyncio.TaskGroup) -> float:
        """Start what may start now; return the seconds until more may."""
        time, wait = asyncio.get_running_loop().time(), LOOK_SECONDS
        running = sum(lane.running for lane in self._lanes.values())
        for lane in self._lanes.values():
            if lane.waiting and lane.until > time:
                wait = min(wait, lane.until - time)
                continue
            most = EACH if not lane.failures else 1  # one tries whether it is back
            new = max(min(len(lane.waiting), most - lane.running, AT_ONCE - running), 0)
            lane.running += new
            running += new
            for _ in range(new):
                sending.create_task(self._work(client, lane), name="callbacks")
        return wait

    async def _work(self, client: httpx.AsyncClient, lane: _Lane) -> None:
        """Send what waits in a lane, one after the other."""
        loop = asyncio.get_running_loop()
        try:
            while lane.waiting and lane.until <= loop.time() and self._leads():
                callback, destination = lane.waiting.popleft()
                self._sending.add(callback.device)
                self._moved.add(callback.device)
                try:
                    await self._send(client, lane, callback, destination)
                finally:
                    self._sending.discard(callback.device)
                    self._woken.set()
        finally:
            lane.running -= 1

    async def _send(
        self, client: httpx.AsyncClient, lane: _Lane, callback: WaitingCallback, destination: CallbackTarget
    ) -> None:
        status, why = await self._ask(client, callback, destination)
        if status is not None and 200 <= status < 300:  # noqa: PLR2004 -- HTTP's own
            if lane.failures:
                log.info("callbacks are taken again", address=destination.address)
            lane.failures, result = 0, "taken"
            await self._note(callbacks.remove, callback.seq)
        else:
            away = status is None or status >= 500 or status == httpx.codes.TOO_MANY_REQUESTS  # noqa: PLR2004
            result = "failed" if away else "refused"
            pause = _pause(lane, callback, away=away)
            if (lane.failures if away else callback.attempts + 1) == 1:
                log.warning("callback not taken", address=destination.address, device=callback.device, why=why)
            await self._note(callbacks.postpone, callback.seq, self._now() + timedelta(seconds=pause))
        metrics.CALLBACKS.labels(result).inc()

    async def _ask(
        self, client: httpx.AsyncClient, callback: WaitingCallback, destination: CallbackTarget
    ) -> tuple[int | None, str]:
        """Send one request; return the status of the answer, None without one, and why it is no success."""
        body = json.dumps(callback.body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Callback-Id": f"{self._site}-{callback.seq}",
            **signed(body, destination.secret, self._now()),
        }
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                async with client.stream("POST", destination.url, content=body, headers=headers) as answer:
                    size = 0
                    async for chunk in answer.aiter_raw():  # one that was read to its end leaves its connection free
                        size += len(chunk)
                        if size > ANSWER_LIMIT:
                            break
                    return answer.status_code, f"HTTP {answer.status_code}"
        except TimeoutError:
            return None, f"no answer within {ANSWER_SECONDS:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return None, type(error).__name__  # its own words may repeat what was sent

    async def _note(self, change: Callable[..., None], *arguments: object) -> None:
        """Write down how it ended; until then the device has nothing else told."""
        while True:
            try:
                await self._store.call(change, *arguments)
            except StoreError:
                await asyncio.sleep(STORE_SECONDS)
            else:
                return

    async def _prune(self) -> None:
        gone = await self._store.call(callbacks.prune, self._site, before=self._now() - KEPT, most=MOST)
        if gone:
            metrics.CALLBACKS.labels("dropped").inc(gone)
            log.warning("callbacks dropped that no program took", callbacks=gone, kept_hours=24, kept_each=MOST)


def _pause(lane: _Lane, callback: WaitingCallback, *, away: bool) -> float:
    """Return the seconds until a callback is tried again; where its program is away, the whole lane waits."""
    if not away:
        lane.failures = 0
        return REFUSED.wait_after(callback.attempts + 1)
    lane.failures += 1
    pause = AWAY.wait_after(lane.failures)
    lane.until = asyncio.get_running_loop().time() + pause
    return pause


def signed(body: bytes, secret: SecretStr | None, now: datetime) -> Mapping[str, str]:
    """Return the headers that prove a body: HMAC-SHA256 of seconds since 1970, a dot and the body; none without."""
    if secret is None:
        return {}
    stamp = str(int(now.timestamp()))
    key = secret.get_secret_value().encode("utf-8", "surrogateescape")
    proof = hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Timestamp": stamp, "X-Signature": f"sha256={proof}"}


def _client(transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=5.0)
    client = httpx.AsyncClient(
        transport=transport,
        limits=limits,
        timeout=ANSWER_SECONDS,
        follow_redirects=False,
        headers={"User-Agent": "dialplane", "Accept-Encoding": "identity"},
    )
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client
