"""Who may do what with a tenant.

A tenant that a request names is refused (403) by what the token may alone, whether there is such a tenant or not; of a
call or an extension whose tenant the caller may not know, there is none (404): neither answer tells what exists.
"""

from http import HTTPStatus
from typing import Annotated, Final, Literal, NoReturn

from fastapi import Depends, Query

from dialplane.api.dependencies import Api, authenticated, serving
from dialplane.api.problems import Refusal
from dialplane.api.tokens import Holder
from dialplane.resources.fields import ObjectName
from dialplane.services.infinity.service import InfinityService
from dialplane.services.infinity.tables import call_records, pools
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tenant import Tenant

Right = Literal["read", "call", "manage"]

AREA: Final = "infinity"
_DOES: Final[dict[Right, str]] = {"read": "read", "call": "place calls of", "manage": "manage"}


def may(holder: Holder, right: Right, tenant: str) -> bool:
    """Return whether the token may do this with the tenant, there or not."""
    return holder.scopes.allows(AREA, right, tenant)


def reach(holder: Holder, right: Right) -> frozenset[str] | None:
    """Return the tenants with which the token may do this; None is all."""
    return holder.scopes.reach(AREA, right)


def permit(holder: Holder, right: Right, tenant: str) -> None:
    """Raise a Refusal (403) unless the token may do this with the tenant, there or not."""
    if not may(holder, right, tenant):
        raise Refusal(HTTPStatus.FORBIDDEN, f"this token may not {_DOES[right]} the tenant {tenant}")


def tenant_of(infinity: InfinityService, name: str) -> Tenant:
    """A tenant that the caller may know of; raises a Refusal (404)."""
    found = infinity.tenants().get(name)
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no InfinityTenant {name}, or its manifest cannot be read")
    return found


async def call_of(api: Api, holder: Holder, call_id: str) -> Call:
    """A call that the caller may know of; raises a Refusal (404)."""
    found = await api.store.call(call_records.get, api.site, call_id)
    if found is None or not may(holder, "read", found.tenant):
        _unknown("call", call_id)
    return found


async def extension_of(api: Api, holder: Holder, number: str, right: Right) -> pools.Extension:
    """An extension that the caller may do this with; raises a Refusal (404, 403)."""
    found = await api.store.call(pools.extension, api.site, number)
    if found is None or not may(holder, "read", found.tenant):
        _unknown("extension", number)
    permit(holder, right, found.tenant)
    return found


def _unknown(what: str, name: str) -> NoReturn:
    raise Refusal(HTTPStatus.NOT_FOUND, f"there is no {what} {name}")


def _asked(
    holder: Annotated[Holder, Depends(authenticated)],
    tenant: Annotated[ObjectName | None, Query(description="Only those of this InfinityTenant.")] = None,
) -> str | None:
    if tenant is not None:
        permit(holder, "read", tenant)
    return tenant


Held = Annotated[Holder, Depends(authenticated)]
Served = Annotated[InfinityService, Depends(serving(AREA))]
OfTenant = Annotated[str | None, Depends(_asked)]
"""The tenant that a list is narrowed to, which the caller may read."""
