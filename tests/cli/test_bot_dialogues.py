"""`dialplane bot chat`, `test` and `graph`: dialogues without Asterisk."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.forks import dialplane

ROOT = Path(__file__).parents[2]
BOT = """\
apiVersion: dialplane.io/v1alpha1
kind: VoiceBot
metadata: {name: receptionist}
spec:
  greeting: Good day.
  fallback: {to: {hangup: true}}
  dialog:
    start: menu
    states:
      - name: menu
        say: {text: Sales or support?}
        collect:
          grammar: choices
          choices:
            - {value: sales, phrases: [sales, buy something], dtmf: "1"}
            - {value: support, phrases: [support]}
        transitions:
          - {intent: sales, to: sales}
          - {intent: support, to: number}
      - name: number
        say: {text: Which order?}
        collect: {grammar: digits, minDigits: 3, maxDigits: 3, variable: order}
        transitions: [{answered: true, to: look-up}]
      - name: look-up
        action:
          webhook:
            url: https://crm.example.com/orders
            outcomes: [{outcome: late, to: note}]
            otherwise: sales
      - name: note
        action: {sms: {dongle: gsm, text: "Order {order} is late, {name}."}}
        next: bye
      - name: bye
        say: {text: Good bye.}
        action: {hangup: true}
      - name: sales
        action: {transfer: {to: {extension: "101"}}}
"""
GOOD = """\
name: a caller buys something
bot: receptionist
steps:
  - expect: {says: Sales or support?, state: menu}
  - caller: I'd like to buy something.
  - expect: {transfer: {extension: "101"}, ends: transfer}
---
name: an order that is late
bot: receptionist
caller: "+15550123"
steps:
  - caller: support
  - silence: true
  - expect: {says: I did not hear anything. Which order?}
  - keys: "101"
  - expect: {state: look-up, variables: {order: "101"}}
  - webhook: {outcome: late, variables: {name: Ada}}
  - expect: {sms: "Order 101 is late, Ada.", ends: hangup, says: Good bye.}
"""
ONE = "name: t\nbot: receptionist\nsteps:\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the bot and its tests."""
    (tmp_path / "bot.yaml").write_text(BOT)
    (tmp_path / "good.bot-test.yaml").write_text(GOOD)
    return tmp_path


def test_a_talk_in_a_pipe_shows_states_and_values(site: Path) -> None:
    talk = "a pony\n\nsupport\n#101\nlate name='Ada B'\n"
    ended = dialplane("bot", "chat", "receptionist", "-f", ".", "--caller", "+15550123", cwd=site, stdin=talk)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "bot:  Good day.",
        "bot:  Sales or support?",
        "      [menu] caller=+15550123",
        "you:  a pony",
        "bot:  I did not understand.",
        "bot:  Sales or support?",
        "      [menu] caller=+15550123",
        "you:  ",
        "bot:  I did not hear anything.",
        "bot:  Sales or support?",
        "      [menu] caller=+15550123",
        "you:  support",
        "bot:  Which order?",
        "      [number] caller=+15550123",
        "you:  #101",
        "      [look-up] caller=+15550123 order=101",
        '      asks https://crm.example.com/orders: type its outcome (late), variables as NAME="TEXT"; an empty line: it fails',
        "you:  late name='Ada B'",
        "bot:  Good bye.",
        "      sends a text message to +15550123: Order 101 is late, Ada B.",
        "      [bye] caller=+15550123 order=101 name=Ada B",
        "      hangs up",
    ]


def test_a_talk_ends_where_the_input_does_and_shows_no_control_characters(site: Path) -> None:
    ended = dialplane("bot", "chat", "receptionist", "-f", ".", cwd=site, stdin="\x1b[2J\n")
    assert (ended.returncode, "\x1b" in ended.stdout) == (0, False)


