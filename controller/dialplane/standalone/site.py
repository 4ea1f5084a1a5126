"""A whole site read from files: the snapshot that the core works on, and the place of everything in it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Final, Protocol

from pydantic import SecretStr

from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION, GROUP, Resource, parse
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.references import config_map_refs, secret_refs
from dialplane.resources.snapshot import Snapshot
from dialplane.standalone.config_maps import config_map_values
from dialplane.standalone.files import File
from dialplane.standalone.finding import Finding, Level
from dialplane.standalone.manifests import CONFIG_MAP, CORE, SECRET, Content, Manifest, read_content
from dialplane.standalone.secrets import Secrets, secret_values

NAMESPACE: Final = "default"

_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_FIELDS: Final = ("apiVersion", "kind", "metadata", "spec", "status")
_METADATA: Final = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "uid",
    "generation",
    "creationTimestamp",
    "resourceVersion",
    "managedFields",
    "finalizers",
    "ownerReferences",
    "selfLink",
    "generateName",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What Kubernetes would count of a resource; by default that of one nobody counts."""

    uid: str = ""
    generation: int = 1
    created: str = ""
    """RFC 3339."""
    status: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What its status said by then: of a message that is under way, not to begin it again."""


class Ledger(Protocol):
    """Who counts what Kubernetes would count."""

    def identify(self, manifest: Mapping[str, Any], key: Key) -> Identity:
        """The identity of the resource that `manifest` now describes."""

    def settle(self, keys: Iterable[Key]) -> None:
        """These are all the resources of a state that was read as a whole; the others are gone."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the files say.

    `broken`: at least one file could not be understood, so that resources may be missing from the snapshot. Whoever
    runs a site keeps the last good one then; whoever only checks shows the findings.
    """

    snapshot: Snapshot
    findings: tuple[Finding, ...] = ()
    broken: bool = False
    manifests: Mapping[Key, Manifest] = field(default_factory=dict, repr=False)

    def finding(self, key: Key, problem: Problem) -> Finding:
        """The place of a problem that was found with a resource of this site."""
        manifest = self.manifests.get(key)
        if manifest is None:
            return Finding("", 0, str(key), problem.field, problem.message)
        return Finding(manifest.file, manifest.lines.at(problem.field), str(key), problem.field, problem.message)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.level is Level.ERROR)


Read = tuple[Mapping[str, Any], Identity, Resource]
"""A manifest, what was counted of it, and the resource that it was read as."""

Flaws = Sequence[tuple[str, str]]
"""Fields, and what is wrong with each."""

List = tuple[Mapping[str, Any], Mapping[str, str], Flaws]
"""A ConfigMap's manifest, its values, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the reading before found, to be used again where nothing changed."""

    resources: Mapping[Key, Read] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=dict)
    config_maps: Mapping[str, List] = field(default_factory=dict)


class SiteReader:
    """Reads a site again and again; a file whose bytes did not change is not parsed twice.

    A resource, or the values of a Secret or a ConfigMap, that say the same as before are the very same object: a
    planner goes by that.
    """

    def __init__(self, *, namespace: str = "", ledger: Ledger | None = None) -> None:
        self._namespace = namespace
        self._ledger = ledger
        self._known: dict[str, tuple[File, Content]] = {}
        self._earlier = Earlier()

    def read(self, files: Iterable[File], *, secrets: Secrets | None = None, generated: Secrets | None = None) -> Site:
        """The site of these files.

        Args:
            files: every file of the site, in the order in which they are reported.
            secrets: from `--secrets-dir`; a value there wins over the same one in a manifest.
            generated: made by the controller; anything else of that name wins.
        """
        known: dict[str, tuple[File, Content]] = {}
        contents: list[Content] = []
        for file in files:
            before = self._known.get(file.name)
            content = before[1] if before is not None and before[0] == file else read_content(file)
            known[file.name] = (file, content)
            contents.append(content)
        self._known = known
        assembly = _Assembly(self._namespace, self._ledger, self._earlier)
        for content in contents:
            for manifest in content.manifests:
                assembly.add(manifest)
        found = [finding for content in contents for finding in content.findings]
        assembly.findings.extend(found)
        site = assembly.site(
            broken=any(content.broken for content in contents), secrets=secrets or {}, generated=generated or {}
        )
        self._earlier = Earlier(assembly.read, site.snapshot.secrets, assembly.config_maps)
        if self._ledger is not None and not site.broken:
            self._ledger.settle(site.snapshot.resources)
        return site


