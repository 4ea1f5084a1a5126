"""Credentials the controller makes itself, kept as Secrets owned by the resource they belong to."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from dialplane.kube.access import Right
from dialplane.kube.addresses import SECRETS
from dialplane.kube.api import Api
from dialplane.kube.errors import ApiError, ConflictError, ForbiddenError
from dialplane.kube.events import EventSink
from dialplane.kube.inventory import SECRET, Inventory
from dialplane.reconcile.ports import Leadership
from dialplane.resources.conditions import Condition, ConditionType, Truth
from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION
from dialplane.resources.problem import Reason

log = structlog.get_logger(__name__)

READY = ConditionType.READY
ASK_AGAIN = 30.0
MANAGED_BY = {"app.kubernetes.io/managed-by": "dialplane"}


class SecretStore:
    """Implements `reconcile.ports.CredentialsStore`.

    The right to create Secrets is granted apart (with `list` it could mint the token of a stronger ServiceAccount), so
    that its absence is an ordinary answer: the resource stays at SecretMissing, an Event on it and the log name the
    cure, and the question is not put again for `ASK_AGAIN` seconds. Nothing here ends a pass of the site loop.
    """

    def __init__(
        self,
        api: Api,
        inventory: Inventory,
        leadership: Leadership,
        events: EventSink,
        touch: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._inventory = inventory
        self._leadership = leadership
        self._events = events
        self._touch = touch
        self._clock = clock
        self._silent_until = float("-inf")
        self.denied = ""
        """Why the last creation was denied, with the cure; empty where none was."""

    async def create(self, name: str, values: Mapping[str, str], owner: Key) -> None:
        """See `reconcile.ports.CredentialsStore.create`. Never raises; a resource that went meanwhile gets none."""
        held = self._inventory.held(owner)
        if held is None or not self._leadership.held() or self._clock() < self._silent_until:
            return
        reference = {
            "apiVersion": API_VERSION,
            "kind": owner.kind,
            "name": owner.name,
            "uid": held.uid,
            "controller": True,
            "blockOwnerDeletion": False,  # True would need a right on the owner's finalizers
        }
        secret = {
            "apiVersion": "v1",
            "kind": SECRET,
            "metadata": {"name": name, "labels": MANAGED_BY, "ownerReferences": [reference]},
            "stringData": dict(values),
            "type": "Opaque",
        }
        namespace = self._inventory.namespace
        try:
            await self._api.request("POST", SECRETS.collection(namespace), body=secret)
        except ConflictError:
            log.debug("secret_exists", secret=name, owner=str(owner))
        except ForbiddenError:
            self.denied = (
                f"the controller may not {Right('create', SECRETS)} in namespace {namespace}: set "
                "rbac.generateCredentials=true in the chart, or make the Secret yourself and name it in "
                "credentialsSecretRef"
            )
            log.warning("secret_denied", secret=name, owner=str(owner), cure=self.denied)
            self._events.tell(owner, held.uid, Condition(READY, Truth.FALSE, Reason.SECRET_MISSING, self.denied))
            self._later()
        except ApiError as error:
            log.warning("secret_failed", secret=name, owner=str(owner), error=str(error))
            self._later()
        else:
            self.denied = ""
            log.info("secret_created", secret=name, owner=str(owner))

    def _later(self) -> None:
        self._silent_until = self._clock() + ASK_AGAIN
        asyncio.get_running_loop().call_later(ASK_AGAIN, self._touch)
