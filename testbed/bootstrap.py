"""The base configuration of one instance, rendered from the product's own templates."""

from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import jinja2


@dataclass(frozen=True)
class Account:
    """A name and its secret."""

    name: str
    secret: str


@dataclass(frozen=True)
class Directories:
    """Asterisk's directories, named as in ``asterisk.conf`` without the prefix ``ast``."""

    etc: Path
    modules: Path
    varlib: Path
    db: Path
    key: Path
    data: Path
    agi: Path
    spool: Path
    run: Path
    log: Path
    cache: Path
    sbin: Path
    moh: Path


@dataclass(frozen=True)
class Settings:
    """All that the base configuration of one Asterisk depends on."""

    directories: Directories
    host: str
    ami_port: int
    http_port: int
    controller: Account
    calls: Account
    ari: Account
    country: str = "us"


def render(settings: Settings) -> dict[str, str]:
    """Return file name -> content for ``astetcdir``.

    Every value here is made by the test bed (paths, ports, hexadecimal secrets), so nothing is escaped.
    """
    folder = resources.files("dialplane.plan") / "bootstrap"
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=jinja2.select_autoescape(default_for_string=False),
    )
    variables: dict[str, object] = {
        "directories": {name: str(path) for name, path in asdict(settings.directories).items()},
        "ami_bind": settings.host,
        "ami_port": settings.ami_port,
        "ami_user": settings.controller.name,
        "ami_secret": settings.controller.secret,
        "ami_permit": [],
        "ami_certificate": "",
        "calls_user": settings.calls.name,
        "calls_secret": settings.calls.secret,
        "http_bind": settings.host,
        "http_port": settings.http_port,
        "ari_user": settings.ari.name,
        "ari_secret": settings.ari.secret,
        "country": settings.country,
    }
    templates = sorted((path for path in folder.iterdir() if path.name.endswith(".conf")), key=lambda path: path.name)
    return {path.name: environment.from_string(path.read_text()).render(variables) for path in templates}
