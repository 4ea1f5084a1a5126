"""The lists of kinds in the chart's Role, made from the kinds: templates that `rbac.yaml` includes."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dialplane.resources.kinds import KINDS

NOTE: Final = "{{/* Made from the kinds by `make crds`; do not edit. */}}\n"


def chart_kinds() -> str:
    """Return the text of `charts/dialplane/templates/_kinds.tpl`."""
    kinds = sorted(KINDS.values(), key=lambda kind: kind.plural)
    return NOTE + "\n".join(
        [
            _template("dialplane.kinds", (f"- {kind.plural}" for kind in kinds)),
            _template("dialplane.kindStatuses", (f"- {kind.plural}/status" for kind in kinds)),
            _template("dialplane.expiringKinds", [", ".join(kind.plural for kind in kinds if kind.expires)]),
        ]
    )


def _template(name: str, lines: Iterable[str]) -> str:
    body = "\n".join(lines)
    return f'{{{{- define "{name}" -}}}}\n{body}\n{{{{- end -}}}}\n'


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(chart_kinds(), encoding="utf-8")
