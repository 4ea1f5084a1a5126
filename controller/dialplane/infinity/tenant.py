"""The tenants of a site, as the services see them: specs with the Secrets that they refer to."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import SecretStr

from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.secret_ref import SecretKeyRef
from dialplane.resources.snapshot import Snapshot
from dialplane.service import SiteView


@dataclass(frozen=True, slots=True)
class Tenant:
    """One InfinityTenant whose manifest can be read."""

    key: Key
    uid: str
    spec: InfinityTenantSpec
    serves: bool
    """Takes new calls: enabled, and accepted by the plan. Others end the calls they have."""
    token: SecretStr | None
    """The access token; None where its Secret is missing."""
    callback_secret: SecretStr | None
    """None where the manifest names none, or its Secret is missing."""

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.key.name


def tenants(view: SiteView) -> dict[str, Tenant]:
    """Every InfinityTenant with a valid manifest, by name, the disabled ones too."""
    return {tenant.name: tenant for tenant in _tenants(view)}


def _tenants(view: SiteView) -> Iterator[Tenant]:
    for resource, spec in view.snapshot.of(InfinityTenantSpec):
        callback = spec.callback.secret_ref if spec.callback else None
        yield Tenant(
            key=resource.key,
            uid=resource.uid,
            spec=spec,
            serves=resource.key in view.accepted,
            token=_value(view.snapshot, spec.token_secret_ref),
            callback_secret=_value(view.snapshot, callback) if callback else None,
        )


def _value(snapshot: Snapshot, reference: SecretKeyRef) -> SecretStr | None:
    return snapshot.secrets.get(reference.name, {}).get(reference.key)
