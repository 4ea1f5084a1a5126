"""The options of `dialplane gateway` and `dialplane bot`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from dialplane.cli.errors import Unusable
from dialplane.cli.store_options import store_url
from dialplane.services import registry
from dialplane.services.contract import NO_SECRETS, NO_SOCKETS, Role, SecretSource, ServiceDefinition, SocketOptions
from dialplane.storage.options import NO_STORAGE, StorageOptions

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", envvar="DIALPLANE_NAMESPACE", help="The namespace that is the site.")
]
LeaderStore = Annotated[
    Path | None,
    typer.Option(
        "--store-url-file",
        metavar="FILE",
        help="Holds the URL of the leader's database, such as postgresql://user:password@host/db."
        " [default: $DIALPLANE_STORE_URL]",
        show_default=False,
    ),
]
MetricsAddress = Annotated[
    str,
    typer.Option("--metrics-address", metavar="HOST:PORT", help="Serve /metrics, /healthz and /readyz there; '' not."),
]
LogLevel = Annotated[str, typer.Option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")]


@dataclass(frozen=True, slots=True)
class ReplicaOptions:
    """What the command line says, checked."""

    role: Role
    services: tuple[ServiceDefinition, ...]
    """Those that run in this role."""
    site: str
    store: SecretStr
    """The database's URL."""
    metrics_address: str
    log_level: str
    storage: StorageOptions = NO_STORAGE
    """Where they keep what is too large for the database."""
    sockets: SocketOptions = NO_SOCKETS
    """Where devices connect."""
    secrets: SecretSource = NO_SECRETS
    """Where they take the values of Secrets."""
    cache: Path | None = None
    """Their folder for what can be made again."""
    drain: int = 0
    """Seconds that what goes on may take to end, once the process is to end."""


def replica_options(
    role: Role,
    namespace: str,
    store_url_file: Path | None,
    metrics_address: str,
    log_level: str,
    *,
    storage: StorageOptions = NO_STORAGE,
    sockets: SocketOptions = NO_SOCKETS,
    secrets: SecretSource = NO_SECRETS,
    cache: Path | None = None,
    drain: int = 0,
) -> ReplicaOptions:
    """Check the options.

    Raises:
        Unusable: with what is wrong.
    """
    services = tuple(service for service in registry.SERVICES if role in service.replicas)
    if not services:
        raise Unusable(f"no service runs in the role {role} in this version: there is nothing to start")
    if not namespace:
        raise Unusable("say which namespace is the site: --namespace, or DIALPLANE_NAMESPACE")
    if log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise Unusable(f"--log-level {log_level}: it must be DEBUG, INFO, WARNING or ERROR")
    url = store_url(store_url_file)
    return ReplicaOptions(
        role, services, namespace, url, metrics_address, log_level, storage, sockets, secrets, cache, drain
    )
