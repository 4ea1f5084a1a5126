"""From a file's bytes to the manifests in it, each with its place; and whatever else is in there, with the cure.

Two degrees of wrong: a file that cannot be read makes the site as a whole uncertain (`broken`: whoever runs it keeps
the last good state), while a flaw inside one manifest is that resource's alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import API_VERSION, GROUP
from dialplane.standalone.document import BrokenYaml, Document, Flaw, Lines, documents
from dialplane.standalone.encrypted import encryption
from dialplane.standalone.files import File
from dialplane.standalone.finding import Finding, Level

SECRET: Final = "Secret"  # noqa: S105 -- a kind
CONFIG_MAP: Final = "ConfigMap"
CORE: Final = (SECRET, CONFIG_MAP)
"""The kinds of Kubernetes itself that are read here: `v1`."""
KUSTOMIZATION: Final = frozenset({"kustomization.yaml", "kustomization.yml"})

_CLOSE: Final = 0.8
_LFS: Final = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest of a kind that is read here, and where it stands."""

    file: str
    kind: str
    value: Mapping[str, Any]
    lines: Lines
    flaws: tuple[Flaw, ...] = ()

    @property
    def line(self) -> int:
        """The line it starts in."""
        return self.lines.line

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata; empty where that is no mapping."""
        metadata = self.value.get("metadata")
        return metadata if isinstance(metadata, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Content:
    """What one file holds."""

    manifests: tuple[Manifest, ...] = ()
    findings: tuple[Finding, ...] = ()
    broken: bool = False


def read_content(file: File) -> Content:
    """The manifests of `file`. Pure, so that an unchanged file need not be read twice."""
    if file.flaw:
        return _broken(file.name, 0, file.flaw)
    if not file.data:
        # A file that an editor is about to write looks just like this: its resources must not vanish meanwhile.
        return _broken(file.name, 1, "the file is empty: delete it, or put a manifest into it")
    try:
        text = _text(file.data)
        read = list(documents(text))
    except BrokenYaml as error:
        return _broken(file.name, error.line, str(error))
    if file.name.rpartition("/")[2] in KUSTOMIZATION:
        return Content(
            findings=(_notice(file.name, 1, "a kustomization is not read here: every file is, recursively"),)
        )
    if not read:
        return Content(findings=(_notice(file.name, 1, "nothing but comments in it"),))
    manifests: list[Manifest] = []
    findings: list[Finding] = []
    broken = False
    for document in read:
        for part in _items(document):
            outcome = _classify(file.name, part)
            if isinstance(outcome, Manifest):
                manifests.append(outcome)
            else:
                findings.append(outcome)
                broken = broken or outcome.level is Level.ERROR
    return Content(tuple(manifests), tuple(findings), broken)


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BrokenYaml(1, "is UTF-16: save it as UTF-8")
    if data.startswith(_LFS):
        raise BrokenYaml(1, "is a pointer of Git LFS, not the file: run `git lfs pull`, or keep it out of LFS")
    if (encrypted := encryption(data)) is not None:
        raise BrokenYaml(*encrypted)
    if b"\0" in data:
        raise BrokenYaml(1, "is a binary file: remove it from the directory, or rename it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BrokenYaml(line, "is not UTF-8 text: save it as UTF-8") from None


def _items(document: Document) -> Iterator[Document]:
    """The document itself, or the items of a list of manifests, as `kubectl get -o yaml` writes it."""
    value = document.value
    if not isinstance(value, Mapping) or not _is_list(value):
        yield document
        return
    lines = document.lines.children["items"]
    for index, item in enumerate(value["items"]):
        prefix = f"items[{index}]."
        flaws = tuple(
            Flaw(flaw.line, flaw.field.removeprefix(prefix), flaw.word, flaw.why)
            for flaw in document.flaws
            if flaw.field.startswith(prefix)
        )
        yield Document(item, lines.children.get(index, lines), flaws)


def _is_list(value: Mapping[str, Any]) -> bool:
    kind = value.get("kind")
    if not isinstance(value.get("items"), list) or not isinstance(kind, str):
        return False
    return kind == "List" or (value.get("apiVersion") == API_VERSION and kind.removesuffix("List") in KINDS)


def _classify(file: str, document: Document) -> Manifest | Finding:
    value, lines = document.value, document.lines
    if not isinstance(value, Mapping):
        return Finding(
            file, lines.line, "", "", "not a manifest: it must be a mapping with apiVersion, kind and metadata"
        )
    version, kind = value.get("apiVersion"), value.get("kind")
    for name, given in (("apiVersion", version), ("kind", kind)):
        if not isinstance(given, str) or not given:
            missing = "is missing" if given is None else "must be text"
            example = f"{API_VERSION}" if name == "apiVersion" else "one of " + ", ".join(sorted(KINDS))
            return Finding(file, lines.at(name), "", name, f"{missing}: a manifest needs it ({example})")
    assert isinstance(version, str) and isinstance(kind, str)  # noqa: S101, PT018 -- checked by the loop
    if (version == API_VERSION and kind in KINDS) or (version == "v1" and kind in CORE):
        flaws = tuple(
            flaw for flaw in document.flaws if not flaw.field.startswith(("status.", "metadata.managedFields"))
        )
        return Manifest(file, kind, value, lines, flaws)
    subject = _subject(kind, value)
    wrong = _wrong(version, kind)
    if wrong is None:
        return _notice(file, lines.line, f"left alone: {version} {kind} is not read without Kubernetes", subject)
    field, message = wrong
    return Finding(file, lines.at(field), subject, field, message)


def _wrong(version: str, kind: str) -> tuple[str, str] | None:
    """What is wrong with a version and kind that we do not read, as (field, message); None if it is somebody else's."""
    if version == API_VERSION or (version.startswith(f"{GROUP}/") and kind not in KINDS):
        return "kind", f"there is no kind {kind}{_nearest(kind, KINDS)}"
    if kind in KINDS or kind in CORE:
        return "apiVersion", f"{version} has no kind {kind}: did you mean {API_VERSION if kind in KINDS else 'v1'}?"
    if get_close_matches(version, [API_VERSION], cutoff=_CLOSE):
        return "apiVersion", f"there is no {version}: did you mean {API_VERSION}?"
    if version == "v1" and (close := get_close_matches(kind, CORE, n=1, cutoff=_CLOSE)):
        return "kind", f"there is no kind {kind}: did you mean {close[0]}?"
    return None


def _subject(kind: str, value: Mapping[str, Any]) -> str:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"{kind}/{name}" if isinstance(name, str) and name.isprintable() else kind


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    lower = {name.lower(): name for name in known}
    lower |= {"trunk": "SipTrunk", "pbx": "Asterisk"}
    close = get_close_matches(word.lower(), list(lower), n=1, cutoff=0.5)
    nearest = lower[close[0]] if close else ""
    return f": did you mean {nearest}?" if nearest in known else f": use one of {', '.join(sorted(known))}"


def _broken(file: str, line: int, message: str) -> Content:
    return Content(findings=(Finding(file, line, "", "", message),), broken=True)


def _notice(file: str, line: int, message: str, subject: str = "") -> Finding:
    return Finding(file, line, subject, "", message, Level.NOTICE)
