"""Files of dialogue tests: `*.bot-test.yaml`, each with one test or several, separated by `---`."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from dialplane.cli.errors import Unusable
from dialplane.resources.clean import foreign
from dialplane.resources.diagnosis import diagnose
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.schema import schema_of
from dialplane.services.voicebot.dialogue.expectations import BotTest
from dialplane.standalone.document import BrokenYaml, Document, Lines, documents
from dialplane.standalone.files import read_file
from dialplane.standalone.finding import Finding
from dialplane.standalone.tree import BOT_TEST_SUFFIXES, is_left_alone


@dataclass(frozen=True, slots=True)
class PlacedTest:
    """A test, and where it stands."""

    file: str
    lines: Lines
    test: BotTest


@dataclass(frozen=True, slots=True)
class BotTests:
    """The tests below some paths, and what is wrong with the files."""

    tests: tuple[PlacedTest, ...]
    findings: tuple[Finding, ...]


def read_bot_tests(paths: Sequence[str]) -> BotTests:
    """Read all tests at and below paths, in the order of their names.

    Raises:
        Unusable: a path is not there, or there is no test.
    """
    tests: list[PlacedTest] = []
    findings: list[Finding] = []
    files = sorted({file for path in paths for file in _files(Path(path))})
    if not files:
        raise Unusable(f"no file *.bot-test.yaml in {', '.join(paths)}: `dialplane bot test --help` shows one")
    for path in files:
        file = read_file(path)
        try:
            read = [] if file.flaw else list(documents(file.data.decode("utf-8-sig")))
        except BrokenYaml as error:
            findings.append(Finding(file.name, error.line, "", "", str(error)))
            continue
        except UnicodeDecodeError:
            findings.append(Finding(file.name, 0, "", "", "is not UTF-8 text: save it as UTF-8"))
            continue
        if file.flaw or not read:
            findings.append(Finding(file.name, 0, "", "", file.flaw or "there is no test in it"))
        for document in read:
            test, problems = _parsed(document)
            findings += [Finding(file.name, document.lines.at(p.field), "", p.field, p.message) for p in problems]
            if test is not None:
                tests.append(PlacedTest(file.name, document.lines, test))
    return BotTests(tuple(tests), tuple(findings))


def is_bot_test(path: str) -> bool:
    """Return whether a file of that name holds tests of dialogues."""
    return path.lower().endswith(BOT_TEST_SUFFIXES)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for folder, names, files in os.walk(path):
            names[:] = [name for name in names if not is_left_alone(name)]
            yield from (Path(folder, name) for name in files if is_bot_test(name) and not is_left_alone(name))
    elif not path.exists():
        raise Unusable(f"cannot read {path}: no such file or folder")
    elif is_bot_test(str(path)):
        yield path


def _parsed(document: Document) -> tuple[BotTest | None, tuple[Problem, ...]]:
    if document.flaws:
        return None, tuple(Problem(Reason.INVALID, flaw.message, flaw.field) for flaw in document.flaws)
    if problems := tuple(foreign(document.value, "")):
        return None, problems
    try:
        return BotTest.model_validate_json(json.dumps(document.value), by_alias=True, by_name=False), ()
    except ValidationError as error:
        found = diagnose(error, schema_of(BotTest), "")
        return None, tuple(Problem(each.reason, each.message, each.field.lstrip(".")) for each in found)
