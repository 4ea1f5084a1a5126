"""Credentials the controller makes itself, kept as Secrets owned by the resource they belong to."""

from collections.abc import Mapping

import structlog

from dialplane.kube.access import Right
from dialplane.kube.addresses import SECRETS, Address
from dialplane.kube.api import Api
from dialplane.kube.errors import ConflictError, ForbiddenError
from dialplane.kube.inventory import SECRET, Inventory
from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION

log = structlog.get_logger(__name__)

MANAGED_BY = {"app.kubernetes.io/managed-by": "dialplane"}


class SecretStore:
    """Implements `reconcile.ports.CredentialsStore`.

    The right to create Secrets is granted apart (with `list` it could mint the token of a stronger ServiceAccount), so
    that its absence is an ordinary answer here: PermissionError, for the resource's own condition.
    """

    def __init__(self, api: Api, inventory: Inventory, addresses: Mapping[str, Address]) -> None:
        self._api = api
        self._inventory = inventory
        self._addresses = addresses

    async def create(self, name: str, values: Mapping[str, str], owner: Key) -> None:
        """See `reconcile.ports.CredentialsStore.create`. A resource that went meanwhile gets none.

        Raises:
            PermissionError: the optional right is not granted; the message names the right and the cure.
            ApiError: not now; the next round tries again.
        """
        held = self._inventory.held(owner)
        if held is None:
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
        except ForbiddenError as error:
            raise PermissionError(
                f"the controller may not {Right('create', SECRETS)} in namespace {namespace}: set "
                "controller.generateCredentials=true in the chart, or make the Secret yourself and name it in "
                "credentialsSecretRef"
            ) from error
        else:
            log.info("secret_created", secret=name, owner=str(owner))
