"""Where a site is served: the directory of its files, what is remembered of them, and the Asterisk that reads them."""

from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from dialplane.plan.plan import Pbx
from dialplane.reconcile.config_dir import OWN, ConfigDirectory
from dialplane.reconcile.memory import Memory
from dialplane.reconcile.session import Session
from dialplane.reconcile.settings import AmiDefaults, Timing
from dialplane.reconcile.watch import Notify, Watch

MEMORY: Final = Path(OWN, "verified.db")
"""Below the config directory: what was proven of the files beside it."""


class Place:
    """Follows the site's Asterisk resource; a site without one keeps the last, to empty it."""

    def __init__(
        self,
        *,
        override: Path | None,
        defaults: AmiDefaults,
        timing: Timing,
        fingerprint: str,
        notify: Notify,
        permit: Callable[[], None],
    ) -> None:
        """Serve nowhere yet.

        `override` stands in for `Asterisk.spec.configDirectory`, `fingerprint` names the templates.
        """
        self.directory: ConfigDirectory | None = None
        self.memory: Memory | None = None
        self.watch: Watch | None = None
        self._override = override
        self._defaults = defaults
        self._timing = timing
        self._fingerprint = fingerprint
        self._notify = notify
        self._permit = permit
        self._watching = AsyncExitStack()
        self._signature: object = None
        self._paths: Collection[str] = ()

    @property
    def session(self) -> Session | None:
        """The connection to Asterisk, while there is one."""
        return self.watch.session if self.watch else None

    async def follow(self, pbx: Pbx | None) -> None:
        """Watch and write where the site says.

        Raises:
            ConfigDirectoryError: nothing can be kept there.
        """
        if pbx is None and self.directory is None and self._override is not None:
            self._open(self._override)
            pbx = self.memory.pbx() if self.memory else None
        if pbx is None:
            if self.directory is not None:
                self._open(self.directory.path)
            return
        self._open(self._override or Path(pbx.spec.config_directory))
        address = self._defaults.address(pbx)
        if self.watch is None or self.watch.address != address:
            await self._watching.aclose()
            timing = self._timing
            watch = Watch(address, self._notify, grace=timing.lost_grace, refresh=timing.status_refresh)
            self.watch = await self._watching.enter_async_context(watch)

    def sign(self, paths: Collection[str]) -> None:
        """Remember how these files look now: ours, as we left them."""
        if self.directory is not None:
            self._paths = paths
            self._signature = self.directory.signature(paths)

    @property
    def touched(self) -> bool:
        """Whether somebody else changed what was signed. Asks the file system."""
        known, directory = self._signature, self.directory
        return directory is not None and known is not None and directory.signature(self._paths) != known

    async def close(self) -> None:
        """Leave it as it is."""
        await self._watching.aclose()
        if self.directory is not None:
            self.directory.close()
        if self.memory is not None:
            self.memory.close()

    def _open(self, path: Path) -> None:
        same = self.directory is not None and self.directory.path == path
        if same and self.memory is not None and not self.memory.lost:
            return
        if self.memory is not None:
            self.memory.close()
        self.memory = None
        if not same:
            if self.directory is not None:
                self.directory.close()
            self.directory = ConfigDirectory(path, self._permit)
            self._signature = None
            self.directory.sweep()
        self._permit()
        self.memory = Memory.open(path / MEMORY, self._fingerprint)
