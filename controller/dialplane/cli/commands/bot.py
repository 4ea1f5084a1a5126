"""`dialplane bot`: a replica of that role, and the commands for bots and their dialogues."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dialplane.cli.bot import calls, chat, dialogue_test, erase, graph, show
from dialplane.cli.command import OnceGroup
from dialplane.cli.errors import Unusable
from dialplane.cli.extras import missing_extra
from dialplane.cli.help import kept
from dialplane.cli.replica_options import LeaderStore, LogLevel, MetricsAddress, Namespace, replica_options
from dialplane.cli.state import CACHE, state_directory
from dialplane.cli.storage_options import StorageUrl, storage_options
from dialplane.services.contract import NO_SECRETS, Role, SecretSource

COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "chat": chat.chat,
    "test": dialogue_test.run_tests,
    "graph": graph.graph,
    "calls": calls.calls,
    "show": show.show,
    "erase": erase.erase,
}
"""Each command of the group by its name, in the order of the help."""

app = typer.Typer(
    cls=OnceGroup, invoke_without_command=True, subcommand_metavar="[COMMAND [ARGS]...]", rich_markup_mode=None
)


def root(
    context: typer.Context,
    namespace: Namespace = "",
    store_url_file: LeaderStore = None,
    secrets_dir: Annotated[
        Path | None,
        typer.Option(
            "--secrets-dir",
            metavar="DIR",
            help="The Secrets that bots name, and that of ARI's account, as files NAME/KEY, read when used.",
        ),
    ] = None,
    cache_dir: Annotated[
        Path | None,
        typer.Option(
            "--cache-dir",
            metavar="DIR",
            help="Prompts that were spoken once. [default: cache in the state directory]",
            show_default=False,
        ),
    ] = None,
    storage_url: StorageUrl = "",
    drain_seconds: Annotated[
        int,
        typer.Option(
            "--drain-seconds",
            metavar="SECONDS",
            min=0,
            max=86_400,
            help="How long SIGTERM or Ctrl-C lets calls that go on end by themselves; the second one ends all at once.",
        ),
    ] = 0,
    metrics_address: MetricsAddress = "0.0.0.0:8080",
    log_level: LogLevel = "INFO",
) -> None:
    """Speak with callers: run a replica for the calls of all bots; with a COMMAND, look at bots and their dialogues.

    A replica learns from the leader (`dialplane operator` or `dialplane run`) over the store what bots there are, and
    reports how they are by the same way. It needs that store, Asterisk's REST interface (ARI), and the Secrets: no
    rights in Kubernetes, no account of AMI. It serves on while there is no leader. `dialplane run` contains a replica.
    Several share the calls; on several machines they need PostgreSQL. Needs dialplane[services,bot].

    Exit code 0: ended by SIGTERM or Ctrl-C. 1: another process took its place. 2: could not start.

    Example:
        dialplane bot --namespace office --store-url-file /run/secrets/store-url --secrets-dir /run/secrets/site
    """
    if context.invoked_subcommand is not None:
        _refuse_options_of_a_replica(context)
        return
    state = state_directory(None)
    options = replica_options(
        Role.BOT,
        namespace,
        store_url_file,
        metrics_address,
        log_level,
        storage=storage_options(storage_url, "", state),
        secrets=_secrets(secrets_dir),
        cache=(cache_dir or state / CACHE).absolute(),
        drain=drain_seconds,
    )
    from dialplane.cli.replica_process import run_replica_process

    try:
        from dialplane.services.voicebot.bot import replica  # noqa: F401 -- else each attempt to start it would fail
    except ImportError as error:
        raise missing_extra(error, "bot") from None

    run_replica_process(options)
    raise typer.Exit(0)


def _secrets(folder: Path | None) -> SecretSource:
    if folder is None:
        return NO_SECRETS
    if not folder.is_dir():
        raise Unusable(f"--secrets-dir {folder}: no such folder")
    from dialplane.standalone.secret_folder import SecretFolder

    return SecretFolder(folder.absolute())


def _refuse_options_of_a_replica(context: Any) -> None:
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        if source is not None and source.name == "COMMANDLINE":
            name = max(parameter.opts, key=len)
            raise Unusable(f"{name} is of a replica, and has no effect before {context.invoked_subcommand}: leave it")


app.callback(help=kept(root.__doc__))(root)
for _name, _function in COMMANDS.items():
    app.command(_name, help=kept(_function.__doc__))(_function)
