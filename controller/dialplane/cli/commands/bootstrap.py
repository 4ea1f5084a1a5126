"""`dialplane bootstrap`: the base files of an Asterisk that Dialplane is to serve."""

import os
import secrets
import socket
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.inputs import TemplatesDir, load_templates
from dialplane.cli.output import say
from dialplane.plan import bootstrap as base
from dialplane.plan.escape import Unrenderable
from dialplane.plan.render import FILES
from dialplane.reconcile.config_dir import ConfigDirectory, ConfigDirectoryError


def bootstrap(
    out: Annotated[
        Path, typer.Option("--output-dir", "-o", metavar="DIR", help="Asterisk's own folder of configuration.")
    ] = Path("/etc/asterisk"),
    ami_port: Annotated[int, typer.Option("--ami-port", min=1, max=65_535, help="Where AMI listens.")] = 5038,
    country: Annotated[str, typer.Option("--country", help="Whose tones callers hear: us, uk, de, fr, …")] = "us",
    placeholder_port: Annotated[
        int,
        typer.Option(
            "--placeholder-port",
            min=1024,
            max=65_534,
            help="This port and the next, on loopback: transports that only the first start needs.",
        ),
    ] = 5098,
    ipv6: Annotated[
        bool | None,
        typer.Option("--ipv6/--no-ipv6", help="Whether Asterisk's machine has IPv6; by default as this one."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    templates: TemplatesDir = None,
) -> None:
    """Write the base files that Asterisk 22 needs to boot and to read what Dialplane renders.

    AMI and ARI listen on 127.0.0.1 only. The AMI account is ASTERISK_AMI_USERNAME and ASTERISK_AMI_PASSWORD; without
    them it is `dialplane` with a new password, which stands in manager.conf. That of ARI, which bots need, is
    ASTERISK_ARI_USERNAME and ASTERISK_ARI_PASSWORD, else `ari` with a new password, in ari.conf; a Secret with both is
    what `spec.ari` of the Asterisk names. Restart Asterisk afterwards.
    Exit code 0: written. 1: there are files already, nothing written. 2: could not write.

    Examples:
        dialplane bootstrap -o /etc/asterisk --country de
    """
    settings = base.Settings(
        controller=_account("ASTERISK_AMI_USERNAME", "ASTERISK_AMI_PASSWORD", "dialplane"),
        calls=base.Account("calls", SecretStr(secrets.token_urlsafe(24))),
        ari=_account("ASTERISK_ARI_USERNAME", "ASTERISK_ARI_PASSWORD", "ari"),
        directories=base.Directories(etc=str(out.absolute())),
        ami_port=ami_port,
        placeholder_port=placeholder_port,
        ipv6=_has_ipv6() if ipv6 is None else ipv6,
        country=country,
    )
    try:
        files = base.bootstrap(settings, load_templates(templates))
    except Unrenderable as error:
        raise Unusable(
            f"a name or a password of ASTERISK_AMI_… or ASTERISK_ARI_…, or the folder's name, {error}"
        ) from None
    directory = ConfigDirectory(out)
    try:
        there = sorted(directory.read(files))
        if there and not force:
            raise Refused(f"{out} has {', '.join(there)} already: nothing written (--force replaces them)")
        directory.write(files, prune=False)
        rendered = ConfigDirectory(out / "dialplane")
        rendered.write({path: "" for path in FILES if path not in rendered.read(FILES)})
    except ConfigDirectoryError as error:
        raise Unusable(str(error)) from None
    say(f"wrote {len(files)} files to {out}: start Asterisk anew, then `dialplane doctor`", "green")


def _account(username: str, password: str, default: str) -> base.Account:
    """The account that these variables of the environment say, else `default` with a new password."""
    secret = os.environ.get(password) or secrets.token_urlsafe(24)
    return base.Account(os.environ.get(username) or default, SecretStr(secret))


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
