"""`dialplane explain`: what a kind and its fields mean, without a cluster."""

from typing import Annotated

import typer

from dialplane.cli.errors import Unusable
from dialplane.cli.kinds import complete_kind
from dialplane.cli.output import write
from dialplane.resources.reference import UnknownNameError
from dialplane.resources.reference import explain as explained


def _complete(incomplete: str) -> list[tuple[str, str]]:
    return complete_kind(incomplete)


def explain(
    field: Annotated[
        str, typer.Argument(metavar="KIND[.FIELD]", help="A kind, or a field of one.", autocompletion=_complete)
    ],
) -> None:
    """Explain a kind or one of its fields, as kubectl explain does, without a cluster.

    Examples:
        dialplane explain extension
        dialplane explain siptrunk.inbound.to
        dialplane explain asterisk.status
    """
    kind, _, path = field.partition(".")
    try:
        write(explained(kind, path))
    except UnknownNameError as error:
        raise Unusable(str(error)) from None
