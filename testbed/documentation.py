"""Asterisk's documentation in brief: a start reads all of it, and half of a start's processor time went there.

Applications, functions, actions and events keep their names, so that Asterisk misses none; the options of configuration
files stay, since modules check themselves against them. What people read is left out: `core show application` is terse.
"""

import hashlib
import xml.etree.ElementTree as ET
from pathlib import Path

from testbed import cache

_FORMAT = 1
"""Counts what `_shorten` does otherwise than before."""
_FOR_READERS = {"description", "see-also"}


def brief(full: Path) -> Path:
    """The directory that stands in for Asterisk's `documentation`; made once for each version of it."""
    texts = sorted(full.glob("*.xml"))
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in texts)).hexdigest()[:10]

    def build(place: Path) -> None:
        for path in texts:
            document = ET.parse(path)  # noqa: S314 -- Asterisk's own
            _shorten(document.getroot())
            document.write(place / path.name)

    return cache.artefact(f"documentation-{_FORMAT}-{mark}", build)


def _shorten(root: ET.Element) -> None:
    for element in list(root):
        if element.tag in {"module", "info"}:
            root.remove(element)
        elif element.tag == "configInfo":
            _leave_out(element)
        else:
            element[:] = []


def _leave_out(element: ET.Element) -> None:
    for part in list(element):
        if part.tag in _FOR_READERS:
            element.remove(part)
        else:
            _leave_out(part)
