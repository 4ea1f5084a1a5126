"""`dialplane validate`: what is wrong with these manifests, and where."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli.errors import Refused
from dialplane.cli.inputs import Paths, Planned, SecretsDir, plan_site, read_input
from dialplane.cli.output import Format, emit, say, warn
from dialplane.cli.plain_text import harmless
from dialplane.standalone.finding import Level

FormatOption = Annotated[Format, typer.Option("--output", "-o", help="text for people, json or yaml for programs.")]


def validate(
    paths: Paths,
    secrets_dir: SecretsDir = None,
    no_secrets: Annotated[
        bool, typer.Option("--no-secrets", help="Secrets are kept elsewhere: do not ask for their values.")
    ] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Check manifests: each by itself and all together, as the controller would. Writes nothing.

    Exit code 0: fine. 1: problems, each on a line of its own as FILE:LINE: KIND/NAME: FIELD: MESSAGE.
    2: nothing could be checked.

    Examples:
        dialplane validate -f site/
        dialplane validate -f site/ --no-secrets          # in CI, where the Secrets are not
        cat trunk.yaml | dialplane validate -f site/ -f -
    """
    planned = plan_site(read_input(paths, secrets_dir), secrets=not no_secrets)
    findings = planned.findings
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    if output is not Format.TEXT:
        emit(
            {
                "valid": not errors,
                "resources": len(planned.site.snapshot.resources),
                "findings": [dataclasses.asdict(finding) for finding in findings],
            },
            output,
        )
        raise typer.Exit(1 if errors else 0)
    for finding in findings:
        if finding.level is Level.ERROR:
            say(harmless(str(finding)), "red")
        else:
            warn(harmless(str(finding)), "dim")
    count = len(planned.site.snapshot.resources)
    if errors:
        raise Refused(f"{len(errors)} problem{'s' * (len(errors) != 1)} in {_count(count)}")
    warn(f"{_count(count)} in {_files(planned)}: no problems", "green")


def _count(resources: int) -> str:
    return f"{resources} resource{'s' * (resources != 1)}"


def _files(planned: Planned) -> str:
    files = len({Path(manifest.file) for manifest in planned.site.manifests.values()})
    return f"{files} file{'s' * (files != 1)}"
