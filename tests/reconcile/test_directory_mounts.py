"""A folder that is full, read-only or another one: real file systems, in a mount namespace of the test's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).with_name("mounted_directory.py")
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]


def test_a_config_directory_that_is_full_read_only_or_another_one(tmp_path: Path) -> None:
    allowed = subprocess.run(
        [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", tmp_path], check=False, capture_output=True, text=True, timeout=10
    )
    if allowed.returncode != 0:
        pytest.skip(f"this user may not mount in a namespace of its own: {allowed.stderr.strip()}")
    own = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'own'}"]
    done = subprocess.run(
        [*UNSHARE, *own, str(SCENARIOS)], check=False, capture_output=True, text=True, timeout=120, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    assert "5 passed" in done.stdout
