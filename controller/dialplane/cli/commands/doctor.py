"""`dialplane doctor`: what stands between the manifests and a working Asterisk."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final

import typer

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.errors import AsteriskError, AuthenticationRefused, NotBooted
from dialplane.cli import doctor_checks, voice_bot_checks
from dialplane.cli.ari_check import ari
from dialplane.cli.certificate_check import certificates
from dialplane.cli.connection import (
    Given,
    Host,
    PasswordFile,
    Port,
    Timeout,
    Tls,
    Username,
    ami_address,
    asterisk_of,
    calls_address,
)
from dialplane.cli.doctor_checks import Diagnosis, Level
from dialplane.cli.inputs import SecretsDir, read_input
from dialplane.cli.name_check import names
from dialplane.cli.output import Format, emit, say, show_table
from dialplane.reconcile.config_dir import ConfigDirectory
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.standalone.site import Site

_COLOURS: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILED: "red", Level.SKIPPED: "dim"}
_LOOPBACK: Final = ("127.", "localhost", "::1")


def doctor(
    paths: Annotated[
        list[str],
        typer.Option("--file", "-f", metavar="PATH", help="The site's manifests: where AMI, ARI and ports are."),
    ] = [],  # noqa: B006 -- typer copies it
    secrets_dir: SecretsDir = None,
    config_dir: Annotated[
        Path | None, typer.Option("--config-dir", metavar="DIR", help="In place of the manifest's configDirectory.")
    ] = None,
    host: Host = None,
    port: Port = None,
    username: Username = None,
    password_file: PasswordFile = None,
    tls: Tls = None,
    timeout: Timeout = 30.0,
    output: Annotated[Format, typer.Option("--output", "-o", help="text, json or yaml.")] = Format.TEXT,
) -> None:
    """Check the wiring: AMI, rights, version, modules, includes, recordings, ARI, bots, clock, ports, folder, names.

    Changes nothing. Exit code 0: it would work. 1: something failed; its cure stands beside it. 2: could not look.

    Examples:
        dialplane doctor -f site/
        ASTERISK_AMI_USERNAME=dialplane ASTERISK_AMI_PASSWORD=… dialplane doctor --host 10.0.0.5
    """
    site = read_input(paths, secrets_dir) if paths else None
    address = ami_address(Given(host, port, username, password_file, tls), site)
    spec = asterisk_of(site)
    directory = ConfigDirectory(config_dir or Path((spec or AsteriskSpec()).config_directory))
    found = asyncio.run(_examine(address, spec, site, directory, timeout))
    failed = any(diagnosis.level is Level.FAILED for diagnosis in found)
    if output is not Format.TEXT:
        emit({"healthy": not failed, "checks": [dataclasses.asdict(diagnosis) for diagnosis in found]}, output)
        raise typer.Exit(1 if failed else 0)
    rows = [[diagnosis.level.upper(), diagnosis.check, diagnosis.message] for diagnosis in found]
    show_table(["RESULT", "CHECK", "FINDING"], rows, [[_COLOURS[d.level], None, None] for d in found])
    cures = [diagnosis for diagnosis in found if diagnosis.cure and diagnosis.level is not Level.OK]
    if cures:
        say()
        for diagnosis in cures:
            say(f"{diagnosis.check}: {diagnosis.cure}", _COLOURS[diagnosis.level])
    raise typer.Exit(1 if failed else 0)


async def _examine(
    address: AmiAddress, spec: AsteriskSpec | None, site: Site | None, directory: ConfigDirectory, limit: float
) -> list[Diagnosis]:
    found: list[Diagnosis] = []
    try:
        async with asyncio.timeout(limit):
            async for diagnosis in _over_ami(address, directory, site, min(limit, 10.0)):
                found.append(diagnosis)  # noqa: PERF401 -- what was found before a time-out counts
    except TimeoutError:
        found.append(
            Diagnosis(
                "AMI", Level.FAILED, f"no answer within {limit:.0f} s", "is Asterisk overloaded, or a firewall between?"
            )
        )
    found.extend(await asyncio.to_thread(lambda: list(doctor_checks.config_directory(directory.path))))
    if spec is not None and address.host.startswith(_LOOPBACK):
        found.extend(await asyncio.to_thread(lambda: list(doctor_checks.ports(spec))))
    if spec is not None and spec.ari is not None and site is not None:
        url, values = str(spec.ari.url), site.snapshot.secrets.get(spec.ari.credentials_secret_ref.name, {})
        found.append(await asyncio.to_thread(ari, url, values, min(limit, 10.0)))
        if voice_bot_checks.has_bots(site.snapshot):
            checks = voice_bot_checks.over_http(url, values, min(limit, 10.0))
            found.extend(await asyncio.to_thread(lambda: list(checks)))
            if address.host.startswith(_LOOPBACK):
                found.extend(await asyncio.to_thread(lambda: list(voice_bot_checks.scheduling())))
    if spec is not None and site is not None:
        found.extend(await names(spec, site.snapshot, min(limit, 5.0)))
        found.extend(await asyncio.to_thread(lambda: list(certificates(spec, site.snapshot, min(limit, 5.0)))))
    return found


async def _over_ami(
    address: AmiAddress, directory: ConfigDirectory, site: Site | None, limit: float
) -> AsyncIterator[Diagnosis]:
    where = f"{address.host}:{address.port}"
    try:
        async with Ami.connect(address, timeout=limit) as ami:
            yield Diagnosis("AMI", Level.OK, f"logged in at {where} as {address.username}")
            for check in (
                doctor_checks.rights(ami, address.username),
                doctor_checks.version(ami),
                doctor_checks.modules(ami),
                doctor_checks.clock(ami),
                doctor_checks.includes(ami, directory),
                doctor_checks.recordings(ami, calls_address(address, site), site.snapshot if site else None),
                voice_bot_checks.over_ami(ami, site.snapshot if site else None),
            ):
                async for diagnosis in check:
                    yield diagnosis
    except AuthenticationRefused as error:
        cure = f"compare manager.conf, [{address.username}]: secret, and permit for this machine's address"
        yield Diagnosis("AMI", Level.FAILED, f"{where}: {error}", cure)
    except NotBooted as error:
        cure = f"wait until Asterisk has booted; in manager.conf, [{address.username}]: read = system"
        yield Diagnosis("AMI", Level.FAILED, f"{where}: {error}", cure)
    except AsteriskError as error:
        cure = "does Asterisk run? manager.conf, [general]: enabled = yes, bindaddr, port; is a firewall between?"
        yield Diagnosis("AMI", Level.FAILED, f"{where}: {error}", cure)
