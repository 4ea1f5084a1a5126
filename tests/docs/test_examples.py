"""What the documents show is real: manifests are planned, commands are run and say what stands there.

Marks are words after the language of a fenced block:

- `yaml manifest`: all such blocks of a page are one site, together with the Asterisk named `office` where the page has
  none; the site is planned without a problem.
- `console run`: each line after `$ ` is run at the top of a checkout in which `site/` holds the page's site, `dialplane`
  at its head in this process and the rest by a shell; what follows is what it prints. `…` stands for any text within a
  line, and alone on a line for any lines.
- `console live`: likewise, beside a real Asterisk on which `dialplane run` keeps that site.
"""

import asyncio
import io
import json
import os
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from dialplane.cli import main
from dialplane.cli.inputs import plan_site, read_input
from testbed.asterisk import AsteriskInstance
from testbed.controller import start_controller
from testbed.manifests import condition
from testbed.ports import lease
from tests.docs.pages import ROOT, Block, blocks, pages
from tests.eventually import eventually

ASTERISK = """
apiVersion: dialplane.io/v1alpha1
kind: Asterisk
metadata: {name: office}
spec:
  transports:
    - {name: udp, protocol: udp, bind: "127.0.0.1:5060"}
"""
CHECKOUT = ("charts", "controller", "crds", "examples", "templates")


def marked(page: Path, language: str, word: str) -> list[Block]:
    return [block for block in blocks(page) if block.words[:1] == (language,) and word in block.words[1:]]


def with_blocks(language: str, word: str) -> list[Path]:
    return [page for page in pages() if marked(page, language, word)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def write_site(page: Path, folder: Path) -> None:
    """The manifests of a page as files."""
    folder.mkdir()
    manifests = marked(page, "yaml", "manifest")
    for block in manifests:
        (folder / f"line-{block.line:04}.yaml").write_text(block.text, encoding="utf-8")
    if not any(re.search(r"^kind: Asterisk$", block.text, re.MULTILINE) for block in manifests):
        (folder / "asterisk.yaml").write_text(ASTERISK, encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the top of a checkout."""
    for name in CHECKOUT:
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@dataclass
class Shell:
    """Runs the commands of a block."""

    cwd: Path
    env: dict[str, str] = field(default_factory=dict)

    def check(self, block: Block) -> None:
        """Run them and compare what they print."""
        for command, expected in sessions(block.text):
            head, _, rest = command.partition(" | ")
            printed = ""
            if head.startswith("dialplane "):
                printed = self._dialplane(head)
            else:
                rest = command
            if rest:
                printed = self._shell(rest, printed)
            assert matches(expected, printed), f"{block}: $ {command}\n{printed}"

    @property
    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")} | self.env

    def _dialplane(self, command: str) -> str:
        """What the command prints; a process of its own takes four times as long, most of it to start."""
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as here, redirect_stdout(printed), redirect_stderr(printed):
            here.chdir(self.cwd)
            for name in os.environ.keys() - self._environment.keys():
                here.delenv(name)
            for name, value in self.env.items():
                here.setenv(name, value)
            with pytest.raises(SystemExit):
                main(shlex.split(os.path.expandvars(command))[1:])
        return printed.getvalue()

    def _shell(self, command: str, given: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.cwd,
            env=self._environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout


def sessions(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, a trailing backslash continuing them, and what each should print."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0], f"a session begins with a command, not with {parts[0]!r}"
    for part in parts[1:]:
        lines = part.splitlines()
        end = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        yield "\n".join(lines[: end + 1]), "\n".join(lines[end + 1 :])


def matches(expected: str, printed: str) -> bool:
    """Whether a program printed that; spaces at the end of a line do not count."""
    pattern = ""
    for line in expected.rstrip().splitlines():
        if line.strip() == "…":
            pattern += "(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + "\n"
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed.rstrip().splitlines())) is not None


@pytest.mark.parametrize("page", with_blocks("yaml", "manifest"), ids=name_of)
def test_manifests_are_planned_without_a_problem(page: Path, tmp_path: Path) -> None:
    write_site(page, tmp_path / "site")
    planned = plan_site(read_input([str(tmp_path / "site")], None))
    assert [str(finding) for finding in planned.findings] == []
    assert planned.plan.versions.keys() == planned.site.snapshot.resources.keys() - planned.plan.disabled


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_a_yaml_block_with_a_kind_of_ours_is_marked(page: Path) -> None:
    unmarked = [
        str(block)
        for block in blocks(page)
        if "apiVersion: dialplane.io/" in block.text and not {"manifest", "wrong"} & {*block.words}
        if block.words[:1] == ("yaml",)
    ]
    assert unmarked == []


@pytest.mark.parametrize("page", with_blocks("console", "run"), ids=name_of)
def test_commands_print_what_stands_there(page: Path, checkout: Path) -> None:
    write_site(page, checkout / "site")
    shell = Shell(checkout)
    for block in marked(page, "console", "run"):
        shell.check(block)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    async with AsteriskInstance(tmp_path_factory.mktemp("asterisk")) as running:
        (running.etc / "dialplane").chmod(0o2750)
        yield running


@pytest.fixture
def beside(checkout: Path, asterisk: AsteriskInstance) -> Shell:
    """A shell beside a real Asterisk."""
    account = asterisk.settings.controller
    env = {
        "ASTERISK_AMI_PORT": str(asterisk.settings.ami_port),
        "ASTERISK_AMI_USERNAME": account.name,
        "ASTERISK_AMI_PASSWORD": account.secret,
        "DIALPLANE_STATE_DIR": str(checkout / "state"),
        "CONFIG_DIR": str(asterisk.etc / "dialplane"),
        "SIP_PORT": str(asterisk.sip_port),
    }
    return Shell(checkout, env)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("page", with_blocks("console", "live"), ids=name_of)
async def test_commands_beside_an_asterisk_print_what_stands_there(
    page: Path, checkout: Path, asterisk: AsteriskInstance, beside: Shell
) -> None:
    site = checkout / "site"
    write_site(page, site)
    for path in site.glob("*.yaml"):
        path.write_text(path.read_text().replace(":5060", f":{asterisk.sip_port}"))
    arguments = ("run", "-f", "site", "--state-dir", "state", "--plain")
    with lease(1) as ports:
        running = await start_controller(arguments, asterisk, output=checkout / "run.log", metrics_port=ports.take())
        try:
            await eventually(lambda: all_ready(checkout / "state"), within=60, why=running.tail)
            for block in marked(page, "console", "live"):
                await asyncio.to_thread(beside.check, block)
        finally:
            await running.stop()


def all_ready(state: Path) -> bool:
    try:
        entries = json.loads((state / "status.json").read_text())["resources"].values()
    except FileNotFoundError:
        return False
    return bool(entries) and all(condition(entry, "Ready").get("status") == "True" for entry in entries)


def test_an_ellipsis_stands_for_text_and_for_lines() -> None:
    assert matches("a … c\n…\nlast", "a b c\n1\n2\nlast\n")
    assert matches("…\nlast", "last\n")
    assert not matches("a\nc", "a\nb\nc\n")
    assert not matches("", "anything\n")


def test_a_session_is_split_into_commands_and_what_they_print() -> None:
    text = "$ one \\\n    two\nout\n$ three\n"
    assert list(sessions(text)) == [("one \\\n    two", "out"), ("three", "")]
