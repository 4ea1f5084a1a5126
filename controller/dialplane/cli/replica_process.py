"""The process of `dialplane gateway` and `dialplane bot`: no Kubernetes client, no AMI; that of bots speaks ARI."""

import asyncio
import gc
import os
import signal
import threading
from typing import Final

import structlog
import typer

from dialplane.cli.errors import Unusable
from dialplane.cli.extras import missing_extra
from dialplane.cli.replica_options import ReplicaOptions
from dialplane.logs import configure_logs
from dialplane.services.contract import ReplicaSuperseded
from dialplane.tasks import Backoff, retry, run_beside, run_until

try:
    from dialplane.api import probes, server
    from dialplane.services.replica_runner import run_replicas
    from dialplane.store import Store, StoreError, StoreUnavailable
    from dialplane.store.hints import Hints
except ImportError as _error:
    raise missing_extra(_error, "services") from None

log = structlog.get_logger("dialplane.replica")

BACKOFF: Final = Backoff(0.5, 10, least=0.5)
STOP_WITHIN: Final = 0.9
"""Seconds from a signal to the end of the process: threads that wait for a database that hangs are left behind."""


def run_replica_process(options: ReplicaOptions) -> None:
    """Run until SIGTERM or SIGINT; then, where `options.drain` says so, until what goes on is over.

    Raises:
        Unusable: the database can never be used, or the address of the metrics is taken.
        typer.Exit: with code 1, where another process has taken this one's place.
    """
    configure_logs(options.log_level)
    gc.freeze()  # what was imported stays
    try:
        asyncio.run(_main(options))
    except StoreError as error:
        raise Unusable(str(error)) from None
    except server.CannotListen as error:
        raise Unusable(f"{error}; set another one with --metrics-address") from None
    except ReplicaSuperseded as error:
        log.error("replica replaced", reason=str(error))  # noqa: TRY400 -- the message is all
        raise typer.Exit(1) from None
    log.info("stopped", role=options.role)


async def _main(options: ReplicaOptions) -> None:
    stop, draining, ready = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        limit = threading.Timer(STOP_WITHIN, os._exit, [0])
        limit.daemon = True
        limit.start()

    def heed() -> None:
        if not options.drain or draining.is_set() or not ready.is_set():  # before it is ready nothing goes on
            end()
        else:
            log.info("draining", seconds=options.drain)
            draining.set()
            loop.call_later(options.drain, end)

    async def serve() -> None:
        await _replicas(options, ready, draining)
        end()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heed)
    log.info("starting", role=options.role, site=options.site)
    parts = [serve()]
    if options.metrics_address:
        unready = ["the database has not answered yet"]
        app = probes.application(f"Dialplane {options.role}", lambda: [] if ready.is_set() else unready)
        parts.append(server.serve(app, server.listen(options.metrics_address)))
    await run_until(stop, *parts)


async def _replicas(options: ReplicaOptions, ready: asyncio.Event, draining: asyncio.Event) -> None:
    """Open the database, waiting until it answers, and run the services' halves."""

    async def open_store() -> Store:
        return await asyncio.to_thread(Store.open, options.store.get_secret_value())

    def note(error: StoreUnavailable, wait: float) -> None:
        log.warning("database unavailable", reason=str(error), retry_seconds=round(wait, 1))

    store = await retry(open_store, errors=StoreUnavailable, backoff=BACKOFF, on_error=note)
    log.info("store opened", store=str(store))
    try:
        hints = Hints(store, options.site)
        replicas = run_replicas(
            store,
            hints,
            options.site,
            [options.role],
            options.services,
            sockets=options.sockets,
            storage=options.storage,
            secrets=options.secrets,
            cache=options.cache,
            followed=ready.set,
            draining=draining,
        )
        await run_beside(replicas, hints.run())
    finally:
        await asyncio.to_thread(store.close)
