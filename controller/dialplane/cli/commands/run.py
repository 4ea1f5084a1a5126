"""`dialplane run`: the controller beside one Asterisk, without Kubernetes."""

import asyncio
import os
import shlex
import signal
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from socket import socket
from typing import Annotated, Any, Final

import structlog
import typer
from prometheus_client import start_http_server
from pydantic import SecretStr

from dialplane.cli.device_options import LISTEN_HELP, device_sockets
from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.extras import missing_extra
from dialplane.cli.inputs import SecretsDir, TemplatesDir, load_templates
from dialplane.cli.live_table import show_live, view
from dialplane.cli.once_verdict import Standing, Verdict, judge
from dialplane.cli.output import console, say
from dialplane.cli.proxy_options import TrustedProxies, proxies
from dialplane.cli.site_options import ApiTokens, ami_defaults
from dialplane.cli.softphone_hint import served
from dialplane.cli.state import (
    API_TOKENS,
    CACHE,
    STORE,
    StateDir,
    announce_api,
    announce_devices,
    only_one,
    state_directory,
)
from dialplane.cli.storage_options import PublicUrl, StorageUrl, storage_options
from dialplane.cli.store_options import StoreUrlFile, store_url
from dialplane.logs import configure_logs
from dialplane.reconcile.settings import LogAlone
from dialplane.reconcile.site import Ports, SiteLoop
from dialplane.resources.conditions import Condition
from dialplane.resources.key import Key
from dialplane.services.contract import Role
from dialplane.services.runner import ServiceOptions, site_services
from dialplane.standalone.credentials import CredentialsFolder
from dialplane.standalone.last_good import SourceState
from dialplane.standalone.restart_command import RestartCommand
from dialplane.standalone.site import SiteReader
from dialplane.standalone.status_file import FILE_NAME, StatusFile
from dialplane.storage.options import StorageOptions

try:
    from dialplane.standalone.directory import DirectorySource, SecretFolders
    from dialplane.standalone.git import GitSource, Repository
except ImportError as _error:  # the extra `standalone` is optional: only this command needs it
    _MISSING: ImportError | None = _error
else:
    _MISSING = None

ONCE_POLL_SECONDS: Final = 0.1

