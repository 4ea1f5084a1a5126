"""What is known of one connection to Asterisk, what it is to be made to run, and what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.reload import ReloadResult
from dialplane.asterisk.status import Start
from dialplane.plan.plan import Plan
from dialplane.reconcile.config_dir import Written
from dialplane.reconcile.revoked import Readable
from dialplane.resources.key import Key


@dataclass(slots=True)
class Session:
    """What is known about the Asterisk behind one connection; a new connection knows nothing."""

    ami: Ami
    start: Start
    proven: dict[str, Readable] = field(default_factory=dict)
    """Every object that this Asterisk was asked for and has, by name."""
    read: set[str] = field(default_factory=set)
    """Files that it has been told to read in this pass: once is enough."""
    reloading: str = ""
    """The module that was told to reload and has not answered, or whose reload ended in an error."""
    complete: bool = False
    """Whether strays (contacts that nobody asked for) have been looked for."""
    covered: set[str] = field(default_factory=set)
    """Objects that Asterisk has in its database (`asterisk.overlay`), by name: it has not read their files yet."""
    unprepared: set[str] = field(default_factory=set)
    """Kinds of transports (`udp4`) for which this Asterisk opened no placeholder at its start."""
    overlay_works: bool = True
    """Until it is seen that `sorcery.conf` does not put the database before the files."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to make one Asterisk run."""

    plan: Plan
    todo: Written
    """How the files on disk differ from the plan's."""
    unread: frozenset[str]
    """Files that changed and that this Asterisk may not have read yet."""
    earlier: Mapping[str, str]
    """Names and digests of the objects this Asterisk had before, from earlier sessions."""
    reload_seconds: float
    """The hard limit of each reload."""
    permit: Callable[[], None]
    """Asked right before every action with an effect; raises `NotLeading`."""
    stand_in: bool = False
    """The plan's dialplan is refused as a whole and an older one serves in its place."""
    overlay: bool = False
    """Few changes of endpoints and auths may go by Asterisk's database; the reload of the files can wait."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt showed."""

    mismatches: Mapping[Key | None, tuple[Mismatch, ...]] = field(default_factory=dict)
    """By the resource to blame; None: nobody in particular."""
    waiting: Mapping[Key, tuple[Mismatch, ...]] = field(default_factory=dict)
    """By resource: lines that Asterisk lacks because it refuses the whole dialplan; whose fault that is is unknown."""
    dialplan_refused: bool = False
    """Asterisk cannot read extensions.conf to its end: it says so, or whole contexts are missing."""
    reloads: tuple[ReloadResult, ...] = ()
    undeleted: tuple[Mismatch, ...] = ()
    """Objects that should be gone and are not."""
    held_up: tuple[Mismatch, ...] = ()
    """What modems take, or go, when their calls have ended."""
    sockets: tuple[str, ...] = ()
    """Transports that only a restart of Asterisk brings into effect."""
    put_off: frozenset[str] = frozenset()
    """Files that Asterisk is still to read: it has what is new in them from its database."""
    seconds: float = 0.0

    @property
    def lacking(self) -> frozenset[Key | None]:
        """Whoever has something in the plan that Asterisk does not run."""
        return frozenset((*self.mismatches, *self.waiting, *(m.owner for m in self.held_up)))
