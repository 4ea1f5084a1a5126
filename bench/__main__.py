"""``python -m bench run`` and ``python -m bench soak``; `make bench` and `make soak` do the same."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bench import run as whole
from bench import table

HERE = Path(__file__).parent
RESULTS, README, PLOT = "results.json", "README.md", "bench.svg"

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def run(
    only: Annotated[str, typer.Option(metavar="TOPICS", help=f"Some of these alone: {','.join(whole.Topic)}.")] = "",
    quick: Annotated[bool, typer.Option(help="Tiny: does all of it work? Its figures mean nothing.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the results go. [default: bench/, for a whole run]")
    ] = None,
) -> None:
    """Measure, show the table, and keep results, table and plot."""
    try:
        topics = frozenset(whole.Topic(topic) for topic in only.split(",") if topic) or frozenset(whole.Topic)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from None
    scale = whole.QUICK if quick else whole.FULL
    results = asyncio.run(whole.Run(topics, scale, say=lambda line: typer.echo(f"bench: {line}", err=True)).all())
    table.show(results)
    folder = output or (HERE if scale is whole.FULL and topics == frozenset(whole.Topic) else None)
    if folder is None:
        typer.echo("bench: a part of the benchmark: not kept (--output DIR keeps it)", err=True)
        return
    results.save(folder / RESULTS)


if __name__ == "__main__":
    app()
