"""`dialplane docs`: the reference of the kinds as Markdown pages."""

from pathlib import Path
from typing import Annotated

import typer

from dialplane.resources.reference import page_names, reference_page


def docs(
    out: Annotated[
        Path, typer.Option("--output-dir", "-o", metavar="DIR", help="The folder of the pages, one per kind.")
    ],
) -> None:
    """Write the reference into the page of every kind; what a person wrote above it stays.

    Examples:
        dialplane docs -o docs/kinds
    """
    out.mkdir(parents=True, exist_ok=True)
    for kind, name in page_names().items():
        path = out / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(reference_page(kind, before), encoding="utf-8")


if __name__ == "__main__":
    typer.run(docs)
