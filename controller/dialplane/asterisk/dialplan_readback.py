"""Read-back of dialplan contexts and of `[globals]`.

Asterisk skips a bad line, and accepts an application that does not exist, both without a word. So every entry is
compared with what ShowDialPlan lists, and the module of every application and function must run.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from dialplane.asterisk.ami import IN_FLIGHT, Ami
from dialplane.asterisk.applications import functions_in, module_of
from dialplane.asterisk.errors import ActionRefused, PermissionMissing
from dialplane.asterisk.message import Event
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.status import missing_modules
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.tasks import run_for_each

Place = tuple[str, str]
"""Extension and priority."""


async def read_back_dialplan(ami: Ami, contexts: Iterable[DialplanContext]) -> list[Mismatch]:
    """Compare each context with Asterisk's, entry by entry, and check that its applications can run."""
    contexts = list(contexts)
    found: list[Mismatch] = []

    async def one(context: DialplanContext) -> None:
        events = await _show(ami, context.name)
        if events is None:
            found.append(Mismatch(context.owner, f"context {context.name}", "", "not in Asterisk", missing=True))
        else:
            found.extend(context_differences(context, events))

    await run_for_each(one, contexts, at_most=IN_FLIGHT)
    return found + await _applications(ami, contexts)


async def contexts_left(ami: Ami, deleted: Iterable[DialplanContext]) -> list[Mismatch]:
    """Those of the deleted contexts that Asterisk still has."""
    found: list[Mismatch] = []

    async def one(context: DialplanContext) -> None:
        if await _show(ami, context.name) is not None:
            found.append(Mismatch(context.owner, f"context {context.name}", "", "deleted, but still in Asterisk"))

    await run_for_each(one, deleted, at_most=IN_FLIGHT)
    return found


async def read_back_globals(ami: Ami, expected: Mapping[str, str]) -> list[Mismatch]:
    """Compare each variable of `[globals]`; the revision mark among them proves that the whole file was read."""
    found: list[Mismatch] = []

    async def one(name: str) -> None:
        value = (await ami.action("Getvar", Variable=name)).get("value", "")
        if value != expected[name].strip():
            message = f"rendered {expected[name]!r}, Asterisk runs {value!r}"
            found.append(Mismatch(None, "globals", name, message, missing=not value))

    await run_for_each(one, expected, at_most=IN_FLIGHT)
    return found


def context_differences(context: DialplanContext, events: Iterable[Event]) -> list[Mismatch]:
    """Compare one context with the ListDialplan events of it. Pure."""
    name = f"context {context.name}"
    shown: dict[Place, list[Event]] = defaultdict(list)
    includes = []
    for event in events:
        if event.get("registrar") != "pbx_config" or event.get("context") != context.name:
            continue
        if "includecontext" in event:
            includes.append(event["includecontext"])
        elif "extension" in event:
            shown[event["extension"], event.get("priority", "")].append(event)
    found = []
    if tuple(includes) != context.includes:
        message = f"rendered {', '.join(context.includes)!r}, Asterisk runs {', '.join(includes)!r}"
        found.append(Mismatch(context.owner, name, "include", message))
    found += [m for entry in context.entries if (m := _entry_difference(name, entry, shown)) is not None]
    for (extension, priority), left in shown.items():
        for event in left:
            message = f"not rendered, but Asterisk runs {_written(*_runs(event))}"
            found.append(Mismatch(context.owner, name, f"{extension},{priority}", message))
    return found


def _entry_difference(context: str, entry: DialplanEntry, shown: Mapping[Place, list[Event]]) -> Mismatch | None:
    # Several entries share a place where only the caller id tells them apart: ListDialplan leaves it out.
    candidates = shown.get((entry.extension.partition("/")[0], str(entry.priority)), [])
    at = f"{entry.extension},{entry.priority}"
    match = next((c for c in candidates if _runs(c) == _wants(entry)), None)
    if match is not None:
        candidates.remove(match)
        return None
    if not candidates:
        return Mismatch(entry.owner, context, at, "not in Asterisk, which skipped the line", missing=True)
    runs = _written(*_runs(candidates.pop(0)))
    return Mismatch(entry.owner, context, at, f"rendered {_written(*_wants(entry))}, Asterisk runs {runs}")


def _wants(entry: DialplanEntry) -> tuple[str, str, str]:
    if entry.priority == "hint":
        return entry.label, entry.application or entry.arguments, ""
    return entry.label, entry.application, entry.arguments


def _runs(event: Event) -> tuple[str, str, str]:
    return event.get("extensionlabel", ""), event.get("application", ""), event.get("appdata", "")


def _written(label: str, application: str, arguments: str) -> str:
    return f"{f'({label}) ' if label else ''}{application}({arguments})"


async def _show(ami: Ami, context: str) -> tuple[Event, ...] | None:
    try:
        return await ami.list("ShowDialPlan", Context=context)
    except PermissionMissing:
        raise
    except ActionRefused:
        return None


async def _applications(ami: Ami, contexts: Iterable[DialplanContext]) -> list[Mismatch]:
    places: dict[str | None, list[tuple[str, DialplanEntry]]] = defaultdict(list)
    for context in contexts:
        for entry in context.entries:
            if entry.priority != "hint":
                for module in {module_of(entry.application), *functions_in(entry.arguments)}:
                    places[module].append((context.name, entry))
    missing = await missing_modules(ami, {f"{module}.so" for module in places if module})
    found = []
    for name, entry in places[None]:
        at = f"{entry.extension},{entry.priority}"
        message = f"no module of Asterisk is known to have the application {entry.application}"
        found.append(Mismatch(entry.owner, f"context {name}", at, message))
    for module in missing:
        for name, entry in places[module.removesuffix(".so")]:
            at, message = f"{entry.extension},{entry.priority}", f"needs {module}, which is not running"
            found.append(Mismatch(entry.owner, f"context {name}", at, message, module=module))
    return found
