"""What `validate` gives to think about, though it may be meant so."""

from typing import Any

import pytest

from dialplane.plan.advice import advice
from tests.plan.office import manifest, snapshot

TENANT: dict[str, Any] = {
    "tenantId": "1",
    "apiUrl": "https://voice.example.com/api",
    "tokenSecretRef": {"name": "acme", "key": "token"},
    "extensionPool": {"numbers": ["8001-8002"]},
}
CALLBACK = {"callback": {"secretRef": {"name": "acme", "key": "callback"}}}


@pytest.mark.parametrize(
    ("more", "seconds"), [({}, "660"), ({"maxCallSeconds": 120}, "180"), ({"callTimeoutSeconds": 30}, "630")]
)
def test_a_tenant_without_a_callback_is_told_what_its_calls_hold(more: dict[str, Any], seconds: str) -> None:
    ((key, field, message),) = advice(snapshot([manifest("InfinityTenant", "acme", TENANT | more)], {}))
    assert (str(key), field) == ("InfinityTenant/acme", "spec.callback")
    assert f"for {seconds} seconds" in message


def test_a_tenant_with_a_callback_needs_no_advice() -> None:
    assert list(advice(snapshot([manifest("InfinityTenant", "acme", TENANT | CALLBACK)], {}))) == []
