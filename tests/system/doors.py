"""The product's two front doors, as whole processes, behind one set of verbs.

A test says what it wants through `Door` and never learns which door it stands at: manifests go in as files or by
`kubectl apply`, statuses come out of the status file or the API server, and the controller is a process that can be
stopped, killed and started again beside an Asterisk that goes on running.
"""

import asyncio
import itertools
import json
import re
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from dialplane.resources.manifest import GROUP
from testbed.asterisk import AsteriskInstance
from testbed.controller import start_controller
from testbed.kube.namespace import OPERATOR, Namespace
from testbed.manifests import PLURALS, Manifest, condition, secret
from testbed.ports import LOOPBACK, PortLease, lease
from testbed.process import Child

Name = tuple[str, str]
Seen = Mapping[str, Any]

ROOT = Path(__file__).parents[2]
LOOK_SECONDS = 0.1


def is_true(kind: str) -> Callable[[Seen], bool]:
    return lambda seen: condition(seen, kind).get("status") == "True"


def is_false(kind: str) -> Callable[[Seen], bool]:
    return lambda seen: condition(seen, kind).get("status") == "False"


def is_current(seen: Seen) -> bool:
    """Whether its Ready speaks of the spec that is there now."""
    return condition(seen, "Ready").get("observedGeneration") == seen["metadata"]["generation"]


