"""Deletes resources whose time is over, of the kinds that expire: text messages, a while after they were sent."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from dialplane.kube.access import Right
from dialplane.kube.addresses import Address
from dialplane.kube.api import Api
from dialplane.kube.errors import ApiError, ConflictError, ForbiddenError, NotFoundError
from dialplane.reconcile.ports import Leadership
from dialplane.resources.key import Key

log = structlog.get_logger(__name__)

ASK_AGAIN: Final = 300.0
"""Seconds after a refusal."""
AT_ONCE: Final = 4
"""Deletions under way at a time."""


class Remover:
    """Implements `reconcile.ports.Remover`: each object by its uid, in the background, a few at a time."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        addresses: Mapping[str, Address],
        leadership: Leadership,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._addresses = addresses
        self._leadership = leadership
        self._clock = clock
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._silent_until = float("-inf")

    def remove(self, key: Key, uid: str) -> None:
        """See `reconcile.ports.Remover`."""
        if uid not in self._tasks and self._clock() >= self._silent_until:
            task = asyncio.get_running_loop().create_task(self._delete(key, uid))
            self._tasks[uid] = task
            task.add_done_callback(lambda _: self._tasks.pop(uid, None))

    async def _delete(self, key: Key, uid: str) -> None:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        address = self._addresses[key.kind]
        async with self._room:
            if not self._leadership.held() or self._clock() < self._silent_until:
                return
            try:
                await self._api.request("DELETE", address.object(self._namespace, key.name), body=options)
            except (ConflictError, NotFoundError):
                return  # gone, or another one of that name
            except ForbiddenError:
                self._silent_until = self._clock() + ASK_AGAIN
                log.warning("delete_denied", lacking=str(Right("delete", address)), effect=f"old {address.plural} stay")
            except ApiError as error:
                log.warning("delete_failed", resource=str(key), error=str(error))
            else:
                log.info("deleted", resource=str(key), why="its time is over")
