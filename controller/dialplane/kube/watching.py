"""A LIST and a watch of the kinds that resources refer to, Secrets and ConfigMaps, kept going.

Why not kopf's: it could not leave the contents of ConfigMaps on the server. Guarantees, for each of the two:

- a consistent LIST comes first, of whole objects but for ConfigMaps; the watch goes on from its resourceVersion, so
  that nothing that happens in between is lost;
- a watch that ends goes on from the last version it told of, deletions included; where the server has forgotten that
  version (410, 504), a LIST takes its place, and whatever the LIST lacks is settled by a consistent read;
- a server that does not answer is waited for; a missing right or kind ends the process with its own message.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog

from dialplane.kube.addresses import REFERRED_TO, Address
from dialplane.kube.api import BOOKMARK, HEALTHY_AFTER, METADATA, SILENCE, WatchApi
from dialplane.kube.errors import (
    ApiError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from dialplane.kube.reading import Reader
from dialplane.tasks import Backoff, keep_running, run_together

log = structlog.get_logger(__name__)
JSON = Any

Deliver = Callable[[str, str, JSON], None]

AT_ONCE = 100
"""Events handled before the loop gets its turn: about 5 ms."""
LASTS = 600.0
"""Seconds that a watch lasts, and up to half of it more, so that they do not all end together."""
BACKOFF = Backoff(0.2, 10)
"""Between two watches of a kind; it grows while the server does not answer."""


class Watch:
    """The two watches of one namespace; `deliver` gets every event (kind, type, object), in the server's order."""

    def __init__(
        self,
        api: WatchApi,
        namespace: str,
        reader: Reader,
        deliver: Deliver,
        *,
        lasts: float = LASTS,
        silence: float = SILENCE,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._reader = reader
        self._deliver = deliver
        self._lasts = lasts
        self._silence = silence
        self._versions: dict[str, str] = {}
        """Where each kind's watch goes on."""

    async def run(self) -> None:
        """List and watch until cancelled.

        Raises:
            FatalError: a right or a kind is missing, or history went backwards.
        """
        await run_together(*(self._follow(address) for address in REFERRED_TO))

    async def _follow(self, address: Address) -> None:
        def warn(error: ApiError, wait: float) -> None:
            log.warning("watch_interrupted", kind=address.kind, error=str(error), retry_seconds=wait)
            if error.status == HTTPStatus.GATEWAY_TIMEOUT:  # its answer to a version that it does not have yet
                self._versions.pop(address.kind, None)

        await keep_running(
            partial(self._once, address),
            errors=(UnavailableError, UnauthorizedError),
            backoff=BACKOFF,
            on_error=warn,
            healthy_after=HEALTHY_AFTER,
        )

    async def _once(self, address: Address) -> None:
        """One watch, after a LIST where there is no version to go on from."""
        try:
            if address.kind not in self._versions:
                self._versions[address.kind] = await self._reader.fill(address.kind)
            await self._stream(address)
        except (GoneError, NotFoundError) as error:
            log.info("watch_lists_anew", kind=address.kind, error=str(error))
            self._versions.pop(address.kind, None)
        except ForbiddenError as error:
            raise await self._reader.explain(address, error) from error

    async def _stream(self, address: Address) -> None:
        """One watch, until the server ends it."""
        query = {"resourceVersion": self._versions[address.kind]}
        if address.field_selector:
            query["fieldSelector"] = address.field_selector
        lasts = self._lasts * random.uniform(1.0, 1.5)  # noqa: S311 -- no secret
        watch = self._api.watch(
            address.collection(self._namespace),
            query=query,
            seconds=lasts,
            silence=self._silence,
            accept=METADATA if address.metadata_only else "application/json",
        )
        at_once = 0
        async with aclosing(watch) as events:
            async for type_, obj in events:
                if type_ != BOOKMARK:
                    self._deliver(address.kind, type_, obj)
                self._versions[address.kind] = obj["metadata"]["resourceVersion"]
                at_once += 1
                if at_once % AT_ONCE == 0:
                    await asyncio.sleep(0)
