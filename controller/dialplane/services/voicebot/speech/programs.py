"""Where the programs for offline speech are on this machine: named by a variable of the environment, else on PATH."""

import os
import shutil
from typing import Final

from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault

FLITE: Final = "flite"
ESPEAK_NG: Final = "espeak-ng"
VARIABLES: Final = {FLITE: "DIALPLANE_FLITE", ESPEAK_NG: "DIALPLANE_ESPEAK_NG"}


def find_program(name: str) -> str | None:
    """Return where a program is; None where it is not."""
    return shutil.which(os.environ.get(VARIABLES[name]) or name)


def require_program(name: str) -> str:
    """Return where a program is.

    Raises:
        SpeechError: it is not here.
    """
    if path := find_program(name):
        return path
    if named := os.environ.get(VARIABLES[name]):
        raise SpeechError(SpeechFault.UNSUPPORTED, f"{VARIABLES[name]} names {named}, which is no program")
    raise SpeechError(
        SpeechFault.UNSUPPORTED,
        f"the program {name} is not installed: install the package {name}, or name it in {VARIABLES[name]}",
    )
