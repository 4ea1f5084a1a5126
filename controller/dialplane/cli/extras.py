"""Parts of Dialplane that not every installation has."""

from dialplane.cli.errors import Unusable


def missing_extra(error: ImportError, extra: str) -> Exception:
    """The error to raise for an import that failed: clear where an extra is missing, itself where it is our bug."""
    if (error.name or "").startswith("dialplane"):
        return error
    return Unusable(f"{error.name} is not installed: pip install 'dialplane[{extra}]'")