class Door(ABC):
    """One site behind one front door, beside an Asterisk that is there already."""

    kind: ClassVar[str]

    def __init__(self, directory: Path, asterisk: AsteriskInstance, *, options: Sequence[str] = ()) -> None:
        """`options` follow on the command line."""
        self.directory = directory
        self.asterisk = asterisk
        self.options = tuple(options)
        self.environment: dict[str, str] = {}
        """For the next start, before all else."""
        self.under: Sequence[str] = ()
        """What starts it, such as `NameServer.asked_by`."""
        self.specs: dict[Name, Any] = {}
        self._lease: PortLease = lease()
        self._metrics_port = self._lease.take()
        self._runs = itertools.count(1)
        self._child: Child | None = None
        directory.mkdir(parents=True, exist_ok=True)

    # --- the process

    @abstractmethod
    def command(self) -> tuple[list[str], dict[str, str]]:
        """What follows `dialplane`, and the environment it needs."""

    async def start(self) -> None:
        arguments, env = self.command()
        output = self.directory / f"controller-{next(self._runs)}.log"
        self._child = await start_controller(
            (*arguments, *self.options),
            self.asterisk,
            output=output,
            metrics_port=self._metrics_port,
            env={**env, **self.environment},
            under=self.under,
        )

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        return await self.child.stop()

    async def kill(self) -> None:
        await self.child.stop(limit_seconds=0)

    async def close(self) -> None:
        if self._child is not None and self._child.running:
            await self._child.stop()
        self._lease.release()

    @property
    def child(self) -> Child:
        assert self._child is not None, "not started"
        return self._child

    @property
    def log(self) -> str:
        """What the running controller has said."""
        return self.child.output.read_text(errors="replace")

    async def said(self, pattern: str, *, limit_seconds: float = 20) -> re.Match[str]:
        """Wait until the running controller's log matches."""
        try:
            async with asyncio.timeout(limit_seconds):
                while not (found := re.search(pattern, self.log)):
                    self.child.check()
                    await asyncio.sleep(LOOK_SECONDS)
                return found
        except TimeoutError:
            raise AssertionError(f"not said within {limit_seconds} s: {pattern}\n{self.child.tail(40)}") from None

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series with these labels; 0 where there is none."""
        url = f"http://{LOOPBACK}:{self._metrics_port}/metrics"

        def fetch() -> str:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())

        total = 0.0
        for line in (await asyncio.to_thread(fetch)).splitlines():
            series, _, value = line.rpartition(" ")
            given = dict(re.findall(r'(\w+)="([^"]*)"', series))
            if series.partition("{")[0] == name and labels.items() <= given.items():
                total += float(value)
        return total

    # --- the site

    async def apply(
        self, manifests: Iterable[Manifest], secrets: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Make or change resources; Secrets go first."""
        given = [*(secret(name, **values) for name, values in (secrets or {}).items()), *manifests]
        given.sort(key=lambda m: m["kind"] != "Secret")
        for each in given:
            if each["kind"] in PLURALS:
                self.specs[each["kind"], each["metadata"]["name"]] = each["spec"]
        await self._apply(given)

    async def apply_at_once(self, manifests: Iterable[Manifest]) -> None:
        """Make new resources as fast as the door takes them."""
        given = list(manifests)
        self.specs |= {(each["kind"], each["metadata"]["name"]): each["spec"] for each in given}
        await self._apply_at_once(given)

    async def delete(self, kind: str, *names: str) -> None:
        for name in names:
            self.specs.pop((kind, name), None)
        await self._delete(kind, names)

    @abstractmethod
    async def _apply(self, manifests: list[Manifest]) -> None: ...

    async def _apply_at_once(self, manifests: list[Manifest]) -> None:
        await self._apply(manifests)

    @abstractmethod
    async def _delete(self, kind: str, names: Iterable[str]) -> None: ...

    @abstractmethod
    async def seen(self, *kinds: str) -> dict[Name, Seen]:
        """Every resource of these kinds that the door shows, with `metadata.generation`, `spec` and `status`.

        By default of all kinds that were applied.
        """

    @abstractmethod
    async def writes(self) -> Any:
        """Something that differs after any write to any status."""

    async def status(self, kind: str, name: str) -> dict[str, Any]:
        return dict((await self.seen(kind))[kind, name].get("status", {}))

    async def wait_ready(self, *names: Name, limit_seconds: float = 30) -> None:
        """Wait until these (by default all that were applied) are Ready in the version that was applied."""
        wanted = names or tuple(self.specs)

        def done(seen: Mapping[Name, Seen]) -> bool:
            return all(n in seen and self.is_judged(n, seen[n]) and is_true("Ready")(seen[n]) for n in wanted)

        await self._until(done, f"{len(wanted)} Ready", limit_seconds, *{kind for kind, _ in wanted})

    async def wait_judged(self, *names: Name, limit_seconds: float = 30) -> None:
        """Wait until the controller has said anything but Unknown of Ready."""
        wanted = names or tuple(self.specs)

        def done(seen: Mapping[Name, Seen]) -> bool:
            return all(
                n in seen
                and self.is_judged(n, seen[n])
                and condition(seen[n], "Ready").get("status") in {"True", "False"}
                for n in wanted
            )

        await self._until(done, f"{len(wanted)} judged", limit_seconds, *{kind for kind, _ in wanted})

    async def until(
        self, kind: str, name: str, check: Callable[[Seen], bool], *, limit_seconds: float = 20
    ) -> dict[str, Any]:
        """Wait until what the door shows of it passes `check`; return its status."""
        key = kind, name
        seen = await self._until(lambda all_: key in all_ and check(all_[key]), f"{kind}/{name}", limit_seconds, kind)
        return dict(seen[key].get("status", {}))

    async def until_absent(self, kind: str, name: str, *, limit_seconds: float = 20) -> None:
        """Wait until the door does not show it any more."""
        await self._until(lambda all_: (kind, name) not in all_, f"{kind}/{name} gone", limit_seconds, kind)

    def is_judged(self, name: Name, seen: Seen) -> bool:  # noqa: ARG002 -- one door looks closer
        """Whether the status speaks of what was applied last."""
        return is_current(seen)

    async def _until(
        self, done: Callable[[Mapping[Name, Seen]], bool], what: str, limit_seconds: float, *kinds: str
    ) -> Mapping[Name, Seen]:
        seen: Mapping[Name, Seen] = {}
        try:
            async with asyncio.timeout(limit_seconds):
                while True:
                    seen = await self.seen(*kinds)
                    if done(seen):
                        return seen
                    self.child.check()
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            lacking = [
                f"{'/'.join(n)} {(s.get('status') or {}).get('conditions')}"
                for n, s in seen.items()
                if not (is_current(s) and is_true("Ready")(s)) or "/".join(n) == what
            ]
            shown = "\n".join(lacking[:10])
            raise AssertionError(f"{what}: not within {limit_seconds} s\n{shown}\n{self.child.tail(30)}") from None


