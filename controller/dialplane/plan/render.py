"""From objects to the bytes of the files."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby

from jinja2 import Template

from dialplane.plan.digest import digest
from dialplane.plan.draft import Finding
from dialplane.plan.escape import LINE_LIMIT, Unrenderable, plain
from dialplane.plan.objects import KEYS, DialplanContext, Mailbox, Objects, PjsipObject, PjsipType, Setting
from dialplane.plan.templates import Templates
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason

HEADER = "; Rendered by Dialplane from the manifests of this site: what is changed here by hand is overwritten.\n\n"

EXTENSIONS = "extensions.conf"
VOICEMAIL = "voicemail.conf"
SETTINGS_FILES = ("cdr.conf", "http.conf", "rtp.conf")
APPENDED = frozenset({"cdr.conf", "http.conf"})
"""Files whose base already opens the section: ours adds to it by `(+)`."""
FILES = (EXTENSIONS, VOICEMAIL, *SETTINGS_FILES, *(t.file for t in PjsipType))
"""Every file that a plan always has; certificates come and go below `keys/`."""

DIALPLAN_REVISION = "DIALPLANE_REVISION"
"""The variable in `[globals]` that marks which dialplan Asterisk runs."""

Item = PjsipObject | DialplanContext | Mailbox
"""What has a text of its own."""


class Renderer:
    """Renders objects, remembering the text of each from one plan to the next: most of a site does not change."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._texts: dict[Item, str] = {}

    def files(self, objects: Objects, retained: str = "") -> tuple[dict[str, str], list[Finding]]:
        """Every file with its whole text, and the findings about what no file can express: it is not in them.

        Args:
            objects: what Asterisk should hold, sorted.
            retained: routines of an older version that live calls still run in, verbatim.
        """
        page = _Page(self._texts)
        of_pjsip: dict[str, list[str]] = defaultdict(list)
        for kind, group in groupby(objects.pjsip, key=lambda o: o.type):
            template = self._templates.get(f"pjsip_{kind}.conf.j2", "pjsip.conf.j2")
            of_pjsip[kind.file] += [page.text(item, template, object=item) for item in group]
        template = self._templates.get("extensions.conf.j2")
        contexts = [page.context(each, template) for each in objects.contexts]
        template = self._templates.get("voicemail.conf.j2")
        mailboxes = [page.text(each, template, mailbox=each) for each in objects.mailboxes]
        sections = {path: self._settings(page, objects.settings, path) for path in (VOICEMAIL, *SETTINGS_FILES)}
        variables = [f"{name} = {value}\n" for name, value in sorted(objects.globals.items())]
        parts = {
            **of_pjsip,
            **sections,
            EXTENSIONS: ["[globals]\n", *variables, "\n", *contexts, retained],
            VOICEMAIL: ["[default]\n", *mailboxes, "\n", *sections[VOICEMAIL]],
        }
        files = {path: "".join((HEADER, *parts.get(path, ()))) for path in FILES}
        for certificate in objects.certificates:
            files[f"{KEYS}/{certificate.name}.crt"] = plain(certificate.certificate)
            files[f"{KEYS}/{certificate.name}.key"] = plain(certificate.key)
        self._texts = page.texts
        return files, page.findings

    def _settings(self, page: "_Page", settings: Iterable[Setting], path: str) -> list[str]:
        own = () if path == VOICEMAIL else (f"{path}.j2",)  # voicemail.conf.j2 lays out a mailbox
        template = self._templates.get(*own, "settings.conf.j2")
        mine = sorted((s for s in settings if s.file == path), key=lambda s: (s.section, s.name, s.value))
        return [
            page.section(name, tuple(group), template, appended=path in APPENDED)
            for name, group in groupby(mine, key=lambda s: s.section)
        ]


class _Page:
    """One rendering: what it made or knew already, and whose values do not fit."""

    def __init__(self, known: Mapping[Item, str]) -> None:
        self.texts: dict[Item, str] = {}
        self.findings: list[Finding] = []
        self._known = known

    def text(self, item: PjsipObject | Mailbox, template: Template, **values: object) -> str:
        """The text of one object; nothing where it does not fit."""
        text = self._known.get(item)
        if text is None:
            try:
                text = _limited(template.render(values))
            except Unrenderable as error:
                self._unfit(item.owner, error)
                return ""
        self.texts[item] = text
        return text

    def context(self, item: DialplanContext, template: Template) -> str:
        """The text of one context. Of many owners only those whose own entries do not fit are at fault."""
        text = self._known.get(item)
        if text is None:
            try:
                text = _limited(template.render(context=item))
            except Unrenderable as error:
                whole = _fits(replace(item, entries=()), template)
                culprits = {e.owner for e in item.entries if whole and not _fits(replace(item, entries=(e,)), template)}
                for owner in sorted(culprits) or [item.owner]:
                    self._unfit(owner, error)
                return ""
        self.texts[item] = text
        return text

    def section(self, name: str, settings: tuple[Setting, ...], template: Template, *, appended: bool) -> str:
        """The text of one section of settings."""
        try:
            return _limited(template.render(section=name, appended=appended, settings=settings))
        except Unrenderable as error:
            self._unfit(settings[0].owner, error)
            return ""

    def _unfit(self, owner: Key, error: Unrenderable) -> None:
        self.findings.append((owner, unrenderable(error)))


def unrenderable(error: Unrenderable) -> Problem:
    """What the owner of the value is told."""
    return Problem(Reason.INVALID, f"a value {error}", "spec")


def _fits(context: DialplanContext, template: Template) -> bool:
    try:
        _limited(template.render(context=context))
    except Unrenderable:
        return False
    return True


def dialplan_revision(contexts: Iterable[DialplanContext]) -> str:
    """The mark of this dialplan: the same contexts, the same mark."""
    return digest(*((c.name, c.includes, tuple((*_entry(e),) for e in c.entries)) for c in contexts))


def _entry(entry: object) -> tuple[str, ...]:
    names = ("extension", "priority", "label", "application", "arguments")
    return tuple(str(getattr(entry, name)) for name in names)


def _limited(text: str) -> str:
    if len(text) > LINE_LIMIT and any(len(line.encode("utf-8", "replace")) > LINE_LIMIT for line in text.splitlines()):
        raise Unrenderable(f"makes a line longer than {LINE_LIMIT:,} bytes, which Asterisk would skip")
    return text
