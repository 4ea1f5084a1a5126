"""What the documents show is real: manifests are planned, commands are run and say what stands there.

Marks are words after the language of a fenced block:

- `yaml manifest`: all such blocks of a page are one site, together with the Asterisk named `office` where the page has
  none; the site is planned without a problem.
- `console run`: each line after `$ ` is run by a shell at the top of a checkout in which `site/` holds the page's site;
  what follows is what it prints. `…` stands for any text within a line, and alone on a line for any lines.
- `console live`: likewise, beside a real Asterisk on which `dialplane run` keeps that site.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dialplane.cli.inputs import plan_site, read_input
from testbed.asterisk import AsteriskInstance
from tests.docs.pages import ROOT, Block, blocks, pages

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
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=self.cwd,
                env={
                    **{name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE_")},
                    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                    **self.env,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            assert matches(expected, done.stdout), f"{block}: $ {command}\n{done.stdout}"


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


@pytest.fixture
async def beside(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shell]:
    """A shell beside a real Asterisk."""
    folder = tmp_path_factory.mktemp("beside")
    async with AsteriskInstance(folder / "asterisk") as asterisk:
        (asterisk.etc / "dialplane").chmod(0o2750)
        account = asterisk.settings.controller
        env = {
            "ASTERISK_AMI_PORT": str(asterisk.settings.ami_port),
            "ASTERISK_AMI_USERNAME": account.name,
            "ASTERISK_AMI_PASSWORD": account.secret,
            "DIALPLANE_STATE_DIR": str(folder / "state"),
            "CONFIG_DIR": str(asterisk.etc / "dialplane"),
            "SIP_PORT": str(asterisk.sip_port),
        }
        yield Shell(checkout, env)


@pytest.mark.parametrize("page", with_blocks("console", "live"), ids=name_of)
def test_commands_beside_an_asterisk_print_what_stands_there(page: Path, checkout: Path, beside: Shell) -> None:
    site = checkout / "site"
    write_site(page, site)
    for path in site.glob("*.yaml"):
        path.write_text(path.read_text().replace(":5060", f":{beside.env['SIP_PORT']}"))
    command = [sys.executable, "-m", "dialplane.cli", "run", "-f", "site", "--config-dir", beside.env["CONFIG_DIR"]]
    log = checkout / "run.log"
    ready = subprocess.run(
        [*command, "--once"], cwd=checkout, env={**os.environ, **beside.env}, timeout=60, check=False
    )
    assert ready.returncode == 0
    with log.open("w") as file:
        running = subprocess.Popen(command, cwd=checkout, env={**os.environ, **beside.env}, stderr=file)
        try:
            for block in marked(page, "console", "live"):
                beside.check(block)
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()
                raise


def test_an_ellipsis_stands_for_text_and_for_lines() -> None:
    assert matches("a … c\n…\nlast", "a b c\n1\n2\nlast\n")
    assert matches("…\nlast", "last\n")
    assert not matches("a\nc", "a\nb\nc\n")
    assert not matches("", "anything\n")


def test_a_session_is_split_into_commands_and_what_they_print() -> None:
    text = "$ one \\\n    two\nout\n$ three\n"
    assert list(sessions(text)) == [("one \\\n    two", "out"), ("three", "")]
