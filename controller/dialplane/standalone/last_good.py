"""The last state of the site that could be read as a whole: what both standalone sources hand to the site loop.

A half-saved file or a bad merge must not take extensions out of service, so a broken state changes nothing but the
error that is reported, loudly, until it is mended.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from dialplane.reconcile.pending import Lag
from dialplane.resources.snapshot import Snapshot
from dialplane.standalone.finding import Finding, Level
from dialplane.standalone.metrics import SOURCE_STALE
from dialplane.standalone.site import Site

_LOG = structlog.get_logger("dialplane.source")


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known about the source itself, for the status file and the live table."""

    origin: str
    """The directory, or the repository and branch; never with credentials."""
    revision: str = ""
    """The commit in force, where there is one."""
    findings: tuple[Finding, ...] = ()
    """What is wrong with the newest state."""
    progress: str = ""
    """What is under way to read a newer state, where that takes long."""
    stale: bool = False
    """The newest state could not be read as a whole: an older one, or none, is in force."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.level is Level.ERROR)


class LastGood:
    """Takes each state that was read and keeps the last good one; the two methods of `ports.Source` are here."""

    def __init__(self, origin: str, tell: Callable[[SourceState], None] = lambda _: None) -> None:
        self.state = SourceState(origin)
        self._tell = tell
        self._site: Site | None = None
        self._looked = False
        self._news = asyncio.Event()
        self._lag = Lag()

    async def changed(self) -> None:
        """See `ports.Source`. One return per change: waiting in a loop never spins before `snapshot` is called."""
        await self._news.wait()
        self._news.clear()

    def snapshot(self) -> Snapshot:
        """See `ports.Source`; only after `changed` has returned once."""
        if self._site is None:
            raise LookupError("no state of the site could be read yet")
        self._lag.taken()
        return self._site.snapshot

    def mark(self) -> None:
        """Have the site looked at again, though its manifests did not change."""
        if self._site is not None:
            self._news.set()

    def offer(self, site: Site, revision: str = "") -> None:
        """Take a state that was just read; a broken one is only reported."""
        if not site.broken:
            if self._site is None or site.snapshot != self._site.snapshot:
                self._news.set()
                self._lag.seen()
            self._site = site
        in_force = self.state.revision if site.broken else revision
        self._become(SourceState(self.state.origin, in_force, site.findings, stale=site.broken), revision)

    def refuse(self, message: str) -> None:
        """Report that there is no newer state to be had."""
        findings = (Finding(self.state.origin, 0, "", "", message),)
        self._become(SourceState(self.state.origin, self.state.revision, findings, stale=True), "")

    def under_way(self, progress: str) -> None:
        """Show what is under way, or with an empty text that it is over."""
        if progress != self.state.progress:
            self.state = replace(self.state, progress=progress)
            self._tell(self.state)

    def _become(self, state: SourceState, revision: str) -> None:
        before, self.state = self.state, state
        SOURCE_STALE.set(state.stale)
        first, self._looked = not self._looked, True
        if state == before and not first:
            return
        for finding in state.findings:
            if finding not in before.findings:
                log = _LOG.error if finding.level is Level.ERROR else _LOG.info
                log("manifest problem" if finding.line else "source problem", finding=str(finding))
        if state.stale:
            kept = "the last good state stays in force" if self._site else "nothing is applied until this is mended"
            _LOG.error("source unusable", origin=state.origin, revision=revision, errors=len(state.errors), then=kept)
        elif first or before.stale or state.revision != before.revision:
            _LOG.info("source read", origin=state.origin, revision=state.revision)
        self._tell(state)
