"""Every metric of the project, as the registry and the table in docs/operations.md know it."""

import re
from importlib import import_module
from pkgutil import walk_packages

from prometheus_client import REGISTRY

import dialplane
from tests.docs.pages import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def registered() -> dict[str, tuple[str, ...]]:
    """Name, as it is scraped (of a histogram without its suffixes), and labels."""
    for module in walk_packages(dialplane.__path__, "dialplane."):
        if not module.name.endswith(".__main__") and ".migrations." not in module.name:
            import_module(module.name)
    found: dict[str, tuple[str, ...]] = {}
    ours = [c for c, names in REGISTRY._collector_to_names.items() if any(n.startswith("dialplane_") for n in names)]
    for collector in ours:
        for family in collector.describe():
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = tuple(getattr(collector, "_labelnames", ())) or tuple(getattr(family, "_labelnames", ()))
    return found


def documented() -> dict[str, tuple[str, ...]]:
    """The rows of the table."""
    rows = re.findall(r"^\| `(dialplane_[a-z_]+)(?:\{([a-z,]+)\})?` \|", OPERATIONS, re.MULTILINE)
    return {name: tuple(labels.split(",")) if labels else () for name, labels in rows}
