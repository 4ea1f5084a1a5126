"""What the commands import: only what they use, so that none is slow to start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from dialplane.cli.app import app
from dialplane.cli.lazy_group import SUMMARIES

ROOT = Path(__file__).parents[2]
PROBE = """
import atexit, json, linecache, os, sys
atexit.register(lambda: os.write(2, ("\\n" + json.dumps([*sys.modules, *linecache.cache])).encode()))
from dialplane.cli import main
main(sys.argv[1:])
"""
"""Runs a command; the last line of its standard error is what was imported, and the files whose source was read."""
SERVICES = {
    *("aioari", "alembic", "apprise", "dulwich", "fastapi", "httpx", "kopf", "kubernetes", "panoramisk"),
    *("prometheus_client", "sqlalchemy", "starlette", "structlog", "tenacity", "uvicorn", "watchfiles"),
}
"""What serves a site, or reaches other machines."""
PLANNING = {"jinja2", "yaml", "ruamel", "cryptography", "dns", "dialplane.resources", "dialplane.plan"}
"""What reads manifests and plans a site."""


def imported(*arguments: str, env: dict[str, str] | None = None) -> set[str]:
    """The names of the modules that were imported when the command ended, and of files whose source was read."""
    command = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def completed(words: str, shell: str = "bash") -> dict[str, str]:
    """The environment in which the shell asks what the last of these words may become."""
    return {
        "_DIALPLANE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,  # of bash, and for the others:
        "COMP_CWORD": str(len(words.split()) - 1),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }


@pytest.mark.parametrize(
    ("arguments", "env", "absent", "most"),
    [
        pytest.param(["version"], {}, SERVICES | PLANNING | {"rich"}, 320, id="version"),
        pytest.param(["--version"], {}, SERVICES | PLANNING | {"rich"}, 320, id="--version"),
        pytest.param(["--help"], {}, SERVICES | PLANNING | {"rich", "pydantic"}, 190, id="help"),
        pytest.param(["call", "--help"], {}, SERVICES | PLANNING | {"rich"}, 330, id="help-of-a-group"),
        pytest.param([], completed("dialplane val"), SERVICES | PLANNING | {"rich"}, 320, id="completion-of-commands"),
        pytest.param(
            [], completed("dialplane call place --ag"), SERVICES | PLANNING | {"rich"}, 330, id="completion-of-options"
        ),
        pytest.param(
            [], completed("dialplane val", "zsh"), SERVICES | PLANNING | {"rich"}, 320, id="completion-in-zsh"
        ),
        pytest.param(
            [], completed("dialplane val", "fish"), SERVICES | PLANNING | {"rich"}, 320, id="completion-in-fish"
        ),
        pytest.param(["validate", "--help"], {}, SERVICES | {"rich"}, 515, id="help-of-validate"),
        pytest.param(["validate", "-f", "examples/office"], {}, SERVICES | {"rich"}, 525, id="validate"),
    ],
)
def test_a_command_imports_what_it_uses(arguments: list[str], env: dict[str, str], absent: set[str], most: int) -> None:
    modules = imported(*arguments, env=env)
    assert "typer" in modules
    assert {name for name in absent if name in modules} == set()
    ours = {name for name in modules if name.startswith("dialplane.cli.commands.")}
    assert len(ours) <= 1
    assert len(modules) <= most
    assert not {name for name in modules if name.endswith(".py")}  # no class reads its own source


def test_the_probe_sees_what_is_imported() -> None:
    """Where a command needs a heavy package, it shows: what is absent above is not merely unseen."""
    assert imported("validate", "-f", "examples/office", "-o", "yaml") >= {"jinja2", "ruamel.yaml", "yaml"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_tells_what_a_command_is_for(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dialplane.cli"],
        env={**os.environ, **completed("dialplane val", shell)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "validate" in done.stdout
    assert "Check manifests" in done.stdout


def test_the_summaries_are_the_first_sentences_of_the_commands_own_help() -> None:
    group: Any = get_command(app)
    assert {name: command.get_short_help_str(1000) for name, command in group.commands.items()} == SUMMARIES


def test_every_module_of_a_command_is_in_the_list() -> None:
    modules = {path.stem for path in (ROOT / "controller/dialplane/cli/commands").glob("*.py")} - {"__init__"}
    assert modules == {name.replace("-", "_") for name in SUMMARIES}
