"""How English words are spoken, in the phones of pocketsphinx's acoustic model.

Words come from the model's own dictionary; what it lacks (names, above all) is spelled out by the rules of flite.
Runs in a worker process: it reads a file of 3 MB once.
"""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from pocketsphinx import get_model_path

from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault

PHONES: Final = (
    *(
        "AA",
        "AE",
        "AH",
        "AO",
        "AW",
        "AY",
        "B",
        "CH",
        "D",
        "DH",
        "EH",
        "ER",
        "EY",
        "F",
        "G",
        "HH",
        "IH",
        "IY",
        "JH",
        "K",
    ),
    *("L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
)
MODEL: Final = Path(get_model_path()) / "en-us" / "en-us"
_DICTIONARY: Final = Path(get_model_path()) / "en-us" / "cmudict-en-us.dict"
_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)*\Z")
_LIMIT: Final = 5.0
_FLITE_PHONES: Final = {"AX": "AH"}
_PAUSE: Final = "PAU"


def pronunciations(word: str, flite: str | None) -> tuple[str, ...]:
    """Return the ways in which a word is spoken: phones with a space between them.

    Args:
        word: in small letters.
        flite: the program; None where there is none.

    Raises:
        SpeechError: nobody knows how, such as that of a word in another script.
    """
    if ways := _listed(word):
        return ways
    if not _WORD.match(word):
        raise SpeechError(
            SpeechFault.UNSUPPORTED,
            f'offline recognition has only English words, not "{word}": write it in letters a-z',
        )
    if flite is None:
        raise SpeechError(
            SpeechFault.UNSUPPORTED,
            f'the dictionary lacks the word "{word}", and flite, which spells such words out, is not installed: '
            "install it, or use other words",
        )
    return (_by_rules(word, flite),)


@cache
def _dictionary() -> bytes:
    return b"\n" + _DICTIONARY.read_bytes()


@cache
def _listed(word: str) -> tuple[str, ...]:
    if not _WORD.match(word):
        return ()
    pattern = re.compile(rb"\n" + re.escape(word.encode()) + rb"(?:\([0-9]+\))? ([A-Z ]+)")
    return tuple(found[1].decode().strip() for found in pattern.finditer(_dictionary()))


@cache
def _by_rules(word: str, flite: str) -> str:
    argv = [flite, "-voice", "kal16", "-ps", "-o", "none"]
    try:
        ended = subprocess.run(  # noqa: S603 -- the site's own program, no shell
            argv, input=word.encode(), capture_output=True, timeout=_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpeechError(SpeechFault.UNAVAILABLE, f"flite did not spell a word out: {type(error).__name__}") from None
    phones = [re.sub(r"[0-9]", "", each).upper() for each in ended.stdout.decode(errors="replace").split()]
    phones = [_FLITE_PHONES.get(each, each) for each in phones if each != _PAUSE]
    if not phones or not set(phones) <= set(PHONES):
        raise SpeechError(SpeechFault.UNSUPPORTED, f'nobody knows how "{word}" is spoken: use other words')
    return " ".join(phones)
