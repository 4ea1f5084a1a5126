"""`dialplane render`: the exact files that Asterisk would read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.inputs import Paths, Planned, SecretsDir, TemplatesDir, plan_site, read_input
from dialplane.cli.output import say, warn, write
from dialplane.cli.plain_text import harmless
from dialplane.cli.redaction import Redaction
from dialplane.plan.objects import COMING_AND_GOING
from dialplane.plan.render import FILES
from dialplane.reconcile.config_dir import ConfigDirectory, ConfigDirectoryError
from dialplane.standalone.finding import Level


def render(
    paths: Paths,
    out: Annotated[
        Path | None, typer.Option("--output-dir", "-o", metavar="DIR", help="Where to write the files.")
    ] = None,
    show: Annotated[
        list[str],
        typer.Option("--show", metavar="FILE", help="Print this file, its secrets hidden; 'all' prints each."),
    ] = [],  # noqa: B006 -- typer copies it
    secrets_dir: SecretsDir = None,
    templates: TemplatesDir = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files, too.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave out resources with problems, as the controller does.")
    ] = False,
) -> None:
    """Write the files that Asterisk would read, exactly as the controller would, or show them.

    Files hold passwords: they are written with mode 0640, each whole or not at all. --show hides every secret.
    Exit code 0: written. 1: the manifests have problems, nothing written. 2: could not read or write.

    Examples:
        dialplane render -f site/ -o /tmp/asterisk
        dialplane render -f site/ --show extensions.conf
        dialplane render -f site/ --show all | less
    """
    if (out is None) == (not show):
        raise Unusable("say either where to write (-o DIR) or what to print (--show FILE)")
    planned = plan_site(read_input(paths, secrets_dir), templates, exact=out is not None)
    errors = planned.errors
    for finding in errors:
        warn(harmless(str(finding)), "red")
    if errors and not (partial and planned.plan.files):
        raise Refused(f"{len(errors)} problem{'s' * (len(errors) != 1)}: nothing rendered")
    if out is None:
        _show(planned, show)
    else:
        _write(planned, out, force=force)


def _show(planned: Planned, names: list[str]) -> None:
    files = planned.plan.files
    redaction = Redaction(planned.plan.objects, planned.site.snapshot.secrets)
    wanted = sorted(files) if "all" in names else names
    for name in wanted:
        if name not in files:
            raise Unusable(f"no file {name}: there are {', '.join(sorted(files))}")
        if len(wanted) > 1:
            say(f";;; {name}", "bold")
        write(redaction.text(name, files[name]))


def _write(planned: Planned, out: Path, *, force: bool) -> None:
    files = planned.plan.files
    _refuse_foreign(out, files.keys(), force=force)
    try:
        written = ConfigDirectory(out).write(files)
    except ConfigDirectoryError as error:
        raise Unusable(str(error)) from None
    except OSError as error:
        raise Unusable(f"cannot write {out}: {error.strerror}") from None
    for finding in planned.findings:
        if finding.level is Level.NOTICE:
            warn(harmless(str(finding)), "dim")
    say(
        f"{len(files)} files in {out}: {len(written.changed)} written, {len(files) - len(written.changed)} as they were"
    )


def _refuse_foreign(out: Path, names: Iterable[str], *, force: bool) -> None:
    """A folder with other people's files is written into only on purpose."""
    known = {name.partition("/")[0] for name in (*FILES, *names)} | COMING_AND_GOING
    try:
        foreign = sorted(path.name for path in out.iterdir() if path.name not in known) if out.exists() else []
    except OSError as error:
        raise Unusable(f"cannot write {out}: {error.strerror}") from None
    if foreign and not force:
        shown = ", ".join(foreign[:3]) + ("…" if len(foreign) > 3 else "")  # noqa: PLR2004 -- enough to recognise
        raise Unusable(f"{out} holds other files ({shown}): choose another folder, or say --force")
