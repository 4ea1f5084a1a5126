"""The options that say where objects are stored, such as pictures and recordings, and how they are reached."""

from pathlib import Path
from typing import Annotated, Final

import typer

from dialplane.cli.errors import Unusable
from dialplane.storage.errors import StorageUnusable
from dialplane.storage.options import StorageOptions, check_public_url, check_storage_url

FOLDER: Final = "objects"
"""In the state directory: where objects are where no option says another place."""
SPOOL: Final = "spool"
"""In the state directory: what waits to be stored."""

StorageUrl = Annotated[
    str,
    typer.Option(
        "--storage-url",
        metavar="URL",
        envvar="DIALPLANE_STORAGE_URL",
        help="Where pictures of devices and recordings of bots' calls are stored: file:///a/folder, or"
        " s3://bucket/prefix with its credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and"
        " AWS_ENDPOINT_URL where it is not Amazon's. [default: run keeps them in its state directory, other processes"
        " take none]",
        show_default=False,
    ),
]
PublicUrl = Annotated[
    str,
    typer.Option(
        "--public-url",
        metavar="URL",
        envvar="DIALPLANE_PUBLIC_URL",
        help="Where devices and people reach the HTTP API, such as https://lifts.example.com: in the addresses of"
        " pictures, and for their uploads.",
        show_default=False,
    ),
]


def storage_options(url: str, public_url: str, state: Path, *, alone: bool = False) -> StorageOptions:
    """Check the options.

    Args:
        url: of the storage; empty: there is none, but for a process that is `alone`.
        public_url: of the API.
        state: the state directory.
        alone: no other process needs the objects: without a URL they are in the state directory.

    Raises:
        Unusable: with what is wrong.
    """
    state = state.absolute()
    if alone and not url:
        url = (state / FOLDER).as_uri()
    try:
        if url:
            check_storage_url(url)
        public_url = public_url and check_public_url(public_url)
    except StorageUnusable as error:
        raise Unusable(str(error)) from None
    return StorageOptions(url, state / SPOOL, public_url)
