"""`dialplane diff`: what a change to the manifests does to Asterisk, for the reviewer of a pull request."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli.comparison import Change, Comparison, compare_files, compare_plans, unified
from dialplane.cli.diff_page import page
from dialplane.cli.errors import ExitCode, Unusable
from dialplane.cli.inputs import Paths, Planned, SecretsDir, TemplatesDir, plan_site, read_input
from dialplane.cli.output import as_json, say, warn, write
from dialplane.cli.redaction import HIDDEN, Redaction
from dialplane.plan.objects import KEYS, Driver
from dialplane.reconcile.config_dir import ConfigDirectory, ConfigDirectoryError

_SIGNS = {Change.ADDED: "+", Change.CHANGED: "~", Change.REMOVED: "-"}
_COLOURS = {"+": "green", "-": "red", "@": "cyan", "~": "yellow"}


class DiffFormat(StrEnum):
    """What `diff -o` takes."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def diff(
    paths: Paths,
    against: Annotated[
        list[str], typer.Option("--against", metavar="PATH", help="The manifests as they were: a folder or file.")
    ] = [],  # noqa: B006 -- typer copies it
    live: Annotated[
        Path | None, typer.Option("--live", metavar="DIR", help="The config directory of a running Asterisk.")
    ] = None,
    secrets_dir: SecretsDir = None,
    templates: TemplatesDir = None,
    output: Annotated[
        DiffFormat,
        typer.Option("--output", "-o", help="text, markdown for a comment (cut to its length), or json."),
    ] = DiffFormat.TEXT,
) -> None:
    """Show the Asterisk lines that a change would touch, and the live objects behind them. Secrets are hidden.

    Exit code 0: nothing differs. 1: something differs. 2: could not compare.

    Examples:
        git worktree add /tmp/main main
        dialplane diff -f site/ --against /tmp/main/site/
        dialplane diff -f site/ --against /tmp/main/site/ -o markdown > comment.md
        dialplane diff -f site/ --live /etc/asterisk/dialplane
    """
    if bool(against) == (live is not None):
        raise Unusable("say what to compare with: --against PATH, or --live DIR")
    new = plan_site(read_input(paths, secrets_dir), templates, exact=live is not None, secrets=live is not None)
    if live is not None:
        comparison = compare_files(_live(live, new), new.plan)
        redaction = Redaction(new.plan.objects, new.site.snapshot.secrets)
        old = None
    else:
        old = plan_site(read_input(against, secrets_dir), templates, secrets=False)
        comparison = compare_plans(old.plan, new.plan)
        redaction = Redaction(old.plan.objects, old.site.snapshot.secrets, new.plan.objects, new.site.snapshot.secrets)
    shown = {"text": _text, "markdown": _markdown, "json": _json}[output]
    shown(comparison, redaction, old, new)
    raise typer.Exit(ExitCode.FINE if comparison.same else ExitCode.PROBLEMS)


def _live(folder: Path, new: Planned) -> dict[str, str]:
    if not folder.is_dir():
        raise Unusable(f"cannot read {folder}: no such folder")
    keys = [f"{KEYS}/{path.name}" for path in folder.glob(f"{KEYS}/*") if path.suffix in {".crt", ".key"}]
    try:
        return ConfigDirectory(folder).read([*new.plan.files, *keys, *(driver.file for driver in Driver)])
    except ConfigDirectoryError as error:
        raise Unusable(str(error)) from None


def _lines(comparison: Comparison, redaction: Redaction) -> Iterator[tuple[str, list[str]]]:
    for name, (before, after) in comparison.files.items():
        lines = []
        for line in unified(name, before, after):
            head = line.startswith(("--- ", "+++ ", "@@ "))
            lines.append(line if head else _hidden(redaction.line(name, line[1:]), line[:1]))
        yield name, lines


def _hidden(text: str, sign: str) -> str:
    """A line with its sign; of a secret that changes, which one it is."""
    side = {"-": "(hidden, the old one)", "+": "(hidden, the new one)"}.get(sign, HIDDEN)
    return sign + text.replace(HIDDEN, side)


def _problems(old: Planned | None, new: Planned) -> list[str]:
    known = {str(finding) for finding in old.errors} if old else set()
    return [str(finding) for finding in new.errors if str(finding) not in known]


def _restart(comparison: Comparison) -> str:
    files = comparison.reloads.restart_for
    return f"a restart of Asterisk, for {', '.join(files)}" if files else ""


def _steps(comparison: Comparison) -> str:
    modules = ", ".join(comparison.reloads.modules)
    steps = [f"reload of {modules}" if modules else "", _restart(comparison)]
    return "; ".join(filter(None, steps)) or "nothing"


def _text(comparison: Comparison, redaction: Redaction, old: Planned | None, new: Planned) -> None:
    for _, lines in _lines(comparison, redaction):
        for line in lines:
            say(line, "bold" if line.startswith(("---", "+++")) else _COLOURS.get(line[:1]))
    if comparison.files:
        say()
    for change in comparison.resources:
        sign = _SIGNS[change.change]
        say(f"{sign} {change.key} {change.change}: {change.effect}", _COLOURS[sign])
    if comparison.same:
        warn("nothing differs", "green")
    else:
        say(f"Asterisk needs: {_steps(comparison)}", "bold")
    for problem in _problems(old, new):
        warn(f"left out, it has a problem: {problem}", "red")


def _markdown(comparison: Comparison, redaction: Redaction, old: Planned | None, new: Planned) -> None:
    write(page(comparison, _steps(comparison), _problems(old, new), list(_lines(comparison, redaction))))


def _json(comparison: Comparison, redaction: Redaction, old: Planned | None, new: Planned) -> None:
    write(
        as_json(
            {
                "same": comparison.same,
                "resources": [
                    {
                        "kind": change.key.kind,
                        "name": change.key.name,
                        "change": change.change,
                        "objects": [{"object": name, "change": what} for name, what in change.objects],
                    }
                    for change in comparison.resources
                ],
                "reloads": list(comparison.reloads.modules),
                "restartFor": list(comparison.reloads.restart_for),
                "problems": _problems(old, new),
                "files": dict(_lines(comparison, redaction)),
            }
        )
    )
