"""A new service is its folder and one line in the registry, a new kind its module and one line in `kinds.py`.

A copy of the package gets exactly that, and a migration, and then does with the new kind all that it does with others.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from testbed.peer import PeerProcess
from testbed.process import Child
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]
GIVEN = Path(__file__).parent / "lamps"
LAMP = """\
apiVersion: dialplane.io/v1alpha1
kind: Lamp
metadata: {{name: {name}}}
spec: {{watts: {watts}, lit: {lit}}}
"""
ASTERISK = """\
apiVersion: dialplane.io/v1alpha1
kind: Asterisk
metadata: {name: pbx}
spec: {ami: {port: 1}}
"""
NOTIFIER = """\
apiVersion: dialplane.io/v1alpha1
kind: Notifier
metadata: {name: people}
spec: {urlSecretRef: {name: people, key: url}, events: [lamp.off]}
"""


@dataclass(frozen=True)
class Copy:
    """Dialplane with lamps, and a site that it may serve."""

    folder: Path
    site: Path

    @property
    def env(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DIALPLANE", "ASTERISK"))}
        return {**clean, "PYTHONPATH": str(self.folder / "controller")}

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "dialplane.cli", *arguments],
            capture_output=True,
            text=True,
            env=self.env,
            cwd=self.folder,
            timeout=60,
            check=False,
        )

    def write(self, name: str, *, watts: int = 12, lit: bool = True) -> None:
        (self.site / f"{name}.yaml").write_text(LAMP.format(name=name, watts=watts, lit=str(lit).lower()))

    def found(self, name: str) -> dict[str, str]:
        """The status of each condition of a Lamp."""
        shown = self.command("get", "lamps", "-o", "json", "--state-dir", str(self.state))
        items = json.loads(shown.stdout)["items"] if shown.returncode == 0 else []
        status = next((item["status"] for item in items if item["metadata"]["name"] == name), {})
        return {each["type"]: each["status"] for each in status.get("conditions", ())}


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    package = tmp_path / "controller" / "dialplane"
    shutil.copytree(ROOT / "controller" / "dialplane", package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("templates", "crds"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    shutil.copy(GIVEN / "kind.py", package / "resources" / "lamp.py")
    _line(
        package / "resources" / "kinds.py",
        r"\(\n    asterisk,",
        "(\n    asterisk, lamp,",
        r"    campaign\.KIND,",
        "lamp.KIND,",
    )
    service = package / "services" / "lamps"
    service.mkdir()
    for name, module in (("service", "__init__"), ("tables", "tables"), ("api", "api")):
        shutil.copy(GIVEN / f"{name}.py", service / f"{module}.py")
    _line(
        package / "services" / "registry.py",
        r"import elevator, infinity,",
        "import elevator, infinity, lamps,",
        r"    recordings\.SERVICE,",
        "lamps.SERVICE,",
    )
    versions = package / "store" / "migrations" / "versions"
    head = max(path.name for path in versions.glob("v*.py"))[1:5]
    (versions / "v9999_lamps.py").write_text((GIVEN / "migration.py").read_text().replace("HEAD", head))
    site = tmp_path / "site"
    site.mkdir()
    (site / "asterisk.yaml").write_text(ASTERISK)  # nobody answers there, which is nothing to lamps
    return Copy(tmp_path, site)


def _line(path: Path, imports: str, imported: str, last: str, line: str) -> None:
    """Add one line to a table, and its import."""
    text, times = re.subn(imports, imported, path.read_text(), count=1)
    assert times == 1
    text, times = re.subn(f"({last})", rf"\1\n    {line}", text, count=1)
    assert times == 1
    path.write_text(text)


def test_it_is_described_and_validated(copy: Copy) -> None:
    assert copy.command("crds", "-o", "made").returncode == 0
    made = (copy.folder / "made" / "dialplane.io_lamps.yaml").read_text()
    assert "kind: Lamp" in made
    assert "lamp.off" in (copy.folder / "made" / "dialplane.io_notifiers.yaml").read_text()
    copy.write("hall")
    assert copy.command("validate", "-f", "site").returncode == 0
    for watts, said in ((1000, "from 1 to 100"), (13, "take 12")):
        copy.write("hall", watts=watts)
        refused = copy.command("validate", "-f", "site")
        assert (refused.returncode, said in refused.stdout + refused.stderr) == (1, True), refused
        assert "spec.watts" in refused.stdout + refused.stderr


async def test_it_is_reconciled_served_listed_and_people_are_notified_of_it(
    copy: Copy, receiver: PeerProcess, tmp_path: Path
) -> None:
    secret = tmp_path / "secrets" / "people"
    secret.mkdir(parents=True)
    (secret / "url").write_text(f"json://127.0.0.1:{receiver.address[1]}/hook/people")
    (copy.site / "notifier.yaml").write_text(NOTIFIER)
    copy.write("hall")
    arguments = (
        "run",
        "-f",
        "site",
        *("--state-dir", "state", "--secrets-dir", "secrets", "--config-dir", "config"),
        "--plain",
    )
    async with _running(copy, arguments) as running:
        await eventually(
            lambda: copy.found("hall"), 60, holds=lambda found: found.get("Ready") == "True", why=running.tail
        )
        assert copy.found("hall") == {"Accepted": "True", "Ready": "True", "Online": "True"}
        url, token = (
            (copy.state / "api-url").read_text().strip(),
            (copy.state / "api-tokens" / "local").read_text().strip(),
        )
        async with httpx.AsyncClient(timeout=20) as client:
            assert (await client.get(f"{url}/api/v1/lamps")).status_code == 401
            listed = await client.get(f"{url}/api/v1/lamps", headers={"Authorization": f"Bearer {token}"})
        assert listed.json() == ["hall"]
        copy.write("hall", lit=False)
        notified = await receiver.event("received", place="hook/people")
        assert notified["title"] == "Lamp hall went out"


@asynccontextmanager
async def _running(copy: Copy, arguments: Sequence[str]) -> AsyncIterator[Child]:
    argv = [sys.executable, "-m", "dialplane.cli", *arguments]
    child = await Child.start("dialplane run", argv, output=copy.folder / "run.log", env=copy.env, cwd=copy.folder)
    try:
        yield child
    finally:
        await child.stop()


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[PeerProcess]:
    options = {"directory": str(tmp_path)}
    async with await PeerProcess.launch("receiver", tmp_path / "receiver.log", options, name="receiver") as peer:
        yield peer