class _Assembly:
    """The site while it is put together."""

    def __init__(self, namespace: str, ledger: Ledger | None, earlier: Earlier) -> None:
        self.findings: list[Finding] = []
        self.read: dict[Key, Read] = {}
        self.config_maps: dict[str, List] = {}
        self._lists: list[Manifest] = []
        """The manifests of ConfigMaps: until all resources are known, nobody knows whose business they are."""
        self._earlier = earlier
        self._namespace = namespace
        self._namespace_from = "the command line" if namespace else ""
        self._ledger = ledger
        self._resources: dict[Key, Resource] = {}
        self._manifests: dict[Key, Manifest] = {}
        self._secrets: dict[str, dict[str, SecretStr]] = {}
        self._nameless = False

    def add(self, manifest: Manifest) -> None:
        if manifest.kind == CONFIG_MAP:
            self._lists.append(manifest)
        else:
            self._add(manifest)

    def _add(self, manifest: Manifest) -> None:
        name = self._name(manifest)
        if name is None:
            self._nameless = True
            return
        key = Key(manifest.kind, name)
        first = self._manifests.get(key)
        if first is not None:
            message = f"also in {first.file}:{first.line}: one of the two must go, or take another name"
            self._report(manifest, key, "", message)
            if key in self._resources:
                problem = Problem(
                    Reason.CONFLICT, f"described twice, in {first.file}:{first.line} and {_place(manifest)}"
                )
                self._resources[key] = replace(self._resources[key], spec=None, problems=(problem,))
            return
        self._manifests[key] = manifest
        before = len(self.findings)
        self._check(manifest, key)
        if manifest.kind == SECRET:
            self._secret(manifest, key)
        elif manifest.kind == CONFIG_MAP:
            self._config_map(manifest, key)
        else:
            self._resource(manifest, key, self.findings[before:])

    def site(self, *, broken: bool, secrets: Secrets, generated: Secrets) -> Site:
        self._take_lists()
        merged: dict[str, Mapping[str, SecretStr]] = {**generated, **self._secrets}
        for name, values in secrets.items():
            own = self._secrets.get(name, {})
            hidden = sorted(own.keys() & values.keys())
            if hidden:
                manifest = self._manifests[Key(SECRET, name)]
                message = f"the secrets directory has its own {', '.join(hidden)}, which is used instead"
                self.findings.append(
                    Finding(manifest.file, manifest.line, f"{SECRET}/{name}", "", message, Level.NOTICE)
                )
            merged[name] = {**own, **values}
        manifests = {key: manifest for key, manifest in self._manifests.items() if key.kind not in CORE}
        wanted = {
            name
            for key, resource in self._resources.items()
            if resource.spec is not None
            for _, name, _ in secret_refs(resource.spec, key.name)
        }
        config_maps = {name: values for name, (_, values, _) in self.config_maps.items()}
        before = self._earlier.secrets
        referred = {
            name: before[name] if before.get(name) == values else values
            for name, values in merged.items()
            if name in wanted
        }
        return Site(
            Snapshot(self._namespace or NAMESPACE, self._resources, referred, config_maps),
            tuple(sorted(set(self.findings))),
            broken or self._nameless,
            manifests,
        )

    def _take_lists(self) -> None:
        """Take in the ConfigMaps that a resource refers to; the others are somebody else's, whatever is in them."""
        specs = [resource.spec for resource in self._resources.values() if resource.spec is not None]
        wanted = {name for spec in specs for _, name, _ in config_map_refs(spec)}
        for manifest in self._lists:
            name = manifest.metadata.get("name")
            if isinstance(name, str) and name in wanted:
                self._add(manifest)
            else:
                subject = f"{CONFIG_MAP}/{_short(name)}" if isinstance(name, str) else CONFIG_MAP
                message = "left alone: no resource refers to it"
                self.findings.append(Finding(manifest.file, manifest.line, subject, "", message, Level.NOTICE))

    def _name(self, manifest: Manifest) -> str | None:
        metadata = manifest.value.get("metadata")
        name = manifest.metadata.get("name")
        if metadata is not None and not isinstance(metadata, Mapping):
            flaw = "must be a mapping with the resource's name"
            self._report(manifest, None, "metadata", flaw)
        elif name is None:
            self._report(manifest, None, "metadata.name", "is missing: give the resource a name")
        elif not isinstance(name, str) or any(f.field == "metadata.name" for f in manifest.flaws):
            self._report(manifest, None, "metadata.name", f"{name} must be text: quote it")
        elif not (_SUBDOMAIN if manifest.kind in CORE else _LABEL).fullmatch(name):
            message = f"{_short(name)} is no name: use a-z, 0-9 and '-', at most 63, not '-' at either end"
            self._report(manifest, None, "metadata.name", message)
        else:
            return name
        return None

    def _check(self, manifest: Manifest, key: Key) -> None:
        discreet = manifest.kind in CORE
        flawed = set()
        for flaw in manifest.flaws:
            flawed.add(flaw.field)
            message = flaw.discreet if discreet else flaw.message
            self.findings.append(Finding(manifest.file, flaw.line, str(key), flaw.field, message))
        for field_, message in _structure(manifest):
            if field_ not in flawed:
                self._report(manifest, key, field_, message)
        if "metadata.namespace" not in flawed:
            self._namespaced(manifest, key)

    def _namespaced(self, manifest: Manifest, key: Key) -> None:
        namespace = manifest.metadata.get("namespace")
        if namespace is None:
            return
        if not isinstance(namespace, str) or not _LABEL.fullmatch(namespace):
            self._report(manifest, key, "metadata.namespace", "is no name: use a-z, 0-9 and '-'")
        elif not self._namespace:
            self._namespace, self._namespace_from = namespace, _place(manifest)
        elif namespace != self._namespace:
            message = f"{namespace} is not {self._namespace} (of {self._namespace_from}): a site is one namespace"
            self._report(manifest, key, "metadata.namespace", message)

    def _resource(self, manifest: Manifest, key: Key, found: list[Finding]) -> None:
        known = self._ledger.identify(manifest.value, key) if self._ledger else Identity()
        if found:
            problems = tuple(Problem(Reason.INVALID, finding.message, finding.field) for finding in found)
            self._resources[key] = Resource(
                key, None, problems, uid=known.uid, generation=known.generation, created=known.created
            )
            return
        value, counted, resource = self._earlier.resources.get(key, (None, None, None))
        same = value is manifest.value or repr(value) == repr(manifest.value)  # `==` takes 1 for true
        if resource is None or not same or counted != known:
            resource = self._parsed(manifest, key, known)
        self.read[key] = manifest.value, known, resource
        self._resources[key] = resource
        for problem in resource.problems:
            self._report(manifest, key, problem.field, problem.message)

    @staticmethod
    def _parsed(manifest: Manifest, key: Key, known: Identity) -> Resource:
        metadata = {
            "name": key.name,
            "annotations": manifest.metadata.get("annotations"),
            "uid": known.uid,
            "generation": known.generation,
            "creationTimestamp": known.created,
        }
        frame = {"apiVersion": API_VERSION, "kind": manifest.kind, "metadata": metadata}
        return parse({**frame, "spec": manifest.value.get("spec"), "status": known.status})

    def _secret(self, manifest: Manifest, key: Key) -> None:
        values, flaws = secret_values(manifest.value)
        flawed = {flaw.field for flaw in manifest.flaws}
        for field_, message in flaws:
            if field_ not in flawed:
                self._report(manifest, key, field_, message)
        self._secrets[key.name] = values

    def _config_map(self, manifest: Manifest, key: Key) -> None:
        before = self._earlier.config_maps.get(key.name)
        if before is not None and before[0] is manifest.value:
            read = before
        else:
            values, flaws = config_map_values(manifest.value)
            same = before is not None and before[1] == values
            read = manifest.value, before[1] if before is not None and same else values, flaws
        self.config_maps[key.name] = read
        flawed = {flaw.field for flaw in manifest.flaws}
        for field_, message in read[2]:
            if field_ not in flawed:
                self._report(manifest, key, field_, message)

    def _report(self, manifest: Manifest, key: Key | None, field_: str, message: str) -> None:
        subject = str(key) if key else manifest.kind
        self.findings.append(Finding(manifest.file, manifest.lines.at(field_), subject, field_, message))


