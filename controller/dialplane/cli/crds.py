"""Writes the CustomResourceDefinitions as files: `python -m dialplane.cli.crds crds`."""

import io
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dialplane.resources.crd import crds

NOTE = "# Made from the models in controller/dialplane/resources by `make crds`; do not edit.\n"


def rendered() -> dict[str, str]:
    """The text of every file, by its name. The same models, the same bytes."""
    return {name: NOTE + _yaml(definition) for name, definition in crds().items()}


def write(directory: Path) -> None:
    """Make `directory` hold these files and no other `.yaml`, so that a kind that is gone leaves no file."""
    files = rendered()
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("*.yaml"):
        if stale.name not in files:
            stale.unlink()
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")


def _yaml(data: Any) -> str:
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096  # descriptions and patterns on one line: a change shows as one line
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _data: True
    buffer = io.StringIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
