"""The options of all commands: what is given twice, and what messages and documents name."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from dialplane.cli.app import app, main
from dialplane.cli.command import OnceCommand, OnceGroup, counts_once
from tests.cli.bad_input import OFFICE, PHONE, SECRET
from tests.forks import dialplane


def commands(command: Any = None, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group, with the words that lead to it."""
    command = command or get_command(app)
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, *path, name)


ROOT = Path(__file__).parents[2]
TEXTS = [
    *sorted((ROOT / "controller" / "dialplane").rglob("*.py")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "charts").rglob("*.yaml")),
    *sorted((ROOT / "examples").rglob("*.*")),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench/README.md")),
]
"""Whatever may name an option to a user, a message in the code as well as a document."""
FOREIGN = {
    "--append": "usermod",
    "--config": "kind create cluster",
    "--create-namespace": "helm install",
    "--decrypt": "age and gpg",
    "--door": "python -m bench soak",
    "--for": "kubectl wait",
    "--groups": "usermod",
    "--no-ask-password": "systemctl",
    "--prune": "kubectl apply",
    "--server-side": "kubectl apply",
    "--stdin": "espeak-ng",
    "--only": "python -m bench soak",
    "--overwrite": "kubectl annotate",
}
"""Options of other programs, and of our tools that are no commands."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
COMMAND = re.compile(r"\bdialplane((?: +[a-z][a-z-]*)+) ([^|`'#;&]*)")

ONCE = [
    pytest.param(path, option, id=" ".join((*path, option)))
    for path, command in commands()
    for parameter in command.params
    if counts_once(parameter)
    for option in (*parameter.opts, *parameter.secondary_opts)
]
"""Each name of each option that counts once, and of which command."""


def test_no_other_group_has_an_option_that_counts_once() -> None:
    """Only a command, and a group that does something by itself, looks for what is given twice."""
    assert ONCE
    for path, command in commands():
        if not isinstance(command, OnceCommand | OnceGroup):
            assert not [parameter.opts for parameter in command.params if counts_once(parameter)], path


@pytest.mark.parametrize(("path", "option"), ONCE)
def test_an_option_that_counts_once_is_refused_twice(
    path: tuple[str, ...], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*path, option, "1", option, "2"])
    assert "stands there 2 times, and counts only once" in capsys.readouterr().err


def test_the_short_and_the_long_name_are_one_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["get", "-o", "wide", "--output=json"])
    assert capsys.readouterr().err == (
        "dialplane: --output stands there 2 times, and counts only once: leave one (see --help)\n"
    )


def test_run_takes_every_folder_as_validate_and_render_do(tmp_path: Path) -> None:
    for name, text in (("site", OFFICE), ("phones", f"{PHONE}---\n{SECRET}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.yaml").write_text(text)
    with socket.socket() as taken:  # not listening: there is no Asterisk
        taken.bind(("127.0.0.1", 0))
        office = OFFICE.replace("{}", f"{{ami: {{port: {taken.getsockname()[1]}}}}}")
        (tmp_path / "site" / "x.yaml").write_text(office)
        both = ["-f", "site", "-f", "phones"]
        assert "2 resources in 2 files" in dialplane("validate", *both, cwd=tmp_path).stderr
        once = ["--once", "--timeout", "1", "--state-dir", "state", "--config-dir", "out"]
        assert dialplane("run", *both, *once, cwd=tmp_path).returncode == 1
    assert "[101]" in (tmp_path / "out" / "pjsip_endpoint.conf").read_text()
    shown = dialplane("get", "-o", "name", "--state-dir", "state", cwd=tmp_path).stdout
    assert shown.split() == ["asterisk.dialplane.io/office", "extension.dialplane.io/alice"]


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (("--webhook-listen", "office"), "--webhook-listen office: it must be HOST:PORT"),
        (("--webhook-listen", ":0"), "--webhook-listen :0: it must be HOST:PORT"),
        (("--webhook-listen", ":9443"), "--webhook-listen needs --webhook-cert and --webhook-key"),
    ],
)
def test_a_webhook_that_cannot_be_reached_is_refused(
    options: tuple[str, ...], cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["operator", "--namespace", "office", *options])
    assert cure in capsys.readouterr().err


def test_every_option_that_a_message_or_a_document_names_exists() -> None:
    own = {option for _, command in commands() for parameter in command.params for option in parameter.opts}
    own |= {option for _, command in commands() for parameter in command.params for option in parameter.secondary_opts}
    own.add("--help")
    assert "--secrets-dir" in own
    unknown: dict[str, set[str]] = {}
    named = set()
    for path in TEXTS:
        for option in OPTION.findall(path.read_text(encoding="utf-8")):
            named.add(option)
            if option not in own and option not in FOREIGN:
                unknown.setdefault(option, set()).add(str(path.relative_to(ROOT)))
    assert unknown == {}
    assert set(FOREIGN) <= named


def test_every_command_line_in_a_text_has_options_of_that_command() -> None:
    of = {path: {o for p in c.params for o in (*p.opts, *p.secondary_opts)} for path, c in commands()}
    wrong = []
    seen = 0
    for path in TEXTS:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for words, rest in COMMAND.findall(line):
                parts = words.split()
                found = max((parts[:n] for n in range(len(parts) + 1) if tuple(parts[:n]) in of), key=len)
                found = found if found != ["call"] else ["call", "place"]  # its short form
                options = {o for o in OPTION.findall(rest) if o != "--help"} if found else set()
                seen += len(options)
                if not options <= of[tuple(found)]:
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: {' '.join(found)} {options - of[tuple(found)]}")
    assert wrong == []
    assert seen


def test_every_variable_that_a_document_names_is_read() -> None:
    variable = re.compile(r"\b(?:DIALPLANE|ASTERISK_AMI)_[A-Z][A-Z_]*\b")
    read: set[str] = set()
    for folder in ("controller", "tests", "testbed", "bench", "charts"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".yaml", ".tpl"}:
                read |= set(variable.findall(path.read_text(encoding="utf-8")))
    named = {name for path in TEXTS if path.suffix == ".md" for name in variable.findall(path.read_text("utf-8"))}
    assert named
    assert named - read == set()
