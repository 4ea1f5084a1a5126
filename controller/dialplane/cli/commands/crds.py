"""`dialplane crds`: the CustomResourceDefinitions, for kubectl."""

from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli.errors import Unusable
from dialplane.cli.output import say, write
from dialplane.resources.crd_files import crd_files


def crds(
    out: Annotated[
        Path | None, typer.Option("--output-dir", "-o", metavar="DIR", help="Write one file per kind.")
    ] = None,
) -> None:
    """Print the CustomResourceDefinitions, or write them.

    Examples:
        dialplane crds | kubectl apply --server-side -f -
        dialplane crds -o crds/
    """
    texts = crd_files()
    if out is None:
        write("---\n".join(texts.values()))
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unusable(f"{error.filename}: {error.strerror}") from None
    say(f"{len(texts)} files in {out}")
