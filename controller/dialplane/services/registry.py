"""Every runtime service: one line each. What Dialplane knows of services, it reads here."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from dialplane.services import elevator, infinity, notify, recordings, sms, voicebot, voicemail
from dialplane.services.contract import ServiceDefinition

if TYPE_CHECKING:
    import sqlalchemy as sa

    from dialplane.api.mount import Mount
    from dialplane.api.scopes import ScopeRule

SERVICES: Final[tuple[ServiceDefinition, ...]] = (
    sms.SERVICE,
    notify.SERVICE,
    infinity.SERVICE,
    voicemail.SERVICE,
    recordings.SERVICE,
    elevator.SERVICE,
    voicebot.SERVICE,
)


def scopes(services: Sequence[ServiceDefinition] = SERVICES) -> "tuple[ScopeRule, ...]":
    """Return what tokens may be good for."""
    return tuple(rule for service in services for rule in service.scopes)


def mounts(services: Sequence[ServiceDefinition] = SERVICES) -> "tuple[Mount, ...]":
    """Return the paths of the API."""
    return tuple(mount for service in services for mount in service.mounts())


def tables(services: Sequence[ServiceDefinition] = SERVICES) -> "sa.MetaData":
    """Return every table of the store, in one metadata: what the migrations lead to."""
    from dialplane.store import events, site_views  # noqa: F401, PLC0415 -- of all services; need the extra `services`
    from dialplane.store.columns import METADATA  # noqa: PLC0415 -- likewise

    for service in services:
        for module in service.tables:
            import_module(module)
    return METADATA
