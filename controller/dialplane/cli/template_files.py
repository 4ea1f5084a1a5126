"""The templates from disk: those of the package, and a user's own in place of any of them."""

from pathlib import Path
from typing import Final

from dialplane.cli.errors import Unusable
from dialplane.plan.templates import Templates

SUFFIX: Final = ".j2"

_PACKAGE: Final = Path(__file__).parents[1]


def packaged(name: str) -> Path:
    """A folder of data that is inside the installed package, and beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parents[1] / name


def load_templates(own: Path | None = None) -> Templates:
    """Every template; a file in `own` stands in for the one of the same name.

    Raises:
        Unusable: a folder or file cannot be read.
    """
    sources: dict[str, str] = {}
    for folder in filter(None, (packaged("templates"), own)):
        try:
            paths = [path for path in folder.iterdir() if path.name.endswith(SUFFIX)]
            sources |= {path.name: path.read_text(encoding="utf-8") for path in paths}
        except (OSError, UnicodeDecodeError) as error:
            raise Unusable(f"templates in {folder} cannot be read: {error}") from None
    return Templates(sources)
