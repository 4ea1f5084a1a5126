"""A branch of a Git repository as a Source: fetched at an interval, read from its commit, never checked out.

Reading blobs instead of a work tree means that a symbolic link never leads out of the repository, and that a state is
always one commit. A commit that cannot be read leaves the last good one in force.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import structlog
from dulwich.objects import Commit
from dulwich.repo import Repo
from pydantic import SecretStr

from dialplane.resources.snapshot import Snapshot
from dialplane.standalone.directory import SecretFolders, read_site
from dialplane.standalone.files import File, SourceMissing
from dialplane.standalone.git_tree import read_tree
from dialplane.standalone.last_good import LastGood, SourceState
from dialplane.standalone.site import SiteReader
from dialplane.tasks import Backoff

SILENCE_SECONDS: Final = 60.0
"""How long nothing may come in during a fetch, which may take as long as it likes."""
PROGRESS_SECONDS: Final = 5.0
"""Between two log lines of one fetch."""
BACKOFF_LIMIT_SECONDS: Final = 300.0

_LOG = structlog.get_logger("dialplane.git")


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the manifests are kept."""

    url: str
    branch: str = "main"
    path: str = ""
    """The folder within the repository; empty for all of it."""
    username: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))

    @property
    def shown(self) -> str:
        """The address and branch without credentials, for logs and statuses."""
        try:
            parts = urlsplit(self.url)
            host = parts.netloc.rpartition("@")[2]
            address = urlunsplit((parts.scheme, host, parts.path, "", ""))
        except ValueError:
            address = "(unreadable address)"
        return f"{address}@{self.branch}" + (f":{self.path}" if self.path else "")

    def conceal(self, text: str) -> str:
        """`text` with every credential of this repository taken out."""
        secrets = {self.password.get_secret_value()}
        try:
            parts = urlsplit(self.url)
            secrets |= {parts.password or "", parts.netloc.rpartition("@")[0]}
        except ValueError:
            secrets.add(self.url)
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return " ".join(text.split())


class GitSource:
    """Follows a branch until cancelled: run `watch` as a task beside the site loop."""

    def __init__(
        self,
        repository: Repository,
        cache: Path,
        reader: SiteReader,
        folders: SecretFolders | None = None,
        *,
        interval_seconds: float = 60.0,
        silence_seconds: float = SILENCE_SECONDS,
        tell: Callable[[SourceState], None] = lambda _: None,
    ) -> None:
        self._repository = repository
        self._cache = cache
        self._reader = reader
        self._folders = folders or SecretFolders()
        self._interval = interval_seconds
        self._silence_seconds = silence_seconds
        self._kept = LastGood(repository.shown, tell)
        self._stirred = asyncio.Event()
        self._seen: object = None

    async def changed(self) -> None:
        """See `ports.Source`."""
        await self._kept.changed()

    def snapshot(self) -> Snapshot:
        """See `ports.Source`."""
        return self._kept.snapshot()

    def mark(self) -> None:
        """Have the site looked at again; new generated credentials are read without a fetch."""
        self._kept.mark()
        self._stirred.set()

    async def watch(self) -> None:
        """Fetch now and at every interval; after a failure with a growing pause."""
        backoff = Backoff(2 * self._interval, max(BACKOFF_LIMIT_SECONDS, self._interval))
        failures, commit = 0, ""
        due = 0.0
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() >= due:
                try:
                    commit = await self._fetch()
                    failures = 0
                except SourceMissing as error:
                    failures += 1
                    self._kept.refuse(str(error))
                due = loop.time() + (backoff.wait_after(failures) if failures else self._interval)
            if commit:
                await self._look(commit, fetched=not failures)
            try:
                await asyncio.wait_for(self._stirred.wait(), max(0.0, due - loop.time()))
            except TimeoutError:
                continue
            self._stirred.clear()

    async def _look(self, commit: str, *, fetched: bool) -> None:
        seen = (commit, await asyncio.to_thread(self._folders.signature))
        if not fetched or (seen == self._seen and not self._kept.state.stale):
            return
        try:
            files = await asyncio.to_thread(self._read, commit)
            site = await asyncio.to_thread(read_site, self._reader, files, self._folders)
        except SourceMissing as error:
            self._kept.refuse(str(error))
        else:
            self._kept.offer(site, commit)
        self._seen = seen

    def _read(self, commit: str) -> list[File]:
        try:
            return read_commit(self._cache, commit, self._repository.path)
        except SourceMissing:
            raise
        except Exception as error:  # noqa: BLE001 -- what dulwich meets in a damaged copy is of many kinds
            shutil.rmtree(self._cache, ignore_errors=True)
            message = f"the copy in {self._cache} is damaged ({type(error).__name__}) and will be fetched again"
            raise SourceMissing(message) from None

    async def _fetch(self) -> str:
        order = {
            "url": self._repository.url,
            "branch": self._repository.branch,
            "cache": str(self._cache),
            "username": self._repository.username,
            "password": self._repository.password.get_secret_value(),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dialplane.standalone.git_fetch",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        )
        try:
            answer = await self._answered(process, json.dumps(order).encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            self._kept.under_way("")
        if "error" in answer:
            raise SourceMissing(self._repository.conceal(str(answer["error"])))
        _LOG.debug("fetched", repository=self._repository.shown, commit=answer["commit"])
        return str(answer["commit"])

    async def _answered(self, process: asyncio.subprocess.Process, order: bytes) -> Mapping[str, Any]:
        """The last line of the process, its progress being shown meanwhile."""
        assert process.stdin is not None  # noqa: S101 -- both are pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(order)
        process.stdin.close()
        loop = asyncio.get_running_loop()
        progress, next_line = "", loop.time() + PROGRESS_SECONDS
        while True:
            try:
                async with asyncio.timeout(self._silence_seconds):
                    line = await process.stdout.readline()
            except TimeoutError:
                after = f" after {progress!r}" if progress else ""
                raise SourceMissing(
                    f"no answer within {self._silence_seconds:.0f} s{after}: check the address and the network"
                ) from None
            if not line:
                code = await process.wait()
                raise SourceMissing(f"the fetch ended with exit code {code}: see `git ls-remote`")
            try:
                answer: dict[str, Any] = json.loads(line)
            except ValueError:
                raise SourceMissing("the fetch answered in words that are not its own: see `git ls-remote`") from None
            if "commit" in answer or "error" in answer:
                return answer
            progress = self._repository.conceal(str(answer.get("progress", ""))) or progress
            if loop.time() >= next_line:
                next_line = loop.time() + PROGRESS_SECONDS
                _LOG.info("fetching", repository=self._repository.shown, progress=progress)
                self._kept.under_way(progress or "fetching")


def read_commit(cache: Path, commit: str, below: str) -> list[File]:
    """The YAML files of a commit, sorted by path.

    Raises:
        SourceMissing: the folder `below` is not in the commit, or has no manifest in it.
    """
    with Repo(str(cache)) as repository:
        found = repository[commit.encode()]
        if not isinstance(found, Commit):
            raise SourceMissing(f"{commit} is not a commit")
        folder = below.strip("/")
        try:
            return read_tree(repository.object_store, found.tree, folder)
        except SourceMissing as error:
            raise SourceMissing(f"commit {commit[:12]} {error}") from None