_LOG = structlog.get_logger("dialplane.run")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says, checked."""

    directories: tuple[Path, ...]
    repository: "Repository | None"
    interval: float
    config_dir: Path | None
    state: Path
    secrets_dir: Path | None
    templates: Path | None
    once: bool
    timeout: float
    live: bool
    restart_command: tuple[str, ...]
    services: ServiceOptions


class _Leader:
    """Alone on this machine: the lock on the state directory is held as long as the process lives."""

    def held(self) -> bool:
        return True


def run(
    directories: Annotated[
        list[Path],
        typer.Option(
            "--file", "-f", metavar="DIR", help="A folder of manifests; watched. Several are one site together."
        ),
    ] = [],  # noqa: B006 -- typer copies it
    git: Annotated[
        str | None, typer.Option("--git", metavar="URL", help="A Git repository of manifests, instead of -f.")
    ] = None,
    branch: Annotated[str, typer.Option("--branch", help="Its branch.")] = "main",
    path: Annotated[str, typer.Option("--path", metavar="SUB", help="The folder in it.")] = "",
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", min=1, help="How often to fetch.")] = 60.0,
    git_password_file: Annotated[
        Path | None,
        typer.Option(
            "--git-password-file",
            metavar="FILE",
            help="Holds its password or token. [default: $DIALPLANE_GIT_PASSWORD]",
            show_default=False,
        ),
    ] = None,
    config_dir: Annotated[
        Path | None,
        typer.Option(
            "--config-dir", metavar="DIR", help="Where to write Asterisk's files, in place of what the manifest says."
        ),
    ] = None,
    state_dir: StateDir = None,
    secrets_dir: SecretsDir = None,
    templates: TemplatesDir = None,
    once: Annotated[
        bool, typer.Option("--once", help="End as soon as all is Ready: 0, or 1 with the reasons.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long --once waits.")
    ] = 60.0,
    restart_command: Annotated[
        str | None,
        typer.Option(
            "--restart-command",
            metavar="COMMAND",
            help="Restarts Asterisk when the manifest asks for it, such as 'systemctl restart asterisk'; no shell.",
        ),
    ] = None,
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Serve the HTTP API there, once the site has a use for it; port 0 takes a free one, '' none.",
        ),
    ] = "127.0.0.1:0",
    listen_devices: Annotated[
        str, typer.Option("--listen-devices", metavar="HOST:PORT", help=f"{LISTEN_HELP} Port 0 takes a free one.")
    ] = "127.0.0.1:0",
    api_tokens: ApiTokens = None,
    trusted_proxies: TrustedProxies = None,
    store_url_file: StoreUrlFile = None,
    storage_url: StorageUrl = "",
    public_url: PublicUrl = "",
    metrics_address: Annotated[
        str | None, typer.Option("--metrics-address", metavar="HOST:PORT", help="Serve Prometheus metrics there.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Log lines instead of a live table, on a terminal too.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Make Asterisk run the manifests, verify it, and go on watching. Ends with Ctrl-C or SIGTERM.

    A broken state of the manifests changes nothing: the last good one stays in force, and the error is reported.
    What the manifest's `ami` leaves out comes from ASTERISK_AMI_HOST, _PORT, _USERNAME and _PASSWORD. A private
    repository: DIALPLANE_GIT_USERNAME and DIALPLANE_GIT_PASSWORD, or --git-password-file.

    Exit code 0: ended as asked, or --once and all Ready. 1: --once and not all Ready. 2: could not start.

    Examples:
        dialplane run -f site/
        dialplane run -f site/ -f phones/
        dialplane run -f site/ --once --timeout 30
        dialplane run --git https://git.example.com/pbx.git --branch main --path office
    """
    if _MISSING is not None:
        raise missing_extra(_MISSING, "standalone")
    if bool(directories) == (git is not None):
        raise Unusable("say where the manifests are: -f DIR, or --git URL")
    for directory in directories:
        if directory.is_file():
            raise Unusable(f"{directory} is a file: run follows a folder (validate and render take files)")
    repository = Repository(git, branch, path, *_git_account(git_password_file)) if git else None
    live = sys.stdout.isatty() and not plain and not once
    state = state_directory(state_dir)
    options = Options(
        tuple(directories),
        repository,
        interval,
        config_dir,
        state,
        secrets_dir,
        templates,
        once,
        timeout,
        live,
        _words(restart_command),
        _services(
            state,
            listen,
            listen_devices,
            api_tokens,
            store_url_file,
            proxies(trusted_proxies),
            storage_options(storage_url, public_url, state, alone=True),
        ),
    )
    configure_logs("DEBUG" if verbose else "WARNING" if live else "INFO", terminal=sys.stderr.isatty())
    with only_one(options.state):
        if metrics_address:
            _serve_metrics(metrics_address)
        standing = asyncio.run(_controlled(options))
    if standing is None:
        return
    for reason in standing.reasons:
        say(reason, "red")
    if standing.verdict is not Verdict.READY:
        raise Refused("not all resources are Ready")
    say("all resources are Ready", "green")


