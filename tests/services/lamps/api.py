"""`/lamps`."""

from collections.abc import Sequence

from dialplane.services.lamps.tables import names
from fastapi import APIRouter

from dialplane.api.dependencies import Site
from dialplane.api.mount import Mount

router = APIRouter(prefix="/lamps", tags=["lamps"])


@router.get("")
async def listed(api: Site) -> list[str]:
    return await api.store.call(names, api.site)


def mounts() -> Sequence[Mount]:
    return (Mount(router, area="lamps"),)
