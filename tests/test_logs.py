"""How a process logs: in a process of its own, since it is set up once for all of one."""

import subprocess
import sys
from textwrap import dedent
from typing import Final

import pytest

_BEGINS: Final = "import logging, sys, structlog\nfrom dialplane.logs import configure_logs, log_unexpected\n"
_SPEAKS: Final = """
log = structlog.get_logger("dialplane.room")
log.debug("asked"); log.info("said", number=1); log.warning("warned")
for name in ("httpx", "sqlalchemy.engine", "uvicorn.error", "kubernetes"):
    logging.getLogger(name).info("a token of %s", name)
    logging.getLogger(name).warning("a warning of %s", name)
"""


def logged(script: str) -> str:
    """What a script writes to standard error."""
    ended = subprocess.run(
        [sys.executable, "-c", _BEGINS + dedent(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert not ended.stdout
    return ended.stderr


@pytest.mark.parametrize(
    ("level", "events"), [("DEBUG", ["asked", "said", "warned"]), ("INFO", ["said", "warned"]), ("WARNING", ["warned"])]
)
def test_libraries_are_held_at_warning_whatever_our_own_level_is(level: str, events: list[str]) -> None:
    lines = logged(f"configure_logs({level!r})\n{_SPEAKS}").splitlines()
    ours, theirs = lines[: len(events)], lines[len(events) :]
    assert [line.split(" event=")[1].split()[0] for line in ours] == events
    assert all(" logger=dialplane.room" in line for line in ours)
    assert len(theirs) == 4
    assert all('level=warning event="a warning of ' in line for line in theirs)


def test_a_person_at_a_terminal_reads_the_time_of_day() -> None:
    said = logged(f"configure_logs(terminal=True)\n{_SPEAKS}")
    assert "\x1b[" in said
    assert "timestamp=" not in said


def test_lines_go_to_where_standard_error_is_at_the_moment() -> None:
    script = """
        import io
        configure_logs()
        before, sys.stderr = sys.stderr, io.StringIO()
        structlog.get_logger("dialplane.room").info("aside")
        aside, sys.stderr = sys.stderr.getvalue(), before
        assert "aside" in aside
        structlog.get_logger("dialplane.room").info("straight on")
    """
    said = logged(script)
    assert "straight on" in said
    assert "aside" not in said


def test_an_unexpected_error_says_what_and_where_but_nothing_of_its_own_words() -> None:
    script = """
        configure_logs()
        def work(password):
            raise ValueError(f"cannot use {password}")
        try:
            work("hunter2")
        except ValueError as error:
            log_unexpected("work failed", error, call="c1")
    """
    said = logged(script)
    assert 'event="work failed"' in said
    assert "call=c1" in said
    assert "error=ValueError" in said
    assert "in work" in said
    assert "hunter2" not in said


def test_of_a_group_each_unexpected_error_is_named() -> None:
    script = """
        import asyncio
        configure_logs()
        async def work():
            raise KeyError("hunter2")
        async def main():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(work())
                tasks.create_task(work())
        try:
            asyncio.run(main())
        except ExceptionGroup as error:
            log_unexpected("work failed", error)
    """
    said = logged(script)
    assert 'error="ExceptionGroup: KeyError, KeyError"' in said
    assert said.count("in work") == 2
    assert "hunter2" not in said
