"""The base configuration of one instance, rendered from the product's own templates."""

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from dialplane.plan import bootstrap as product
from dialplane.reconcile.template_dir import load
from testbed.ports import has_ipv6


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
    placeholder_port: int
    controller: Account
    calls: Account
    ari: Account
    country: str = "us"


def render(settings: Settings) -> dict[str, str]:
    """Return file name -> content for ``astetcdir``."""
    return product.bootstrap(
        product.Settings(
            controller=_account(settings.controller),
            calls=_account(settings.calls),
            ari=_account(settings.ari),
            directories=product.Directories(**{name: str(path) for name, path in asdict(settings.directories).items()}),
            ami_bind=settings.host,
            ami_port=settings.ami_port,
            http_bind=settings.host,
            http_port=settings.http_port,
            placeholder_port=settings.placeholder_port,
            ipv6=has_ipv6(),
            country=settings.country,
        ),
        load(),
    )


def _account(account: Account) -> product.Account:
    return product.Account(account.name, SecretStr(account.secret))
