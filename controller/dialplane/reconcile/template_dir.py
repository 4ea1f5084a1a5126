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
    sources = {path.name: path.read_text(encoding="utf-8") for path in sorted(shipped().glob("*.j2"))}
    if overrides is not None:
        for path in sorted(overrides.iterdir()):
            if path.name not in sources and not path.name.startswith("pjsip_"):
                known = ", ".join(sorted(sources))
                raise ValueError(f"{path}: replaces no template; the templates are {known}, and pjsip_TYPE.conf.j2")
            sources[path.name] = path.read_text(encoding="utf-8")
    return Templates(sources)
