"""The text of the files in crds/: the same models, the same bytes."""

import io
from typing import Any, Final

from ruamel.yaml import YAML

from dialplane.resources.crd import crds

NOTE: Final = "# Made from the models in controller/dialplane/resources by `make crds`; do not edit.\n"
_ONE_LINE: Final = 1_000_000
"""Descriptions and patterns stay on one line each, so that a change of one shows as one line."""


def crd_files() -> dict[str, str]:
    """The YAML of every CustomResourceDefinition, by the name of its file."""
    return {name: NOTE + _yaml(definition) for name, definition in crds().items()}


def _yaml(data: Any) -> str:
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = _ONE_LINE
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _data: True
    buffer = io.StringIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()
