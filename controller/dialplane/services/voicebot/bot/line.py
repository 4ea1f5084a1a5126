"""The connection to Asterisk: the account of the manifest, ARI, and the application that is kept open with it."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import structlog
from pydantic import SecretStr

from dialplane.asterisk.ari import Ari
from dialplane.asterisk.ari_objects import StasisStart
from dialplane.asterisk.errors import Unreachable
from dialplane.services.contract import SecretSource
from dialplane.services.voicebot.bot import metrics
from dialplane.services.voicebot.bot.sweep import Sweep
from dialplane.services.voicebot.desired import AriAddress
from dialplane.services.voicebot.secret_digest import ACCOUNT, secret_text
from dialplane.tasks import run_together, run_until, wait_at_most

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""Between two looks at the account: a Secret changes without a word."""


@dataclass(frozen=True, slots=True)
class Line:
    """An application that is open."""

    ari: Ari
    url: str
    """Of Asterisk's HTTP server."""
    application: str


@dataclass(frozen=True, slots=True)
class _Account:
    url: str
    user: str
    password: SecretStr


class Connector:
    """Keeps the application of one replica open, at whichever Asterisk is wanted."""

    def __init__(
        self,
        application: str,
        secrets: SecretSource,
        take: Callable[[Line, StasisStart], Coroutine[Any, Any, None]],
        changed: Callable[[], None],
    ) -> None:
        """Open `application`.

        Args:
            application: its name.
            secrets: where the account is.
            take: serves a caller who comes in, in a task of its own.
            changed: called each time that the application is open, or is no more.
        """
        self.application = application
        self.line: Line | None = None
        """None while the application is closed."""
        self.reason = ""
        """Why it is; empty where nothing was tried yet."""
        self._secrets = secrets
        self._take = take
        self._changed = changed
        self._wanted: AriAddress | None = None
        self._news = asyncio.Event()
        self._retired = asyncio.Event()
        self._ari: Ari | None = None

    def want(self, address: AriAddress | None) -> None:
        """Open it there from now on; None: nowhere."""
        if address != self._wanted:
            self._wanted, self.reason = address, ""
            self._news.set()

    def ari(self) -> Ari:
        """Return the connection, whether the application is open or not.

        Raises:
            Unreachable: there is none now.
        """
        if self._ari is None:
            raise Unreachable("ARI: no account to connect with")
        return self._ari

    def retire(self) -> None:
        """Close the application for good. ARI stays: calls that go on need it when they end."""
        self._retired.set()

    def sever(self) -> None:
        """Cut the events' socket at once, from any thread."""
        if self._ari is not None:
            self._ari.sever()

    async def run(self) -> None:
        """Keep it open until cancelled.

        Raises:
            ApplicationTaken: another program has opened it.
        """
        while True:
            self._news.clear()
            account = self._account()
            if account is None:
                await wait_at_most(self._news, LOOK_SECONDS)
            else:
                await self._serve(account)

    def _account(self) -> _Account | None:
        wanted = self._wanted
        if wanted is None:
            return None
        username, password = (secret_text(self._secrets, wanted.secret, key) for key in ACCOUNT)
        if username is None or password is None:
            self._close(f"the Secret {wanted.secret} of ARI's account lacks username or password, or is not there")
            return None
        return _Account(wanted.url, username, SecretStr(password))

    async def _serve(self, account: _Account) -> None:
        """Serve with this account, until another one is wanted."""

        async def take(event: object) -> None:
            if isinstance(event, StasisStart) and event.arguments:
                await self._take(Line(ari, account.url, self.application), event)

        def note(reason: str) -> None:
            if reason:
                self._close(reason)
            else:
                self.line, self.reason = Line(ari, account.url, self.application), ""
                metrics.CONNECTED.set(1)
                self._changed()

        async def keep_open() -> NoReturn:
            await ari.keep_open(self.application, take, note)

        async def serve() -> None:
            if not self._retired.is_set():
                await run_until(self._retired, keep_open())
            self._close("the process is about to end")
            await asyncio.Event().wait()

        async with Ari.connect(account.url, account.user, account.password) as ari:
            self._ari = ari
            serving = asyncio.ensure_future(run_together(serve(), Sweep().run(ari)))
            try:
                while not serving.done() and self._account() == account:
                    self._news.clear()
                    news = asyncio.ensure_future(self._news.wait())
                    await asyncio.wait({serving, news}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                    news.cancel()
                if serving.done():
                    serving.result()
                self._close("the account of ARI is another one now")
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
                self._ari = self.line = None

    def _close(self, reason: str) -> None:
        news = self.line is not None or self.reason != reason
        self.line, self.reason = None, reason
        metrics.CONNECTED.set(0)
        if news:
            self._changed()
