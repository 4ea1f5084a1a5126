"""The ways in which a network may write a caller's number: what is looked for, and erased, is a person. Pure."""

from dialplane.resources.numbering import INTERNATIONAL, Numbering, compact, normalise


def spellings(number: str, numbering: Numbering | None) -> frozenset[str]:
    """Return the number as it is written, and as networks may write it: with a country, a prefix, or without.

    Without a country of the site's, a number without one is looked for as it is written alone.
    """
    plain = compact(number)
    found = {number.strip(), *([plain] if plain else [])}
    whole = normalise(number, numbering)
    if whole is not None:
        found |= {whole, whole[1:], INTERNATIONAL + whole[1:]}
        if numbering is not None:
            found.add(numbering.international + whole[1:])
            home = f"+{numbering.country_code}"
            if whole.startswith(home):
                found |= {whole.removeprefix(home), numbering.national + whole.removeprefix(home)}
    return frozenset(found)
