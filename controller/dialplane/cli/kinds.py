"""Kinds as a person types them at the command line."""

from dialplane.cli.errors import Unusable
from dialplane.resources.kind import Kind
from dialplane.resources.kinds import KINDS, find_kind


def kind_named(word: str) -> Kind:
    """The kind meant by `word`.

    Raises:
        Unusable: no kind is called so.
    """
    found = find_kind(word)
    if found is None:
        raise Unusable(f"there is no kind {word}: use one of {', '.join(kind.plural for kind in KINDS.values())}")
    return found


def complete_kind(incomplete: str) -> list[tuple[str, str]]:
    """For the shell's completion: the kinds that begin like this, each with what it is."""
    begun = incomplete.lower()
    words = {word: kind for kind in KINDS.values() for word in (kind.plural, *kind.short_names)}
    return [(word, kind.description) for word, kind in sorted(words.items()) if word.startswith(begun)]
