"""`dialplane get`: what the controller found out, as `kubectl get` shows it."""

import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.kinds import complete_kind, kind_named
from dialplane.cli.output import Format, emit, say, show_table, warn
from dialplane.cli.printer_columns import colours, headings, row
from dialplane.cli.state import StateDir, state_directory
from dialplane.resources.key import Key
from dialplane.resources.kind import Kind
from dialplane.resources.kinds import KINDS
from dialplane.standalone.status_file import FILE_NAME, Entry, Statuses, StatusUnreadable, read_statuses

WATCH_SECONDS: Final = 1.0


class GetFormat(StrEnum):
    """What `get -o` takes."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def _complete_kind(incomplete: str) -> list[tuple[str, str]]:
    return complete_kind(incomplete)


def get(
    kind: Annotated[
        str,
        typer.Argument(
            help="A kind, as plural, singular or short name; all of them by default.", autocompletion=_complete_kind
        ),
    ] = "all",
    name: Annotated[str | None, typer.Argument(help="One resource.")] = None,
    output: Annotated[
        GetFormat, typer.Option("--output", "-o", help="table, wide, json, yaml or name.")
    ] = GetFormat.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, and print what changes.")] = False,
    state_dir: StateDir = None,
) -> None:
    """Show resources and what the running Asterisk makes of them; written by `dialplane run`.

    In Kubernetes use kubectl: the columns are the same. Exit code 0: shown. 1: no such resource. 2: no status.

    Examples:
        dialplane get
        dialplane get extensions -o wide
        dialplane get siptrunk carrier -o yaml
        dialplane get exten -w
    """
    path = state_directory(state_dir) / FILE_NAME
    kinds = list(KINDS.values()) if kind == "all" else [kind_named(kind)]
    statuses = _read(path)
    _note_source(statuses)
    chosen = _choose(statuses, kinds, name)
    if output in {GetFormat.JSON, GetFormat.YAML}:
        manifests = [entry.manifest(key) for key, entry in chosen.items()]
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        emit(manifests[0] if name and manifests else listed, Format(output))
    elif output is GetFormat.NAME:
        for key in chosen:
            say(f"{KINDS[key.kind].singular}.dialplane.io/{key.name}")
    else:
        _tables(chosen, kinds, wide=output is GetFormat.WIDE)
    while watch:
        before = chosen
        time.sleep(WATCH_SECONDS)
        chosen = _choose(_read(path), kinds, None)
        fresh = {key: entry for key, entry in chosen.items() if before.get(key) != entry and name in {None, key.name}}
        for key, entry in fresh.items():
            kind_ = KINDS[key.kind]
            cells = row(key, entry, kind_, wide=output is GetFormat.WIDE)
            say("   ".join([str(key), *cells[1:]]))


def _read(path: Path) -> Statuses:
    try:
        return read_statuses(path)
    except StatusUnreadable as error:
        raise Unusable(str(error)) from None


def _note_source(statuses: Statuses) -> None:
    if statuses.source.get("progress"):
        warn(f"{statuses.source.get('origin')}: a fetch is under way: {statuses.source['progress']}", None)
    if statuses.source.get("stale"):
        warn(f"{statuses.source.get('origin')}: the newest state cannot be read; an older one is in force", "red")
        for finding in statuses.source.get("findings", []):
            warn(str(finding.get("text", "")), "red")


def _choose(statuses: Statuses, kinds: list[Kind], name: str | None) -> dict[Key, Entry]:
    names = {kind.name for kind in kinds}
    chosen = {k: e for k, e in sorted(statuses.resources.items()) if k.kind in names and name in {None, k.name}}
    if name and not chosen:
        raise Refused(f"{kinds[0].plural} has no {name!r}" if len(kinds) == 1 else f"there is no {name!r}")
    return chosen


def _tables(chosen: Mapping[Key, Entry], kinds: list[Kind], *, wide: bool) -> None:
    if not chosen:
        warn("no resources found", None)
    shown = False
    for kind in kinds:
        rows = [row(key, entry, kind, wide=wide) for key, entry in chosen.items() if key.kind == kind.name]
        if not rows:
            continue
        if shown:
            say()
        shown = True
        if len(kinds) > 1:
            say(kind.plural, "bold")
        names = headings(kind, wide=wide)
        show_table(names, rows, [colours(cells, names) for cells in rows])
