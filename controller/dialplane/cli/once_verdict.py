"""`dialplane run --once`: when a site is done, and what to say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dialplane.resources.key import Key
from dialplane.resources.problem import MANIFEST_MUST_CHANGE
from dialplane.standalone.last_good import SourceState
from dialplane.standalone.status_file import Entry


class Verdict(Enum):
    """Where a site stands."""

    WAITING = "waiting"
    READY = "ready"
    HOPELESS = "hopeless"
    """Only a changed manifest helps: waiting does not."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The verdict, and a line for each resource that is not Ready."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


def judge(entries: Mapping[Key, Entry], state: SourceState | None, *, verified: bool) -> Standing:
    """How the site stands by its statuses; `verified` says whether they are of a pass of this process."""
    if state is not None and state.stale:
        return Standing(Verdict.HOPELESS, tuple(str(finding) for finding in state.errors))
    reasons, waiting = [], False
    for key, entry in sorted(entries.items()):
        ready = next((c for c in entry.status.get("conditions", ()) if c.get("type") == "Ready"), None)
        if ready is None or ready.get("observedGeneration") != entry.generation:
            reasons.append(f"{key}: no verdict yet")
            waiting = True
        elif ready.get("status") != "True":
            reasons.append(f"{key}: {ready.get('reason')}: {' '.join(str(ready.get('message', '')).split())}")
            waiting = waiting or ready.get("reason") not in MANIFEST_MUST_CHANGE
    if not entries:
        under_way = f": {state.progress}" if state is not None and state.progress else ""
        return Standing(Verdict.WAITING, (f"nothing has been read yet{under_way}",))
    if not verified:
        return Standing(Verdict.WAITING, tuple(reasons) or ("Asterisk has not been asked yet",))
    if not reasons:
        return Standing(Verdict.READY)
    return Standing(Verdict.WAITING if waiting else Verdict.HOPELESS, tuple(reasons))
