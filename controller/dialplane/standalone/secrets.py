"""Secrets without Kubernetes: `v1` Secret manifests, and files `NAME/KEY` below a directory.

A file's one trailing newline is not part of the value (editors and `echo` add it); everything else is.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from dialplane.standalone.files import read_file
from dialplane.standalone.finding import Finding

Secrets = Mapping[str, Mapping[str, SecretStr]]

_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
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


def secrets_from_directory(root: Path) -> tuple[dict[str, dict[str, SecretStr]], list[Finding]]:
    """The Secrets of the files `NAME/KEY` below `root`; a missing `root` holds none."""
    secrets: dict[str, dict[str, SecretStr]] = {}
    findings: list[Finding] = []
    for folder in _entries(root, findings):
        if not folder.is_dir():
            findings.append(Finding(str(folder), 0, "", "", "not a folder: a Secret is a folder with a file per key"))
            continue
        values = secrets.setdefault(folder.name, {})
        for path in _entries(folder, findings):
            file = read_file(path)
            if file.flaw:
                findings.append(Finding(str(path), 0, f"Secret/{folder.name}", "", file.flaw))
            elif not _KEY.fullmatch(path.name):
                message = "a key may have letters, digits, '-', '_' and '.': rename it"
                findings.append(Finding(str(path), 0, f"Secret/{folder.name}", "", message))
            else:
                text = file.data.decode("utf-8", "surrogateescape")
                values[path.name] = SecretStr(text.removesuffix("\n").removesuffix("\r"))
    return secrets, findings


def _entries(folder: Path, findings: list[Finding]) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        findings.append(Finding(str(folder), 0, "", "", f"cannot be read: {error.strerror}"))
        return
    yield from (path for path in paths if not path.name.startswith("."))
