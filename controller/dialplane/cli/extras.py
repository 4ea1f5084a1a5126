"""How a command ends where a part of Dialplane is not installed."""

from dialplane.cli.errors import Unusable
from dialplane.extras import install_hint


def missing_extra(error: ImportError, extra: str) -> Exception:
    """Return the error to raise for an import that failed: with the cure, or itself where it is our bug."""
    hint = install_hint(error, extra)
    return Unusable(hint) if hint else error