class Standalone(Door):
    """`dialplane run` on a folder."""

    kind = "standalone"

    def __init__(self, directory: Path, asterisk: AsteriskInstance, *, options: Sequence[str] = ()) -> None:
        super().__init__(directory, asterisk, options=options)
        self.site = directory / "site"
        self.state = directory / "state"
        self.site.mkdir()

    def command(self) -> tuple[list[str], dict[str, str]]:
        return ["run", "-f", str(self.site), "--state-dir", str(self.state)], {}

    async def _apply(self, manifests: list[Manifest]) -> None:
        for manifest in manifests:
            path = self._file(manifest["kind"], manifest["metadata"]["name"])
            new = path.with_suffix(".new")
            # JSON is YAML, and every text in it is quoted.
            new.write_text(json.dumps(manifest, indent=1))
            new.replace(path)

    async def _delete(self, kind: str, names: Iterable[str]) -> None:
        for name in names:
            self._file(kind, name).unlink()

    def _file(self, kind: str, name: str) -> Path:
        return self.site / f"{kind.lower()}-{name}.yaml"

    @property
    def status_file(self) -> Path:
        return self.state / "status.json"

    async def seen(self, *kinds: str) -> dict[Name, Seen]:
        try:
            text = await asyncio.to_thread(self.status_file.read_text)
        except FileNotFoundError:
            return {}
        found: dict[Name, Seen] = {}
        for key, entry in json.loads(text)["resources"].items():
            kind, _, name = key.partition("/")
            if kinds and kind not in kinds:
                continue
            metadata = {"name": name, "uid": entry["uid"], "generation": entry["generation"]}
            found[kind, name] = {"metadata": metadata, "spec": entry["spec"], "status": entry["status"]}
        return found

    def is_judged(self, name: Name, seen: Seen) -> bool:
        return super().is_judged(name, seen) and (name not in self.specs or seen["spec"] == self.specs[name])

    async def writes(self) -> Any:
        about = self.status_file.stat()
        return about.st_ino, about.st_mtime_ns, self.status_file.read_bytes()


class Kube(Door):
    """`dialplane operator` on a namespace of a real API server."""

    kind = "kube"

    def __init__(
        self,
        directory: Path,
        asterisk: AsteriskInstance,
        namespace: Namespace,
        *,
        kubeconfig: Path | None = None,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(directory, asterisk, options=options)
        self.namespace = namespace
        self.kubeconfig = kubeconfig or namespace.server.kubeconfig(OPERATOR, namespace=namespace.name)

    def command(self) -> tuple[list[str], dict[str, str]]:
        return ["operator", "--namespace", self.namespace.name], {"KUBECONFIG": str(self.kubeconfig)}

    async def _apply(self, manifests: list[Manifest]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        # An old server's OpenAPI does not say enough for kubectl to validate by.
        await asyncio.to_thread(self.namespace.kubectl, "apply", "--validate=false", "-f", "-", stdin=text)

    async def _apply_at_once(self, manifests: list[Manifest]) -> None:
        async with self.namespace.session(limit=16) as session:

            async def create(manifest: Manifest) -> None:
                async with session.post(self.namespace.path(manifest["kind"]), json=manifest) as answer:
                    assert answer.ok, await answer.text()

            async with asyncio.TaskGroup() as tasks:
                for manifest in manifests:
                    tasks.create_task(create(manifest))

    async def _delete(self, kind: str, names: Iterable[str]) -> None:
        plural = f"{PLURALS[kind]}.{GROUP}" if kind in PLURALS else f"{kind.lower()}s"
        await asyncio.to_thread(self.namespace.kubectl, "delete", plural, *names, "--wait=false")

    async def seen(self, *kinds: str) -> dict[Name, Seen]:
        def read() -> dict[Name, Seen]:
            wanted = set(kinds) or {kind for kind, _ in self.specs} or set(PLURALS)
            return {(kind, o["metadata"]["name"]): o for kind in sorted(wanted) for o in self.namespace.items(kind)}

        return await asyncio.to_thread(read)

    async def writes(self) -> Any:
        return {n: (seen["metadata"]["resourceVersion"], seen["status"]) for n, seen in (await self.seen()).items()}