async def _controlled(options: Options) -> Standing | None:
    """The controller, until a signal ends it; with --once, until there is a verdict."""
    states: list[SourceState] = []
    statuses = StatusFile(options.state / FILE_NAME, tell=_tell)
    folders = SecretFolders(options.secrets_dir, options.state / "credentials")
    reader = SiteReader(ledger=statuses)

    def note(state: SourceState) -> None:
        states[:] = [state]
        statuses.note_source(state)

    if options.repository is not None:
        source: DirectorySource | GitSource = GitSource(
            options.repository, options.state / "git", reader, folders, interval_seconds=options.interval, tell=note
        )
    else:
        source = DirectorySource(options.directories, reader, folders, tell=note)
    credentials = CredentialsFolder(options.state / "credentials", source.mark)
    supervisor = RestartCommand(options.restart_command) if options.restart_command else None
    loop = SiteLoop(
        Ports(
            source,
            statuses,
            credentials,
            _Leader(),
            supervisor,
            services=site_services(options.services, LogAlone().tell),
        ),
        load_templates(options.templates),
        config_directory=options.config_dir.absolute() if options.config_dir else None,
        defaults=ami_defaults(),
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = [loop.run(), source.watch(), _keep_status(statuses)]
    if options.live:
        work.append(show_live(statuses, lambda: served(loop.snapshot)))
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(job) for job in work]
    ending: asyncio.Task[Any] = asyncio.create_task(stop.wait())
    verdict = asyncio.create_task(_await_verdict(loop, statuses, states, options.timeout)) if options.once else None
    try:
        await asyncio.wait([*tasks, ending, *([verdict] if verdict else [])], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()  # none of them ends by itself: this raises
        if verdict is None or not verdict.done():
            return None
        if statuses.entries:
            console().print(view(statuses.entries, statuses.source, served(loop.snapshot)))
        return verdict.result()
    finally:
        everything: list[asyncio.Task[Any]] = [*tasks, ending, *([verdict] if verdict else [])]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        await statuses.flush()


async def _keep_status(statuses: StatusFile) -> None:
    """Write what the source says even while no snapshot exists and the loop publishes nothing."""
    while True:
        await asyncio.sleep(1)
        await statuses.flush()


async def _await_verdict(site: SiteLoop, statuses: StatusFile, states: list[SourceState], limit: float) -> Standing:
    """What this run found out: statuses that an earlier run left behind count for nothing."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit
    while True:
        standing = judge(statuses.entries, states[0] if states else None, verified=site.reported.is_set())
        if standing.verdict is not Verdict.WAITING or loop.time() >= end:
            return standing
        await asyncio.sleep(ONCE_POLL_SECONDS)


def _tell(key: Key, condition: Condition) -> None:
    log = _LOG.warning if condition.status == "False" else _LOG.info
    log(
        "condition",
        resource=str(key),
        type=str(condition.type),
        status=str(condition.status),
        reason=str(condition.reason),
        message=condition.message,
    )


def _git_account(password_file: Path | None) -> tuple[str, SecretStr]:
    password = os.environ.get("DIALPLANE_GIT_PASSWORD", "")
    if password_file is not None:
        try:
            password = password_file.read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Unusable(f"cannot read {password_file}: {error}") from None
    return os.environ.get("DIALPLANE_GIT_USERNAME", "git" if password else ""), SecretStr(password)


def _words(command: str | None) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command or ""))
    except ValueError as error:
        raise Unusable(f"--restart-command: {error}") from None
    if command is not None and not words:
        raise Unusable("--restart-command: it is empty")
    return words


def _services(
    state: Path,
    listen: str,
    listen_devices: str,
    tokens: Path | None,
    url_file: Path | None,
    trusted: tuple[str, ...],
    storage: StorageOptions,
) -> ServiceOptions:
    def announce(sock: socket) -> None:
        from dialplane.api.tokens import make_local_token

        if tokens is None:
            make_local_token(state / API_TOKENS)
        announce_api(state, sock)

    sockets = replace(
        device_sockets("--listen-devices", listen_devices, None, None, trusted),
        announce=partial(announce_devices, state),
    )
    url = store_url(url_file, state / STORE)
    roles = (Role.GATEWAY, Role.BOT)
    folder = tokens or state / API_TOKENS
    return ServiceOptions(
        url,
        listen,
        folder,
        trusted,
        announce,
        roles=roles,
        sockets=sockets,
        storage=storage,
        cache=(state / CACHE).absolute(),
    )


def _serve_metrics(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise Unusable(f"--metrics-address {address}: it must be HOST:PORT")
    try:
        start_http_server(int(port), host.strip("[]") or "127.0.0.1")
    except (OSError, OverflowError) as error:
        raise Unusable(f"cannot serve metrics at {address}: {error}") from None
