"""Asterisk's own files: what it needs to boot and to read what the controller renders. PURE.

They are written once, before the first start, by whoever sets the Asterisk up; `templates/bootstrap/README.md` says who
owns each. The controller never touches them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from dialplane.plan.templates import Templates

PREFIX = "bootstrap/"
"""Where these templates are among all of them."""

SUFFIX = ".j2"


@dataclass(frozen=True, slots=True)
class Account:
    """A name and its secret."""

    name: str
    secret: SecretStr


@dataclass(frozen=True, slots=True)
class Directories:
    """Asterisk's directories, named as in `asterisk.conf` without the prefix `ast`. The defaults are Debian's."""

    etc: str = "/etc/asterisk"
    modules: str = "/usr/lib/x86_64-linux-gnu/asterisk/modules"
    varlib: str = "/var/lib/asterisk"
    db: str = "/var/lib/asterisk"
    key: str = "/var/lib/asterisk"
    data: str = "/usr/share/asterisk"
    agi: str = "/usr/share/asterisk/agi-bin"
    spool: str = "/var/spool/asterisk"
    run: str = "/var/run/asterisk"
    log: str = "/var/log/asterisk"
    cache: str = "/var/cache/asterisk"
    sbin: str = "/usr/sbin"
    moh: str = "/usr/share/asterisk/moh"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the base files depend on. `calls` is the account of call control, `ari` that of voice bots."""

    controller: Account
    calls: Account
    ari: Account
    directories: Directories = field(default_factory=Directories)
    ami_bind: str = "127.0.0.1"
    ami_port: int = 5038
    http_bind: str = "127.0.0.1"
    http_port: int = 8088
    placeholder_port: int = 5098
    """A port on loopback, and the next one, for the transports that the first start needs and nobody uses."""
    ipv6: bool = True
    """Whether Asterisk's machine has IPv6."""
    country: str = "us"
    """A section of indications.conf: the tones that callers hear."""


def bootstrap(settings: Settings, templates: Templates) -> dict[str, str]:
    """Every base file by its name, with its whole text; secrets included, so never log it.

    Raises:
        Unrenderable: a path or a secret that no file can express.
    """
    variables = _variables(settings)
    return {
        name.removeprefix(PREFIX).removesuffix(SUFFIX): templates.get(name).render(variables)
        for name in templates.names
        if name.startswith(PREFIX)
    }


def _variables(settings: Settings) -> Mapping[str, object]:
    folders = Directories.__dataclass_fields__
    return {
        "directories": {name: getattr(settings.directories, name) for name in folders},
        "ami_bind": settings.ami_bind,
        "ami_port": settings.ami_port,
        "ami_user": settings.controller.name,
        "ami_secret": settings.controller.secret,
        "ami_permit": [],
        "ami_certificate": "",
        "calls_user": settings.calls.name,
        "calls_secret": settings.calls.secret,
        "http_bind": settings.http_bind,
        "http_port": settings.http_port,
        "ari_user": settings.ari.name,
        "ari_secret": settings.ari.secret,
        "placeholder_port": settings.placeholder_port,
        "ipv6": settings.ipv6,
        "country": settings.country,
    }
