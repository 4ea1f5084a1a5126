"""Completion in zsh and fish shows our help as it stands.

typer would have rich take the markup out of it, whose import takes longer than all the rest. Our help has none.
"""

from typer import _completion_classes


def keep_help_plain() -> None:
    """Make typer's completion classes take help for plain text."""
    _completion_classes._sanitize_help_text = lambda text: text  # noqa: SLF001 -- typer has no option for it
