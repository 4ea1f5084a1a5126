"""docs/operations.md names every metric, and the lines that an Asterisk of one's own needs."""

from tests.alerts.known import OPERATIONS, documented, registered
from tests.docs.pages import ROOT

BASE = ROOT / "templates" / "bootstrap"


def test_the_tables_have_every_metric_with_its_labels() -> None:
    assert documented() == registered()


def test_every_include_of_the_base_files_is_told() -> None:
    for path in BASE.glob("*.conf.j2"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#tryinclude"):
                assert f"| `{path.name.removesuffix('.j2')}` | `{line}`" in OPERATIONS
