"""A site with tenants, as services see it."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import SecretStr

from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource, parse
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import SiteView
from dialplane.services.infinity.tenant import Tenant, tenants
from testbed.manifests import Manifest, manifest

SITE = "office"
SECRETS = {"infinity": {"token": "a-token-of-the-platform", "callback": "callback-secret-of-the-platform"}}


def tenant_manifest(name: str = "acme", *numbers: str, uid: str = "", **spec: Any) -> Manifest:
    fields: dict[str, Any] = {
        "tenantId": name,
        "apiUrl": "http://127.0.0.1:9/api",
        "tokenSecretRef": {"name": "infinity", "key": "token"},
        "extensionPool": {"numbers": list(numbers) or ["8001-8002"]},
    }
    made = manifest("InfinityTenant", name, **(fields | spec))
    made["metadata"]["uid"] = uid or f"uid-of-{name}"
    return made


def view(
    manifests: Iterable[Manifest],
    *,
    refused: Iterable[str] = (),
    secrets: Mapping[str, Mapping[str, str]] = SECRETS,
    leads: bool = True,
) -> SiteView:
    """The site; `refused` names those that the plan does not accept."""
    found: dict[Key, Resource] = {resource.key: resource for resource in map(parse, manifests)}
    held = {name: {key: SecretStr(value) for key, value in keys.items()} for name, keys in secrets.items()}
    accepted = {
        key for key, r in found.items() if r.spec and getattr(r.spec, "enabled", True) and key.name not in {*refused}
    }
    return SiteView(Snapshot(SITE, found, held), accepted=frozenset(accepted), leads=lambda: leads)


def tenant(name: str = "acme", *numbers: str, token: str = "a-token", **spec: Any) -> Tenant:
    """One that serves."""
    return tenants(view([tenant_manifest(name, *numbers, **spec)], secrets={"infinity": {"token": token}}))[name]
