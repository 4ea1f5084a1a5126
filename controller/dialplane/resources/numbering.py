"""How telephone numbers are written at a site, and which of them are one and the same. Pure.

`+49 30 555010`, `0049 (0)30/555-010` and, in Germany, `030 555 010` are one number. Which number a text without a
country means is decided by the country that it is written in, and by nothing else: where that leaves two readings
the number cannot be known, and whoever compares numbers has to say so.
"""

import re
from typing import Annotated, Final

from dialplane.resources.base import Part
from dialplane.resources.text import Text

CountryCode = Annotated[str, Text('a country code: 1 to 3 digits in quotes, such as "49"', r"^[1-9][0-9]{0,2}$", 3)]
"""A country's code, without `+`."""

NationalPrefix = Annotated[
    str,
    Text('the national prefix: up to 3 digits in quotes, such as "0", or "" where there is none', r"^[0-9]{0,3}$", 3),
]
"""What stands before a national number within its country; may be empty."""

InternationalPrefix = Annotated[
    str, Text('an international prefix: 2 to 5 digits in quotes, such as "00"', r"^[0-9]{2,5}$", 5)
]
"""What is dialled before a country code."""

EMERGENCY_NUMBERS: Final = ("112", "911", "999", "000", "110", "113", "115", "118", "119", "190", "191", "193", "997")
"""The numbers that people dial in an emergency, somewhere in the world."""

INTERNATIONAL: Final = "00"
"""The international prefix of most countries: no national number begins so, wherever it is written."""
NATIONAL: Final = "0"
"""The national prefix of most countries."""

_PREFIXES: Final = {"1": "1", "7": "8", "36": "06", "375": "8", "692": "1", "993": "8"}
"""National prefixes that are not `0`, by country code."""
_WITHOUT: Final = frozenset(map(str, (
    30, 34, 39, 45, 47, 48, 52, 56, 65, 216, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 235, 236, 237,
    238, 239, 240, 241, 242, 244, 245, 246, 247, 248, 253, 257, 258, 266, 267, 268, 269, 290, 297, 298, 299, 350, 351,
    352, 354, 356, 357, 371, 372, 376, 378, 420, 500, 501, 502, 503, 504, 505, 506, 507, 509, 592, 597, 599, 670, 672,
    673, 674, 675, 676, 677, 678, 679, 680, 681, 682, 683, 685, 687, 688, 689, 690, 691, 852, 853, 960, 965, 968, 973,
    974, 975, 992, 998,
)))  # fmt: skip
"""Countries that write national numbers without any prefix (ITU-T, Dialling procedures)."""
_ABROAD: Final = {
    "1": "011",
    "7": "810",
    "61": "0011",
    "81": "010",
    "375": "810",
    "692": "011",
    "992": "810",
    "993": "810",
}
"""International prefixes that are not `00`."""
_LENGTHS: Final = {
    "1": 10,
    "30": 10,
    "34": 9,
    "45": 8,
    "47": 8,
    "48": 9,
    "52": 10,
    "65": 8,
    "351": 9,
    "420": 9,
    "852": 8,
}
"""Digits of a national number, where they are always as many: so a number that begins with the country's code is told
from one that begins with the country code itself."""
_LEAST: Final = 3
"""Digits of a national number."""
_ZERO_STAYS: Final = ("+39", "+378", "+379")
"""Where the 0 in front is a part of the number."""

_SEPARATORS: Final = re.compile(r"[ \t\u00a0\u2000-\u200f\u202a-\u202f\u2060\ufeff().\u2010-\u2015\u2212/-]")
_PLAIN: Final = re.compile(r"[+]?[0-9]+")
_DECIMAL: Final = re.compile(r"[+]?[0-9]+[.][0-9]+")
_E164: Final = re.compile(r"[+][1-9][0-9]{1,14}")
_OPTIONAL_ZERO: Final = "(0)"


