"""`dialplane gateway`: a replica of that role."""

from typing import Annotated

import typer

from dialplane.cli.device_options import LISTEN_HELP, TlsCertificate, TlsKey, device_sockets
from dialplane.cli.proxy_options import TrustedProxies, proxies
from dialplane.cli.replica_options import LeaderStore, LogLevel, MetricsAddress, Namespace, replica_options
from dialplane.cli.state import state_directory
from dialplane.cli.storage_options import PublicUrl, StorageUrl, storage_options
from dialplane.services.contract import Role


def gateway(
    namespace: Namespace = "",
    store_url_file: LeaderStore = None,
    storage_url: StorageUrl = "",
    public_url: PublicUrl = "",
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help=LISTEN_HELP)] = "0.0.0.0:8090",
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    trusted_proxies: TrustedProxies = None,
    metrics_address: MetricsAddress = "0.0.0.0:8080",
    log_level: LogLevel = "INFO",
) -> None:
    """Run one of several replicas that devices and programs connect to.

    It runs the halves of the services that devices and programs connect to. What they serve, the leader
    (`dialplane operator` or `dialplane run`) publishes in the store, and takes their states from there. So a replica
    needs that store and nothing else: no rights in Kubernetes, no account of Asterisk. It serves on while there is no
    leader. `dialplane run` contains one. Replicas on several machines need PostgreSQL. Needs dialplane[services].

    Exit code 0: ended by SIGTERM or Ctrl-C. 2: could not start, or no service runs in this role.

    Examples:
        dialplane gateway --namespace office --store-url-file /run/secrets/store-url
        dialplane gateway --namespace office --listen :8443 --tls-certificate tls.crt --tls-key tls.key
    """
    sockets = device_sockets("--listen", listen, tls_certificate, tls_key, proxies(trusted_proxies))
    storage = storage_options(storage_url, public_url, state_directory(None))
    options = replica_options(
        Role.GATEWAY, namespace, store_url_file, metrics_address, log_level, storage=storage, sockets=sockets
    )
    from dialplane.cli.replica_process import run_replica_process

    run_replica_process(options)
    raise typer.Exit(0)
