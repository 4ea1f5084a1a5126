"""Tenants as tests want them, without a site around them."""

from typing import Any

from pydantic import SecretStr

from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.services.infinity.tenant import Tenant

TOKEN = "token-of-the-test-bed"
SECRET = "secret-of-callbacks-01"


def tenant(
    api_url: str = "http://127.0.0.1:1/api", *, name: str = "sales", token: str | None = TOKEN, **spec: Any
) -> Tenant:
    """A tenant with the extensions 8001 to 8003; `spec` is as in a manifest."""
    wanted = {
        "tenantId": "1",
        "apiUrl": api_url,
        "tokenSecretRef": {"name": name, "key": "token"},
        "extensionPool": {"numbers": ["8001-8003"]},
        "requestTimeoutSeconds": 5,
        **spec,
    }
    metadata = {"name": name, "uid": f"uid-{name}", "generation": 1}
    resource = parse(
        {"apiVersion": "dialplane.io/v1alpha1", "kind": "InfinityTenant", "metadata": metadata, "spec": wanted}
    )
    assert isinstance(resource.spec, InfinityTenantSpec), resource
    return Tenant(
        key=Key("InfinityTenant", name),
        uid=f"uid-{name}",
        spec=resource.spec,
        serves=True,
        token=SecretStr(token) if token is not None else None,
        callback_secret=SecretStr(SECRET),
    )
