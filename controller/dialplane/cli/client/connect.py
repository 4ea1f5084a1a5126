"""The API, for the commands that ask it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialplane.cli.client.discovery import place
from dialplane.cli.extras import missing_extra

if TYPE_CHECKING:
    from dialplane.cli.client.api_client import ApiClient


def connect(url: str | None, token_file: Path | None, state_dir: Path | None, **limits: Any) -> "ApiClient":
    """The API, as `place` finds it; `limits` are those of `ApiClient`.

    Raises:
        Unusable: it is not to be found, or the extra `services` is missing.
    """
    try:
        from dialplane.cli.client.api_client import ApiClient
    except ImportError as error:
        raise missing_extra(error, "services") from None
    return ApiClient(place(url, token_file, state_dir), **limits)