def _structure(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What the API server would refuse in the frame of a manifest, and every field without a value."""
    if manifest.kind not in CORE:
        for name in manifest.value:
            if name not in _FIELDS:
                yield name, f"there is no such field{_did_you_mean(name, _FIELDS)}"
        yield from _empty(manifest.value.get("spec"), "spec", top=True)
    for name in manifest.metadata:
        if name not in _METADATA:
            yield f"metadata.{name}", f"there is no such field{_did_you_mean(name, _METADATA)}"
    for part in ("annotations", "labels"):
        yield from _texts(manifest.metadata.get(part), f"metadata.{part}")


def _texts(entries: Any, path: str) -> Iterator[tuple[str, str]]:
    if entries is None:
        return
    if not isinstance(entries, Mapping):
        yield path, "must be a mapping of text to text"
        return
    for name, value in entries.items():
        if not isinstance(value, str):
            yield f"{path}.{name}", "must be text: quote it"
        elif name.startswith(f"{GROUP}/") and not value.isprintable():
            yield f"{path}.{name}", "must be one line of printable text"


def _empty(value: Any, path: str, *, top: bool = False) -> Iterator[tuple[str, str]]:
    if value is None and not top:
        yield path, "has no value: give one, or remove the line"
    elif isinstance(value, Mapping):
        for name, child in value.items():
            yield from _empty(child, f"{path}.{name}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _empty(child, f"{path}[{index}]")


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f": did you mean {close[0]}?" if close else ": remove it"


def _place(manifest: Manifest) -> str:
    return f"{manifest.file}:{manifest.line}"


def _short(word: str) -> str:
    clean = "".join(c if c.isprintable() else "?" for c in word)
    return clean if len(clean) <= 70 else f"{clean[:70]}…"  # noqa: PLR2004 -- a line's worth
