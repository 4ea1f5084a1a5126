"""What a site that places outbound calls has around it on this machine: the Infinity platform, which is not there.

The provider peer stands in for it, with an account for every InfinityTenant of the site; its records of calls come back
to the API at an address that is known before the controller starts.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dialplane.cli.inputs import read_input
from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.snapshot import Snapshot
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from testbed.ports import LOOPBACK, lease

CALLBACK = "/api/v1/infinity/callback/call-record"


@dataclass(frozen=True)
class CallCenter:
    """Everything around one site."""

    platform: InfinityPeer
    listen: str
    """For the controller's `--listen`: where the platform's records go."""
    tenants: tuple[str, ...]

    @property
    def api(self) -> str:
        """The API's URL."""
        return f"http://{self.listen}"


@asynccontextmanager
async def call_center(
    site: Path, work: Path, *, as_written: bool = False, rules: Sequence[dict[str, Any]] = (), **options: Any
) -> AsyncIterator[CallCenter | None]:
    """Start it, with its log in the folder `work`; None where the site has no tenants.

    Args:
        site: the folder of manifests.
        work: for the log.
        as_written: listen where the tenants' `apiUrl` says; else at any port, and the manifests must be changed.
        rules: what happens to calls (``behave`` of the peer), the last one first.
        options: more of :meth:`InfinityPeer.start`.
    """
    snapshot = read_input([str(site)], None).snapshot
    tenants = {resource.key.name: spec for resource, spec in snapshot.of(InfinityTenantSpec)}
    if not tenants:
        yield None
        return
    async with AsyncExitStack() as stack:
        listen = f"{LOOPBACK}:{stack.enter_context(lease()).take()}"
        port = urlsplit(next(iter(tenants.values())).api_url).port if as_written else None
        accounts = tuple(_accounts(snapshot, f"http://{listen}{CALLBACK}"))
        platform = await stack.enter_async_context(
            await InfinityPeer.start(work, *accounts, port=port or 0, rules=rules, **options)
        )
        yield CallCenter(platform, listen, tuple(tenants))


def _accounts(snapshot: Snapshot, url: str) -> Iterator[Account]:
    for _, spec in snapshot.of(InfinityTenantSpec):
        token, back = spec.token_secret_ref, spec.callback
        yield Account(
            token=snapshot.secrets[token.name][token.key].get_secret_value(),
            tenant=spec.tenant_id,
            company=spec.supplier_id or "",
            url=url if back else "",
            authentication=back.authentication if back else "Hmac",
            secret=snapshot.secrets[back.secret_ref.name][back.secret_ref.key].get_secret_value() if back else "",
            progress=back.progress if back else False,
            numbers=spec.extension_pool.numbers,
        )
