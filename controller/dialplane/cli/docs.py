"""`dialplane docs`: the reference of the kinds as Markdown pages."""

from pathlib import Path
from typing import Annotated

import typer

from dialplane.resources.reference import reference_pages


def docs(
    out: Annotated[Path, typer.Option("--output-dir", "-o", metavar="DIR", help="Write one page per kind.")],
) -> None:
    """Write the reference page of every kind.

    Examples:
        dialplane docs -o docs/reference
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, text in reference_pages().items():
        (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(docs)
