"""docs/operations.md names every metric, and the lines that an Asterisk of one's own needs."""

import re

from prometheus_client import REGISTRY

import dialplane.kube.metrics
import dialplane.reconcile.metrics
from tests.docs.pages import ROOT

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BASE = ROOT / "templates" / "bootstrap"

MODULES = (dialplane.kube.metrics, dialplane.reconcile.metrics)


def test_the_table_has_every_metric_with_its_labels() -> None:
    told = set(re.findall(r"^\| `(dialplane_[a-z_]+(?:\{[a-z,]+\})?)` \|", TEXT, re.MULTILINE))
    known = set()
    for module in MODULES:
        for metric in vars(module).values():
            if getattr(metric, "_labelnames", None) is not None and metric in REGISTRY._collector_to_names:
                name = metric._name + ("_total" if metric._type == "counter" else "")
                known.add(name + (f"{{{','.join(metric._labelnames)}}}" if metric._labelnames else ""))
    assert told == known


def test_every_include_of_the_base_files_is_told() -> None:
    for path in BASE.glob("*.conf.j2"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#tryinclude"):
                assert f"| `{path.name.removesuffix('.j2')}` | `{line}`" in TEXT
