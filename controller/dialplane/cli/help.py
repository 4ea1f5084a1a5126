"""How a docstring becomes a command's help."""

from inspect import cleandoc


def kept(text: str | None) -> str:
    """A docstring as help: paragraphs flow, those with indented lines (examples) keep their lines."""
    paragraphs = cleandoc(text or "").split("\n\n")
    return "\n\n".join(f"\b\n{part}" if "\n    " in f"\n{part}" else part for part in paragraphs)
