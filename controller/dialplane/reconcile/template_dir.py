"""Where the templates are: those shipped, and a user's folder that may replace some."""

from pathlib import Path

from dialplane.plan.templates import Templates

PACKAGE = Path(__file__).parents[1]


def shipped() -> Path:
    """The folder of shipped templates: inside the installed package, or at the top of a source checkout."""
    installed = PACKAGE / "templates"
    return installed if installed.is_dir() else PACKAGE.parents[1] / "templates"


def load(overrides: Path | None = None) -> Templates:
    """Read the templates; a file in `overrides` stands in for the shipped one of the same name.

    Raises:
        OSError: a file or the folder of overrides cannot be read.
        ValueError: `overrides` has a file that is no template of ours: a misspelt name would silently do nothing.
    """
    sources, replaced = _read(shipped()), {}
    if overrides is not None:
        if not overrides.is_dir():
            raise ValueError(f"{overrides} is no folder")
        replaced = _read(overrides)
        for name, text in replaced.items():
            if name not in sources and not name.startswith("pjsip_"):
                known = ", ".join(sorted(sources))
                raise ValueError(f"{overrides}/{name} replaces no template: there are {known}, and pjsip_TYPE.conf.j2")
            sources[name] = text
    return Templates(sources, replaced)


def _read(folder: Path) -> dict[str, str]:
    paths = sorted(folder.rglob("*.j2"))
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}
