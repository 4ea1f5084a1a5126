"""How `ami` and `doctor` reach an Asterisk: from options, the environment, or the site's own manifests."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress
from dialplane.cli.errors import Unusable
from dialplane.cli.site_options import ami_defaults
from dialplane.reconcile.site import AmiDefaults
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.standalone.files import read_file
from dialplane.standalone.site import Site

Host = Annotated[str | None, typer.Option("--host", envvar="ASTERISK_AMI_HOST", help="Where Asterisk answers AMI.")]
Port = Annotated[int | None, typer.Option("--port", envvar="ASTERISK_AMI_PORT", min=1, max=65_535, help="Its port.")]
Username = Annotated[str | None, typer.Option("--username", envvar="ASTERISK_AMI_USERNAME", help="The AMI user.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="Holds its password. [default: $ASTERISK_AMI_PASSWORD]",
        show_default=False,
    ),
]
Tls = Annotated[
    bool | None,
    typer.Option("--tls/--no-tls", help="Speak TLS. [default: as the manifest says, else not]", show_default=False),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=600, help="The most that it may take.")
]

PASSWORD: Final = "ASTERISK_AMI_PASSWORD"  # noqa: S105 -- the name of a variable


@dataclass(frozen=True, slots=True)
class Given:
    """What was said on the command line or in the environment."""

    host: str | None = None
    port: int | None = None
    username: str | None = None
    password_file: Path | None = None
    tls: bool | None = None


def asterisk_of(site: Site | None) -> AsteriskSpec | None:
    """The site's Asterisk; None where it has no valid one."""
    return next((spec for _, spec in site.snapshot.of(AsteriskSpec)), None) if site else None


def ami_address(given: Given, site: Site | None = None) -> AmiAddress:
    """Where and as whom to log in: the command line wins over the manifest, the manifest over its defaults.

    Raises:
        Unusable: user or password are nowhere to be found.
    """
    asterisk = asterisk_of(site)
    ami = (asterisk or AsteriskSpec()).ami
    username, secret = given.username, _password(given)
    if asterisk is not None and ami.credentials_secret_ref is not None and site is not None:
        values = site.snapshot.secrets.get(ami.credentials_secret_ref.name, {})
        username = username or (values["username"].get_secret_value() if "username" in values else None)
        secret = secret or values.get("password")
    if not username:
        raise Unusable("as whom? set ASTERISK_AMI_USERNAME, or say --username")
    if secret is None:
        raise Unusable(f"without a password: set {PASSWORD}, or say --password-file FILE")
    return AmiAddress(
        host=given.host or ami.host or AmiDefaults().host,
        username=username,
        secret=secret,
        port=given.port or ami.port or AmiDefaults().port,
        tls=ami.tls if given.tls is None else given.tls,
    )


def calls_address(main: AmiAddress, site: Site | None) -> AmiAddress:
    """The same Asterisk as the user of call control; as `main`'s where there is none."""
    asterisk = asterisk_of(site)
    reference = asterisk.ami.calls_credentials_secret_ref if asterisk is not None else None
    values = site.snapshot.secrets.get(reference.name, {}) if reference is not None and site is not None else {}
    if "username" in values and "password" in values:
        return replace(main, username=values["username"].get_secret_value(), secret=values["password"])
    defaults = ami_defaults()
    if defaults.calls_username:
        return replace(main, username=defaults.calls_username, secret=defaults.calls_secret)
    return main


def _password(given: Given) -> SecretStr | None:
    if given.password_file is not None:
        file = read_file(given.password_file)
        if file.flaw:
            raise Unusable(f"{given.password_file}: {file.flaw}")
        return SecretStr(file.data.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r"))
    value = os.environ.get(PASSWORD)
    return SecretStr(value) if value else None
