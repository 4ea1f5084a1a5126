"""``python -m bench run`` and ``python -m bench soak``; `make bench` and `make soak` do the same."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bench import device_soak, lease_soak, message_soak, plot, table
from bench import run as whole
from bench import soak as soaking
from bench.results import Results

HERE = Path(__file__).parent
RESULTS, README, PLOT = "results.json", "README.md", "bench.svg"


class SoakTopic(StrEnum):
    """What a soak is of."""

    CHANGES = "changes"
    MESSAGES = "messages"
    LEASES = "leases"
    DEVICES = "devices"


T = TypeVar("T", bound=StrEnum)

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def run(
    only: Annotated[str, typer.Option(metavar="TOPICS", help=f"Some of these alone: {','.join(whole.Topic)}.")] = "",
    quick: Annotated[bool, typer.Option(help="Tiny: does all of it work? Its figures mean nothing.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the results go. [default: bench/, for a whole run]")
    ] = None,
    merge: Annotated[
        bool, typer.Option(help="Put these topics into the results that are there, in the place of their own.")
    ] = False,
) -> None:
    """Measure, show the table, and keep results, table and plot."""
    if merge and quick:
        raise typer.BadParameter("figures of --quick mean nothing", param_hint="--merge")
    topics = _chosen(whole.Topic, only)
    scale = whole.QUICK if quick else whole.FULL
    running = whole.Run(topics, scale, say=_say)
    try:
        results = asyncio.run(running.all())
    except BaseException:  # also Ctrl-C: what was measured until then is shown all the same
        table.show(running.results)
        raise
    table.show(results)
    folder = output or (HERE if merge or (scale is whole.FULL and topics == frozenset(whole.Topic)) else None)
    if folder is None:
        _say("a part of the benchmark: not kept (--merge keeps it with the others, --output DIR alone)")
        return
    if merge:
        results = Results.load(folder / RESULTS).with_topics(topics, results)
    folder.mkdir(parents=True, exist_ok=True)
    results.save(folder / RESULTS)
    keep(results, folder)


@app.command()
def soak(
    only: Annotated[str, typer.Option(metavar="TOPICS", help=f"One of these alone: {','.join(SoakTopic)}.")] = "",
    changes: Annotated[int, typer.Option(min=10, help="How many.")] = 10_000,
    size: Annotated[int, typer.Option(min=10, help="Of how many phones the site is.")] = 1_000,
    door: Annotated[list[soaking.DoorName], typer.Option(help="At which door.")] = [soaking.DoorName.KUBE],  # noqa: B006
    messages: Annotated[int, typer.Option(min=200, help="How many are received; a tenth as many are sent.")] = 10_000,
    leases: Annotated[int, typer.Option(min=1_000, help="Leases and releases, on each database.")] = 1_000_000,
) -> None:
    """Make many changes; fail if memory grows, or if anything is left over or untrue in the end.

    Then receive and send many messages while the controller is killed and cut off; fail if one is lost, or there twice.
    Then lease and release many extensions while processes are killed; fail if one has two calls, or is never free.
    Then send commands to 10,000 devices while a gateway is killed; fail if one arrives twice, or its end is unclear.
    """
    topics = _chosen(SoakTopic, only)
    if SoakTopic.CHANGES in topics:
        for each in door:
            _soak(partial(soaking.soak, each, changes=changes, size=size, say=_say))
    if SoakTopic.MESSAGES in topics:
        _soak(partial(message_soak.soak, message_soak.full(messages), say=_say))
    if SoakTopic.LEASES in topics:
        _soak(partial(lease_soak.soak, lease_soak.full(leases), say=_say))
    if SoakTopic.DEVICES in topics:
        _soak(partial(device_soak.soak, device_soak.full(), say=_say))


def _soak(running: Callable[..., Coroutine[None, None, None]]) -> None:
    with tempfile.TemporaryDirectory(prefix="dialplane-soak-", ignore_cleanup_errors=True) as place:
        try:
            asyncio.run(running(directory=Path(place)))
        except soaking.SoakFailedError as error:
            _say(str(error))
            raise typer.Exit(1) from None


@app.command()
def draw() -> None:
    """Make table and plot anew from the results that are kept."""
    keep(Results.load(HERE / RESULTS), HERE)


def _chosen(topics: type[T], only: str) -> frozenset[T]:
    try:
        return frozenset(topics(topic) for topic in only.split(",") if topic) or frozenset(topics)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from None


def _say(line: str) -> None:
    typer.echo(f"bench: {line}", err=True)


def keep(results: Results, folder: Path) -> None:
    """Write plot and table; a README.md that is not there yet begins with ours."""
    plot.draw(results, folder / PLOT)
    if not (folder / README).exists():
        shutil.copy(HERE / README, folder / README)
    table.write_into(folder / README, results)


if __name__ == "__main__":
    app()
