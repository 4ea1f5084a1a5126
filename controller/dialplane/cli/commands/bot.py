"""`dialplane bot`: a replica of that role, and the commands for bots and their dialogues."""

from collections.abc import Callable
from typing import Any, Final

import typer

from dialplane.cli.command import OnceGroup
from dialplane.cli.errors import Unusable
from dialplane.cli.help import kept
from dialplane.cli.replica_options import LeaderStore, LogLevel, MetricsAddress, Namespace, replica_options
from dialplane.services.contract import Role

COMMANDS: Final[dict[str, Callable[..., None]]] = {}
"""Each command of the group by its name, in the order of the help."""

app = typer.Typer(
    cls=OnceGroup, invoke_without_command=True, subcommand_metavar="[COMMAND [ARGS]...]", rich_markup_mode=None
)


def root(
    context: typer.Context,
    namespace: Namespace = "",
    store_url_file: LeaderStore = None,
    metrics_address: MetricsAddress = "0.0.0.0:8080",
    log_level: LogLevel = "INFO",
) -> None:
    """Run one of several replicas for the media and the dialogue of calls.

    So it does without a COMMAND; those are for the bots and their dialogues.

    It runs the halves of the services that speak in calls. What they serve, the leader
    (`dialplane operator` or `dialplane run`) publishes in the store, and takes their states from there. So a replica
    needs that store and nothing else: no rights in Kubernetes, no account of Asterisk. It serves on while there is no
    leader. `dialplane run` contains one. Replicas on several machines need PostgreSQL. Needs dialplane[services].

    Exit code 0: ended by SIGTERM or Ctrl-C. 2: could not start, or no service runs in this role.

    Example:
        dialplane bot --namespace office --store-url-file /run/secrets/store-url
    """
    if context.invoked_subcommand is not None:
        _refuse_options_of_a_replica(context)
        return
    options = replica_options(Role.BOT, namespace, store_url_file, metrics_address, log_level)
    from dialplane.cli.replica_process import run_replica_process

    run_replica_process(options)
    raise typer.Exit(0)


def _refuse_options_of_a_replica(context: Any) -> None:
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        if source is not None and source.name == "COMMANDLINE":
            name = max(parameter.opts, key=len)
            raise Unusable(f"{name} is of a replica, and has no effect before {context.invoked_subcommand}: leave it")


app.callback(help=kept(root.__doc__))(root)
for _name, _function in COMMANDS.items():
    app.command(_name, help=kept(_function.__doc__))(_function)
