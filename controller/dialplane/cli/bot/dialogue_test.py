"""`dialplane bot test`: the tests of dialogues that lie beside the manifests."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialplane.cli.bot.bot_files import Paths, bot_of
from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.output import Format, emit, say, warn
from dialplane.cli.plain_text import harmless

if TYPE_CHECKING:
    from dialplane.cli.bot.bot_test_files import PlacedTest
    from dialplane.resources.voice_bot import VoiceBotSpec
    from dialplane.standalone.site import Site

JUnit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write the results there, too, as JUnit's XML.")
]
FormatOption = Annotated[Format, typer.Option("--output", "-o", help="text for people, json or yaml for programs.")]
Result = dict[str, Any]


def run_tests(paths: Paths, junit: JUnit = None, output: FormatOption = Format.TEXT) -> None:
    """Run the tests of dialogues that lie beside the manifests, in files named *.bot-test.yaml.

    It needs no Asterisk and no network, and takes a moment: run it in CI. A file has one test, or several separated by
    lines of ---; after its first words the bot waits for what each step says:

        name: a caller asks for sales
        bot: receptionist
        steps:
          - expect: {says: sales or support, state: menu}
          - caller: I'd like to buy something     # or keys: "12", silence: true
          - expect: {transfer: {extension: "101"}}

    A webhook and a language model are steps, too: webhook: {outcome: vip, variables: {name: Ada}}, and
    model: {says: Which one?} or {intent: buy}. Expect also ends (hangup, transfer, fallback), variables and sms. The
    caller is +15550100 and the day 2026-01-01, where a test does not set caller and today.

    Exit code 0: all went as they must. 1: not all did, each on a line as FILE:LINE: NAME: MESSAGE. 2: no test there.

    Examples:
        dialplane bot test -f examples/voice-bot
        dialplane bot test -f site/ -f tests/ --junit bots.xml
    """
    from dialplane.cli.bot.bot_test_files import is_bot_test, read_bot_tests
    from dialplane.cli.inputs import read_input

    read = read_bot_tests(paths)
    site = read_input([path for path in paths if not is_bot_test(path)], None)
    for finding in read.findings:
        say(harmless(str(finding)), "red")
    bots = {name: _spec(site, name) for name in sorted({placed.test.bot for placed in read.tests})}
    results = [_result(placed, bots[placed.test.bot]) for placed in read.tests]
    if junit is not None:
        _write_junit(junit, results)
    failed = [each for each in results if not each["passed"]]
    if output is not Format.TEXT:
        emit({"passed": len(results) - len(failed), "failed": len(failed), "tests": results}, output)
    else:
        for each in results:
            place = f"{each['file']}:{each['line']}"
            say(harmless(f"{place}: {each['name']}: {each['message'] or 'ok'}"), "green" if each["passed"] else "red")
    if failed or read.findings:
        raise Refused(f"{len(failed)} of {_count(len(results))} failed" if failed else "not all files can be read")
    warn(f"{_count(len(results))} passed", "green")


def _spec(site: "Site", name: str) -> "VoiceBotSpec | str":
    """Return a bot, or why its dialogue cannot be tested."""
    try:
        return bot_of(site, name)
    except (Refused, Unusable) as error:
        return str(error)


def _result(placed: "PlacedTest", bot: "VoiceBotSpec | str") -> Result:
    from dialplane.services.voicebot.dialogue.expectations import failure

    begun = perf_counter()
    field, message = ("bot", bot) if isinstance(bot, str) else failure(placed.test, bot) or ("", "")
    result = {"name": placed.test.name, "bot": placed.test.bot, "file": placed.file, "line": placed.lines.at(field)}
    return {**result, "passed": not message, "field": field, "message": message, "seconds": perf_counter() - begun}


def _write_junit(file: Path, results: list[Result]) -> None:
    from xml.etree.ElementTree import Element, ElementTree, SubElement

    failed = sum(not each["passed"] for each in results)
    seconds = sum(each["seconds"] for each in results)
    counts = {"tests": str(len(results)), "failures": str(failed), "time": f"{seconds:.3f}"}
    suite = Element("testsuite", {"name": "dialplane bot test", **counts})
    for each in results:
        place = {"file": each["file"], "line": str(each["line"]), "time": f"{each['seconds']:.3f}"}
        case = SubElement(suite, "testcase", {"classname": each["bot"], "name": harmless(each["name"]), **place})
        if not each["passed"]:
            SubElement(case, "failure", message=harmless(each["message"]))
    try:
        ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise Unusable(f"cannot write {file}: {error.strerror}") from None


def _count(tests: int) -> str:
    return f"{tests} test{'s' * (tests != 1)}"
