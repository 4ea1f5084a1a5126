"""Secrets without Kubernetes: `v1` Secret manifests, and files `NAME/KEY` below a directory.

A file's one trailing newline is not part of the value (editors and `echo` add it); everything else is.
"""

import base64
import binascii
import errno
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from dialplane.standalone.encrypted import encryption
from dialplane.standalone.files import read_file
from dialplane.standalone.finding import Finding
from dialplane.standalone.tree import EMPTY, NOWHERE, is_left_alone

Secrets = Mapping[str, Mapping[str, SecretStr]]

_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_MISSING: Final = (
    "there is no Secret in it, as in a volume that is not mounted: put the folders NAME with a file KEY each there, or"
    " leave --secrets-dir out"
)
_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "type", "data", "stringData", "immutable"})


def secret_values(manifest: Mapping[str, Any]) -> tuple[dict[str, SecretStr], list[tuple[str, str]]]:
    """The values of a Secret manifest, and what is wrong with it as (field, message) pairs.

    `stringData` wins over `data`, as in Kubernetes. Messages never contain a value.
    """
    values: dict[str, SecretStr] = {}
    flaws: list[tuple[str, str]] = [
        (name, "a Secret has no such field: its values stand under stringData or data")
        for name in manifest
        if name not in _FIELDS
    ]
    for part in ("data", "stringData"):
        entries = manifest.get(part)
        if entries is None:
            continue
        if not isinstance(entries, Mapping):
            flaws.append((part, "must be a mapping of keys to text"))
            continue
        for key, value in entries.items():
            place = f"{part}.{key}"
            if not _KEY.fullmatch(key):
                flaws.append((place, "a key may have letters, digits, '-', '_' and '.': rename it"))
            elif not isinstance(value, str):
                flaws.append((place, "must be text: quote it"))
            elif part == "stringData":
                values[key] = SecretStr(value)
            else:
                try:
                    decoded = base64.b64decode("".join(value.split()), validate=True)
                except (binascii.Error, ValueError):
                    flaws.append((place, "is not base64: encode it, or write it under stringData"))
                else:
                    values[key] = SecretStr(decoded.decode("utf-8", "surrogateescape"))
    return values, flaws


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """What a directory of Secrets holds."""

    values: Mapping[str, Mapping[str, SecretStr]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    broken: bool = False
    """Some of it cannot be read, so that a Secret that is not here may well exist."""


def secrets_from_directory(root: Path, *, required: bool = False) -> SecretFiles:
    """The Secrets of the files `NAME/KEY` below `root`. Links are followed wherever they lead.

    Args:
        root: the directory.
        required: whether a `root` that is missing or empty is a mistake, as of a volume that is not mounted.
    """
    secrets: dict[str, dict[str, SecretStr]] = {}
    findings: list[Finding] = []
    unreadable: list[Finding] = []
    folders = list(_entries(root, unreadable))
    if required and not folders and not unreadable:
        unreadable.append(Finding(str(root), 0, "", "", _MISSING))
    for folder in folders:
        try:
            is_folder = stat.S_ISDIR(folder.stat().st_mode)
        except OSError as error:
            why = NOWHERE if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
            unreadable.append(Finding(str(folder), 0, "", "", why))
            continue
        if not is_folder:
            findings.append(Finding(str(folder), 0, "", "", "not a folder: a Secret is a folder with a file per key"))
            continue
        values = secrets.setdefault(folder.name, {})
        before = len(unreadable)
        files = list(_entries(folder, unreadable))
        if not files and len(unreadable) == before:
            unreadable.append(Finding(str(folder), 0, f"Secret/{folder.name}", "", EMPTY))
        for path in files:
            subject = f"Secret/{folder.name}"
            file = read_file(path)
            if file.flaw:
                unreadable.append(Finding(str(path), 0, subject, "", file.flaw))
            elif (encrypted := encryption(file.data)) is not None:
                unreadable.append(Finding(str(path), encrypted[0], subject, "", encrypted[1]))
            elif not _KEY.fullmatch(path.name):
                message = "a key may have letters, digits, '-', '_' and '.': rename it"
                findings.append(Finding(str(path), 0, subject, "", message))
            else:
                text = file.data.decode("utf-8", "surrogateescape")
                values[path.name] = SecretStr(text.removesuffix("\n").removesuffix("\r"))
    return SecretFiles(secrets, (*findings, *unreadable), bool(unreadable))


def secret_files(root: Path) -> Iterator[Path]:
    """The folders of `root` and their files, also such as cannot be read: what changes when a value does."""
    yield root
    for folder in _entries(root, []):
        yield folder
        yield from _entries(folder, [])


def _entries(folder: Path, findings: list[Finding]) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        findings.append(Finding(str(folder), 0, "", "", f"cannot be read: {error.strerror}"))
        return
    yield from (path for path in paths if not is_left_alone(path.name))
