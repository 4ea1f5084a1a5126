"""`dialplane bot`: a replica of that role."""

import typer

from dialplane.cli.replica_options import LeaderStore, LogLevel, MetricsAddress, Namespace, replica_options
from dialplane.services.contract import Role


def bot(
    namespace: Namespace = "",
    store_url_file: LeaderStore = None,
    metrics_address: MetricsAddress = "0.0.0.0:8080",
    log_level: LogLevel = "INFO",
) -> None:
    """Run one of several replicas for the media and the dialogue of calls.

    It runs the halves of the services that speak in calls. What they serve, the leader
    (`dialplane operator` or `dialplane run`) publishes in the store, and takes their states from there. So a replica
    needs that store and nothing else: no rights in Kubernetes, no account of Asterisk. It serves on while there is no
    leader. `dialplane run` contains one. Replicas on several machines need PostgreSQL. Needs dialplane[services].

    Exit code 0: ended by SIGTERM or Ctrl-C. 2: could not start, or no service runs in this role.

    Example:
        dialplane bot --namespace office --store-url-file /run/secrets/store-url
    """
    options = replica_options(Role.BOT, namespace, store_url_file, metrics_address, log_level)
    from dialplane.cli.replica_process import run_replica_process

    run_replica_process(options)
    raise typer.Exit(0)
