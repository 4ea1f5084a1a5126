"""Tenants as their manifests have them, without secrets; and whether their platform answers."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from dialplane.api.problems import described
from dialplane.resources.fields import ObjectName
from dialplane.services.infinity.api import models
from dialplane.services.infinity.api.access import Held, Served, may, permit, tenant_of

router = APIRouter(prefix="/configs")

Name = Annotated[ObjectName, Path(description="Of an InfinityTenant.")]


@router.get("", summary="Tenants by name", responses=described())
async def listed(infinity: Served, holder: Held) -> models.ConfigList:
    """The InfinityTenants that the token may read, as their manifests are now; they are changed there."""
    found = [tenant for name, tenant in sorted(infinity.tenants().items()) if may(holder, "read", name)]
    return models.ConfigList(items=[models.config(tenant) for tenant in found])


@router.get("/{tenant}", summary="One tenant", responses=described(HTTPStatus.NOT_FOUND))
async def one(infinity: Served, holder: Held, tenant: Name) -> models.Config:
    """An InfinityTenant as its manifest is now, without its secrets."""
    permit(holder, "read", tenant)
    return models.config(tenant_of(infinity, tenant))


@router.post(
    "/{tenant}/test-connection",
    summary="Ask whether the platform answers",
    responses=described(HTTPStatus.NOT_FOUND),
)
async def test_connection(infinity: Served, holder: Held, tenant: Name) -> models.Connection:
    """Ask the tenant's platform now; nobody is called."""
    permit(holder, "manage", tenant)
    found = await infinity.test_connection(tenant_of(infinity, tenant))
    return models.Connection(reachable=found.answers, detail=found.detail, milliseconds=found.milliseconds)
