"""Writes the reference page of every kind: `python -m dialplane.cli.reference_pages docs/reference`."""

import sys
from pathlib import Path

from dialplane.resources.kinds import KINDS
from dialplane.resources.reference import reference_markdown

NOTE = "<!-- Made from the models in controller/dialplane/resources by `make crds`; do not edit. -->\n"


def rendered() -> dict[str, str]:
    """The text of every page, by its file's name."""
    return {f"{kind.singular}.md": NOTE + reference_markdown(kind.name) for kind in KINDS.values()}


def write(directory: Path) -> None:
    """Write every page into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