def test_the_tests_beside_the_manifests_pass_and_are_no_manifests(site: Path) -> None:
    ended = dialplane("bot", "test", "-f", ".", "--junit", "out.xml", cwd=site)
    assert ended.stdout.splitlines() == [
        "good.bot-test.yaml:1: a caller buys something: ok",
        "good.bot-test.yaml:8: an order that is late: ok",
    ]
    assert (ended.returncode, ended.stderr) == (0, "2 tests passed\n")
    suite = ET.parse(site / "out.xml").getroot()  # noqa: S314 -- our own
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")
    assert "manifest" not in dialplane("validate", "-f", ".", cwd=site).stdout


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ("  - caller: sales\n  - expect:\n      state: menu\n", "6: t: expected the state 'menu'; it ended in state 'sales', by transfer"),
        ("  - expect: {says: Bye}\n", "4: t: expected that it says 'Bye'; it is in state 'menu', and said 'Good day. Sales or support?'"),
        ("  - caller: sales\n  - silence: true\n", "5: t: the dialogue waits for nothing, not for this; it ended in state 'sales', by transfer"),
        ("  - webhook: {}\n", "4: t: the dialogue waits for an answer of the caller, not for this; it is in state 'menu', and said 'Good day. Sales or support?'"),
        ("  - keys: '1'\n  - expect: {transfer: {extension: '102'}}\n", "5: t: expected a transfer to extension 102; it ended in state 'sales', by transfer"),
        ("  - silence: true\n  - silence: true\n  - expect: {ends: hangup}\n", "6: t: expected that it ends by hangup; it fell back in state 'menu', for the caller said nothing"),
    ],
)  # fmt: skip
def test_a_step_that_fails_names_its_line(site: Path, steps: str, line: str) -> None:
    (site / "good.bot-test.yaml").write_text(ONE + steps)
    ended = dialplane("bot", "test", "-f", ".", cwd=site)
    assert (ended.returncode, ended.stdout) == (1, f"good.bot-test.yaml:{line}\n")
    assert ended.stderr == "dialplane: 1 of 1 test failed\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{ONE}  - {{caller: a, keys: '1'}}\n", "4: steps[0]: set exactly one of caller, keys, silence, webhook, model and expect"),
        (f"{ONE}  - expect: {{}}\n", "4: steps[0].expect: expect something: says, state, transfer, ends, sms or variables"),
        (f"{ONE}  - {{speaks: a}}\n", "4: steps[0].speaks: unknown field; known are caller, expect, keys, model, silence, webhook"),
        (f"{ONE}  - {{keys: 1}}\n", "4: steps[0].keys: must be text, not 1: put it in quotes"),
        (f"today: 2026-02-30\n{ONE}  - {{silence: true}}\n", "1: today: "),
        ("name: [\n", "1: broken YAML: a bracket that is opened here is never closed: close it"),
        ("bot: receptionist\nname: t\n", "1: steps: is required"),
        ("# nothing\n", " there is no test in it"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_gets_one_line(site: Path, text: str, line: str) -> None:
    (site / "good.bot-test.yaml").write_text(text)
    ended = dialplane("bot", "test", "-f", ".", cwd=site)
    first, *rest = [each for each in ended.stdout.splitlines() if "rule" not in each]
    assert first.startswith(f"good.bot-test.yaml:{line}"), ended.stdout
    assert (ended.returncode, rest) == (1, [])


def test_programs_get_the_results_as_json(site: Path) -> None:
    (site / "bad.bot-test.yaml").write_text(f"{ONE}  - expect: {{state: bye}}\n")
    ended = dialplane("bot", "test", "-f", ".", "-o", "json", cwd=site)
    results = json.loads(ended.stdout)
    assert (results["passed"], results["failed"], ended.returncode) == (2, 1, 1)
    bad = next(each for each in results["tests"] if not each["passed"])
    assert (bad["file"], bad["line"], bad["field"]) == ("bad.bot-test.yaml", 4, "steps[0].expect.state")


@pytest.mark.parametrize("command", [["chat", "receptionist"], ["graph", "receptionist"], ["test"]])
def test_a_bot_with_a_mistake_is_refused_at_its_line(site: Path, command: list[str]) -> None:
    (site / "bot.yaml").write_text(BOT.replace("next: bye", "next: by"))
    ended = dialplane("bot", *command, "-f", ".", cwd=site, stdin="")
    lines = [line for line in ended.stdout.splitlines() if line.startswith("bot.yaml")]
    assert lines[0] == (
        "bot.yaml:32: VoiceBot/receptionist: spec.dialog.states[3].next: there is no state 'by': did you mean 'bye'?"
    )
    assert ended.returncode == 1


def test_names_are_completed_from_the_manifests(site: Path) -> None:
    asked = {"_DIALPLANE_COMPLETE": "complete_bash", "COMP_WORDS": "dialplane bot chat -f . re", "COMP_CWORD": "5"}
    assert dialplane(cwd=site, env={**os.environ, **asked}).stdout == "receptionist\n"


def test_pictures_are_drawn(site: Path) -> None:
    drawn = dialplane("bot", "graph", "receptionist", "-f", ".", cwd=site)
    assert drawn.stdout.startswith("flowchart LR\n")
    picture = dialplane("bot", "graph", "receptionist", "-f", ".", "-o", "svg", cwd=site)
    assert ET.fromstring(picture.stdout).tag.endswith("svg")  # noqa: S314 -- our own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chat", "nobody", "-f", "."], "there is no VoiceBot 'nobody': use one of receptionist"),
        (["chat", "receptionist", "-f", ".", "--today", "soon"], "--today soon: it must be a date, such as 2026-12-31"),
        (["chat", "receptionist", "-f", ".", "--caller", "ada"], "'ada' is not a telephone number: 2 to 20 digits, with at most one + in front"),
        (["test", "-f", "bot.yaml"], "no file *.bot-test.yaml in bot.yaml: `dialplane bot test --help` shows one"),
        (["test", "-f", "absent"], "cannot read absent: no such file or folder"),
        (["-n", "office", "chat", "receptionist", "-f", "."], "--namespace is of a replica, and has no effect before chat: leave it"),
    ],
)  # fmt: skip
def test_a_command_line_that_cannot_be_is_one_sentence(site: Path, arguments: list[str], message: str) -> None:
    ended = dialplane("bot", *arguments, cwd=site, stdin="")
    assert (ended.returncode, ended.stderr) == (2, f"dialplane: {message}\n")


def test_the_receptionist_of_the_examples_passes_its_tests() -> None:
    ended = dialplane("bot", "test", "-f", "examples/voice-bot", cwd=ROOT)
    assert ended.returncode == 0, ended.stdout
    assert len(ended.stdout.splitlines()) >= 3
