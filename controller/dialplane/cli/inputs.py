"""What the commands read: `-f PATH`, `--secrets-dir`, standard input; and the plan that comes of it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from dialplane.cli.errors import Unusable
from dialplane.cli.placeholder_secrets import completed
from dialplane.cli.service_faults import service_faults
from dialplane.plan.advice import advice
from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.plan.templates import Templates
from dialplane.reconcile.template_dir import load
from dialplane.resources.key import Key
from dialplane.resources.notifier import NotifierSpec
from dialplane.resources.problem import Problem, Reason
from dialplane.standalone.files import FILE_LIMIT, STDIN, File, SourceMissing, oversize, read_paths
from dialplane.standalone.finding import Finding, Level
from dialplane.standalone.secrets import SecretFiles, secrets_from_directory
from dialplane.standalone.site import Site, SiteReader

Paths = Annotated[
    list[str],
    typer.Option(
        "--file",
        "-f",
        metavar="PATH",
        help="A manifest, or a folder of them, read with all its subfolders; - is standard input.",
    ),
]
SecretsDir = Annotated[
    Path | None,
    typer.Option("--secrets-dir", metavar="DIR", help="Secrets as files NAME/KEY; they win over Secret manifests."),
]
TemplatesDir = Annotated[
    Path | None,
    typer.Option("--templates", metavar="DIR", help="Your own templates, in place of those of the same name."),
]


_CONSEQUENCES: Final = frozenset(
    {Reason.REFERENCE_MISSING, Reason.SECRET_MISSING, Reason.SECRET_INVALID, Reason.ASTERISK_MISSING}
)
"""Problems that may come of another resource's: what cannot be read cannot be found."""


_OF_SECRETS: Final = frozenset({Reason.SECRET_MISSING, Reason.SECRET_INVALID})


@dataclass(frozen=True, slots=True)
class Planned:
    """A site and what it asks of Asterisk."""

    site: Site
    plan: Plan
    findings: tuple[Finding, ...]
    """Of the files and of the plan, sorted by place."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those that are errors."""
        return tuple(finding for finding in self.findings if finding.level is Level.ERROR)


def read_input(paths: list[str], secrets_dir: Path | None) -> Site:
    """The site at `paths`.

    Raises:
        Unusable: a path is not there or cannot be listed.
    """
    if not paths:
        raise Unusable("say what to read: -f PATH")
    try:
        files = read_paths([Path(path) for path in paths if path != STDIN])
    except SourceMissing as error:
        raise Unusable(f"cannot read {error}") from None
    if STDIN in paths:
        data = sys.stdin.buffer.read(FILE_LIMIT + 1)
        name = "(standard input)"
        files.append(File(name, data) if len(data) <= FILE_LIMIT else File(name, flaw=oversize(len(data))))
    if not files:
        raise Unusable(f"no .yaml or .yml file in {', '.join(paths)}")
    if secrets_dir is not None and not secrets_dir.is_dir():
        raise Unusable(f"cannot read {secrets_dir}: no such folder")
    secrets = secrets_from_directory(secrets_dir, required=True) if secrets_dir else SecretFiles()
    site = SiteReader().read(files, secrets=secrets.values)
    return Site(site.snapshot, site.findings + secrets.findings, site.broken or secrets.broken, site.manifests)


def load_templates(own: Path | None) -> Templates:
    """The templates, the user's own in place of those shipped.

    Raises:
        Unusable: they cannot be read.
    """
    try:
        return load(own)
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot read the templates: {error}") from None


def plan_site(site: Site, templates: Path | None = None, *, exact: bool = False, secrets: bool = True) -> Planned:
    """Plan the site as the controller would, and place every problem.

    Args:
        site: what was read.
        templates: the user's own templates.
        exact: the files will be written: credentials that are still to be generated are a problem then.
        secrets: whether a Secret that is not here is a problem.
    """
    planner = Planner(load_templates(templates))
    snapshot = site.snapshot if exact else completed(site.snapshot, generated_only=secrets)
    plan = planner.plan(snapshot)
    found = [(key, problem) for key, problems in plan.problems.items() for problem in problems]
    if any(problem.reason is Reason.SECRET_MISSING for _, problem in found):
        # What is left out for want of a Secret is missed by others: judge those as if it were there.
        complete = planner.plan(completed(site.snapshot, generated_only=False))
        found = [(key, problem) for key, problem in found if problem.reason in _OF_SECRETS]
        found += [(k, p) for k, problems in complete.problems.items() for p in problems if p.reason not in _OF_SECRETS]
    found += [(r.key, p) for r, spec in snapshot.of(NotifierSpec) for p in _of_templates(spec)]
    unread: tuple[Finding, ...] = ()
    try:
        found += service_faults(site.snapshot, plan)
    except Unusable as error:
        unread = (Finding("", 0, "", "", f"lists and Notifiers are not read: {error}", Level.NOTICE),)
    if not secrets:
        found = [(key, problem) for key, problem in found if problem.reason not in _OF_SECRETS]
    findings = {(f.subject, f.field, f.message): f for f in site.findings}
    for key, problem in found:
        if not _said_already(site, key, problem):
            finding = site.finding(key, problem)
            findings.setdefault((finding.subject, finding.field, finding.message), finding)
    for key, field, message in advice(snapshot):
        finding = replace(site.finding(key, Problem(Reason.INVALID, message, field)), level=Level.NOTICE)
        findings.setdefault((finding.subject, finding.field, finding.message), finding)
    return Planned(site, plan, tuple(sorted((*findings.values(), *unread))))


def _of_templates(spec: NotifierSpec) -> Iterator[Problem]:
    """What the notify service would say of a Notifier's templates, before any message is told by them."""
    from dialplane.services.notify.wording import BadTemplateError, MessageTemplate

    try:
        MessageTemplate(spec.title, spec.template)
    except BadTemplateError as error:
        yield Problem(Reason.INVALID, error.what, error.field)


def _said_already(site: Site, key: Key, problem: Problem) -> bool:
    """Whether a finding of the files explains this problem of the plan: one mistake, one line."""
    resource = site.snapshot.resources.get(key)
    if resource is not None and resource.spec is None:
        return True
    if problem.reason not in _CONSEQUENCES:
        return False
    if site.broken:
        return True  # it may well be in the file that could not be read
    for finding in site.errors:
        kind, _, name = finding.subject.partition("/")
        if problem.reason is Reason.ASTERISK_MISSING and kind == "Asterisk":
            return True
        manifest = site.manifests.get(Key(kind, name))
        spec = manifest.value.get("spec") if manifest else None
        number = spec.get("number") if isinstance(spec, dict) else None
        if any(word and f"'{word}'" in problem.message for word in (name, number)):
            return True
    return False