class Numbering(Part):
    """How numbers are written here."""

    country_code: CountryCode
    """The country's code without `+`, quoted: `"49"`."""
    national_prefix: NationalPrefix | None = None
    """What stands before a national number, quoted: `"0"`, or `""` where nothing does. By default the country's."""
    international_prefix: InternationalPrefix | None = None
    """What is dialled before a country code, quoted: `"00"`. By default the country's."""

    @property
    def national(self) -> str:
        """The national prefix; empty where there is none."""
        if self.national_prefix is not None:
            return self.national_prefix
        return "" if self.country_code in _WITHOUT else _PREFIXES.get(self.country_code, NATIONAL)

    @property
    def international(self) -> str:
        """The international prefix."""
        return self.international_prefix or _ABROAD.get(self.country_code, INTERNATIONAL)

    def normalise(self, number: str) -> str | None:
        """The number as E.164 has it, `+` and 2 to 15 digits; None where it cannot be known.

        Takes what people write: spaces, dashes, dots, slashes and brackets, `tel:` and `(0)`, a `+` or a prefix in
        front. A number without any of them is a national one where the country writes those so, and else one that
        begins with the country code.
        """
        plain = compact(number)
        return None if plain is None else self._read(plain)

    def _read(self, plain: str) -> str | None:
        code, national = self.country_code, self.national
        for abroad in ("+", self.international, INTERNATIONAL):
            if plain.startswith(abroad):
                return _e164(self._without_zero("+" + plain.removeprefix(abroad)))
        if national and plain.startswith(national):
            return self._home(plain.removeprefix(national))
        length = _LENGTHS.get(code)
        if plain.startswith(code):
            if length is None:
                return _e164(f"+{plain}") if national else None
            if len(plain) == length + len(code):
                return _e164(f"+{plain}")
        if length is not None:
            return self._home(plain) if len(plain) == length and national in {"", code} else None
        return None if national else self._home(plain)

    def _home(self, national: str) -> str | None:
        """A number of this country, without its prefix."""
        return _e164(f"+{self.country_code}{national}") if len(national) >= _LEAST else None

    def _without_zero(self, number: str) -> str:
        """`+49 030…` is what becomes of `+49 (0)30…` once the brackets are gone."""
        home = f"+{self.country_code}{NATIONAL}"
        if self.national == NATIONAL and number.startswith(home):
            return f"+{self.country_code}{number.removeprefix(home)}"
        return number


def normalise(number: str, numbering: Numbering | None) -> str | None:
    """The number as E.164 has it; None where it cannot be known, as a number without a country where none is set."""
    if numbering is not None:
        return numbering.normalise(number)
    plain = compact(number)
    if plain is None:
        return None
    abroad = next((prefix for prefix in ("+", INTERNATIONAL) if plain.startswith(prefix)), None)
    return None if abroad is None else _e164("+" + plain.removeprefix(abroad))


def identity(number: str, numbering: Numbering | None) -> str:
    """What all spellings of a number have in common: the number as E.164 has it, else its digits as they are written.

    Only what begins with `+` can be compared with everything else: see `form`.
    """
    return normalise(number, numbering) or compact(number) or number


def form(identity: str) -> str:
    """How the number of an identity is written: with a country (`+`), with a national prefix (`0`), or bare (empty).

    Numbers of two forms may be one number, and nobody knows which.
    """
    return identity[:1] if identity[:1] in {"+", NATIONAL} else ""


def compact(number: str) -> str | None:
    """The number without what only makes it readable: digits, with at most one `+` in front; None where it is none.

    `(0)` after a country code goes, but in Italy, where that 0 is dialled. A number with one dot and nothing else in
    it is a calculated value (`4930555010.0`), and none.
    """
    text = number.strip()
    if _PLAIN.fullmatch(text):
        return text
    if text[:4].lower() == "tel:":
        text = text[4:].strip()
    if _DECIMAL.fullmatch(text):
        return None
    if _OPTIONAL_ZERO in text:
        before, _, after = text.partition(_OPTIONAL_ZERO)
        code = _SEPARATORS.sub("", before)
        if code.startswith(("+", INTERNATIONAL)) and f"+{code.lstrip('+0')}" not in _ZERO_STAYS:
            text = before + after
    text = _SEPARATORS.sub("", text)
    return text if _PLAIN.fullmatch(text) else None


def _e164(number: str) -> str | None:
    return number if _E164.fullmatch(number) else None
