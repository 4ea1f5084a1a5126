"""The pod that Asterisk runs in: deleted by name, so that its StatefulSet makes it anew.

The one right beyond reading that the operator may have on anything but its own objects; the chart grants it for this
one name, and only when told to.
"""

from typing import Any

import structlog

from dialplane.kube.access import Right, Rights
from dialplane.kube.addresses import PODS
from dialplane.kube.api import Api
from dialplane.kube.errors import ApiError, ConflictError, ForbiddenError, NotFoundError
from dialplane.reconcile.ports import SupervisorError

log = structlog.get_logger(__name__)


class AsteriskPod:
    """The `ports.Supervisor` that is a StatefulSet and the kubelet."""

    def __init__(self, api: Api, rights: Rights, namespace: str, name: str) -> None:
        self._api = api
        self._rights = rights
        self._name = name
        self._path = PODS.object(namespace, name)

    async def check(self) -> None:
        """See `ports.Supervisor`."""
        try:
            if await self._rights.missing([Right(verb, PODS, name=self._name) for verb in ("get", "delete")]):
                raise SupervisorError(self._denied)
        except ApiError as error:
            log.info("restart_rights_unknown", error=str(error))  # the restart itself will tell
        await self._uid()

    async def restart(self) -> None:
        """See `ports.Supervisor`. Of this very pod: one that was made meanwhile stays."""
        uid = await self._uid()
        if uid is None:
            return
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", options)
        except (ConflictError, NotFoundError):
            log.info("asterisk_pod_gone_already", pod=self._name)

    async def _uid(self) -> str | None:
        """The pod's uid; None where it is being deleted already."""
        try:
            metadata = (await self._request("GET"))["metadata"]
        except NotFoundError:
            raise SupervisorError(f"there is no pod {self._name}: see --asterisk-pod, then ask anew") from None
        return None if metadata.get("deletionTimestamp") else str(metadata["uid"])

    async def _request(self, method: str, body: Any = None) -> Any:
        try:
            return await self._api.request(method, self._path, body=body)
        except (ConflictError, NotFoundError):
            raise
        except ForbiddenError:
            raise SupervisorError(self._denied) from None
        except ApiError as error:
            raise SupervisorError(f"the API server: {error}; ask anew") from None

    @property
    def _denied(self) -> str:
        return (
            f"the operator may not restart pod {self._name}: grant it get and delete on this one pod (in the chart "
            "rbac.restartAsterisk=true), then ask anew"
        )
