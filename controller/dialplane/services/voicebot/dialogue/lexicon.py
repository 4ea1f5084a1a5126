"""The words of a language that numbers, dates, yes and no are said with. Pure data.

English and German are complete. Of other languages single digits, yes and no are understood; figures (`42`,
`2026-12-31`) and keys are in every language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

LAST_DAY: Final = 31
"""Of a month."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """One language's words, in small letters."""

    yes: tuple[str, ...]
    no: tuple[str, ...]
    digits: Mapping[str, int]
    """0 to 9."""
    teens: Mapping[str, int] = field(default_factory=dict)
    """10 to 19, and whatever else is one word."""
    tens: Mapping[str, int] = field(default_factory=dict)
    """20 to 90."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    """How often the next digit is meant: `double`."""
    hundred: frozenset[str] = frozenset()
    thousand: frozenset[str] = frozenset()
    joining: frozenset[str] = frozenset()
    """Between hundreds and the rest: `and`."""
    fillers: frozenset[str] = frozenset()
    """What may stand around a number or a date and means nothing."""
    ordinals: Mapping[str, int] = field(default_factory=dict)
    """1 to 31, as words."""
    months: Mapping[str, int] = field(default_factory=dict)
    weekdays: Mapping[str, int] = field(default_factory=dict)
    """Monday is 0."""
    days: Mapping[str, int] = field(default_factory=dict)
    """Days from today, such as `tomorrow`."""
    coming: frozenset[str] = frozenset()
    """Before a weekday: `next`, `this`."""
    ahead: frozenset[str] = frozenset()
    """Before a number of days or weeks: `in`."""
    spans: Mapping[str, int] = field(default_factory=dict)
    """Days of a `day`, a `week`."""
    one: frozenset[str] = frozenset()
    """A single one of them: `a`."""
    month_first: bool = False
    """Whether 3/5 is a day of March."""


def _numbered(*words: str) -> dict[str, int]:
    """Return words with their positions; those apart by `/` mean the same."""
    return {word: index for index, same in enumerate(words) for word in same.split("/")}


def _from(first: int, *words: str) -> dict[str, int]:
    return {word: index + first for word, index in _numbered(*words).items()}


_EN_UNITS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_EN_ORDINALS: Final = {
    **_from(1, *_EN_UNITS),
    **_from(10, "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth"),
    **_from(18, "eighteenth", "nineteenth", "twentieth"),
    **{f"twenty {unit}": 21 + index for index, unit in enumerate(_EN_UNITS)},
    "thirtieth": 30,
    "thirty first": 31,
}

ENGLISH: Final = Lexicon(
    yes=(
        *("yes", "yeah", "yep", "yup", "yes please", "yes i do", "yes it is", "sure", "of course", "ok", "okay"),
        *("correct", "that is correct", "that's correct", "right", "that's right", "exactly", "please do", "go ahead"),
        *("absolutely", "certainly", "definitely", "i do"),
    ),
    no=(
        *("no", "nope", "nah", "no thanks", "no thank you", "no i don't", "no it is not", "no it isn't", "not really"),
        *("wrong", "that is wrong", "that's wrong", "incorrect", "not correct", "that's not correct", "not right"),
        *("that's not right", "i don't", "i do not", "never", "not now", "please don't", "of course not"),
    ),
    digits=_numbered(
        "zero/oh/o/nought/naught", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine/niner"
    ),
    teens=_from(
        10,
        *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
    ),
    tens={
        word: 10 * number
        for word, number in _from(
            2, "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"
        ).items()
    },
    repeats={"double": 2, "triple": 3, "treble": 3},
    hundred=frozenset({"hundred"}),
    thousand=frozenset({"thousand"}),
    joining=frozenset({"and"}),
    fillers=frozenset(
        (
            *(
                "a",
                "an",
                "it",
                "is",
                "it's",
                "its",
                "i'm",
                "i'd",
                "the",
                "my",
                "number",
                "extension",
                "code",
                "pin",
                "please",
            ),
            *("uh", "um", "er", "well", "so", "that's", "that", "on", "for", "would", "be", "like", "day"),
            *("date", "i", "thanks", "thank", "you", "yes", "hello", "hi", "of"),
        )
    ),
    ordinals=_EN_ORDINALS,
    months=_from(
        1,
        *("january/jan", "february/feb", "march/mar", "april/apr", "may", "june/jun", "july/jul", "august/aug"),
        *("september/sep/sept", "october/oct", "november/nov", "december/dec"),
    ),
    weekdays=_numbered("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    days={
        "day after tomorrow": 2,
        "day before yesterday": -2,
        "today": 0,
        "tonight": 0,
        "tomorrow": 1,
        "yesterday": -1,
    },
    coming=frozenset({"next", "this", "coming"}),
    ahead=frozenset({"in"}),
    spans={"day": 1, "days": 1, "week": 7, "weeks": 7},
    one=frozenset({"a", "one"}),
    month_first=True,
)

_DE_UNITS: Final = ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
_DE_TENS: Final = _from(
    2, "zwanzig", "dreißig/dreissig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"
)
_DE_TEENS: Final = _from(
    10,
    *("zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn"),
)
_DE_COMPOUNDS: Final = {
    f"{unit}und{tens}": 10 * ten + index for tens, ten in _DE_TENS.items() for index, unit in enumerate(_DE_UNITS, 1)
}
_DE_STEMS: Final = {
    **_from(1, "erst", "zweit", "dritt", "viert", "fünft", "sechst", "siebt/siebent", "acht", "neunt"),
    **{f"{word}t": number for word, number in _DE_TEENS.items()},
    **{f"{word}st": 10 * number for word, number in _DE_TENS.items() if 10 * number <= LAST_DAY},
    **{f"{word}st": number for word, number in _DE_COMPOUNDS.items() if number <= LAST_DAY},
}

GERMAN: Final = Lexicon(
    yes=(
        *("ja", "jo", "jawohl", "ja bitte", "ja gerne", "gerne", "genau", "richtig", "stimmt", "das stimmt", "korrekt"),
        *("natürlich", "klar", "sicher", "auf jeden fall", "okay", "ok", "in ordnung"),
    ),
    no=(
        *("nein", "nee", "nö", "nein danke", "falsch", "das ist falsch", "stimmt nicht", "das stimmt nicht"),
        *("nicht richtig", "das ist nicht richtig", "auf keinen fall", "lieber nicht", "niemals"),
    ),
    digits=_numbered("null", "eins/ein/eine", "zwei/zwo", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
    teens={**_DE_TEENS, **_DE_COMPOUNDS},
    tens={word: 10 * number for word, number in _DE_TENS.items()},
    repeats={"doppel": 2, "zweimal": 2, "dreimal": 3},
    hundred=frozenset({"hundert"}),
    thousand=frozenset({"tausend"}),
    joining=frozenset({"und"}),
    fillers=frozenset(
        (
            *("es", "ist", "meine", "die", "der", "das", "den", "dem", "am", "bitte", "äh", "ähm", "also"),
            *("nummer", "durchwahl", "ich", "möchte", "zum", "für", "danke", "ja", "hallo", "tag", "datum"),
            *("lautet"),
        )
    ),
    ordinals={f"{stem}{ending}": number for stem, number in _DE_STEMS.items() for ending in ("e", "en", "er")},
    months=_from(
        1,
        *("januar/jänner/jan", "februar/feb", "märz", "april/apr", "mai", "juni/juno", "juli/julei", "august/aug"),
        *("september/sep", "oktober/okt", "november/nov", "dezember/dez"),
    ),
    weekdays=_numbered("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag/sonnabend", "sonntag"),
    days={"heute": 0, "morgen": 1, "übermorgen": 2, "gestern": -1, "vorgestern": -2},
    coming=frozenset({"nächsten", "nächster", "diesen", "dieser", "kommenden", "kommender"}),
    ahead=frozenset({"in"}),
    spans={"tag": 1, "tage": 1, "tagen": 1, "woche": 7, "wochen": 7},
    one=frozenset({"einem", "einer", "ein", "eine"}),
)

LEXICONS: Final[Mapping[str, Lexicon]] = {
    "en": ENGLISH,
    "de": GERMAN,
    "fr": Lexicon(
        yes=("oui", "ouais", "oui merci", "bien sûr", "d'accord", "exactement", "c'est ça"),
        no=("non", "non merci", "pas du tout", "jamais"),
        digits=_numbered("zéro", "un/une", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"),
    ),
    "es": Lexicon(
        yes=("sí", "si", "claro", "por supuesto", "correcto", "exacto", "vale", "de acuerdo"),
        no=("no", "no gracias", "incorrecto", "nunca", "para nada"),
        digits=_numbered("cero", "uno/una", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
    ),
    "it": Lexicon(
        yes=("sì", "si", "certo", "esatto", "va bene", "d'accordo"),
        no=("no", "no grazie", "sbagliato", "mai"),
        digits=_numbered("zero", "uno/una", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"),
    ),
    "nl": Lexicon(
        yes=("ja", "jawel", "ja graag", "graag", "klopt", "zeker", "precies"),
        no=("nee", "nee dank je", "klopt niet", "nooit"),
        digits=_numbered("nul", "een/één", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen"),
    ),
    "pt": Lexicon(
        yes=("sim", "claro", "com certeza", "certo", "correto", "isso"),
        no=("não", "não obrigado", "não obrigada", "errado", "nunca"),
        digits=_numbered("zero", "um/uma", "dois/duas", "três", "quatro", "cinco", "seis/meia", "sete", "oito", "nove"),
    ),
}
"""By the first part of a language's name."""

_UNKNOWN: Final = Lexicon(yes=(), no=(), digits={})


def lexicon(language: str) -> Lexicon:
    """Return the words of a language, such as `en-GB`; an empty lexicon where there is none."""
    return LEXICONS.get(primary(language), _UNKNOWN)


def primary(language: str) -> str:
    """Return the first part of a language's name: `en` of `en-GB`."""
    return language.replace("_", "-").partition("-")[0].lower()


def month_first(language: str) -> bool:
    """Return whether 3/5 is a day of March there."""
    region = language.replace("_", "-").partition("-")[2].upper()
    return lexicon(language).month_first and (not region or region.endswith("US"))
