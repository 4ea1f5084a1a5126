"""What the recording of a call is called in the storage: known from the call alone, whatever its process did. Pure."""

import re
from typing import Final

SUFFIX: Final = ".wav"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")


def recording_name(site: str, bot: str, call_id: str) -> str:
    """Return the name of a call's recording in the storage."""
    return f"{site}/bot-recordings/{bot}/{_UNSAFE.sub('-', call_id)}{SUFFIX}"
