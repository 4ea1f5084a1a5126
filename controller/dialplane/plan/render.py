"""From objects to the bytes of the files."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from jinja2 import Template

from dialplane.plan.draft import Finding
from dialplane.plan.escape import Unrenderable, plain
from dialplane.plan.objects import (
    KEYS,
    DialplanContext,
    DialplanEntry,
    Dongle,
    Driver,
    Mailbox,
    Objects,
    PjsipObject,
    PjsipType,
    Setting,
)
from dialplane.plan.sheet import Sheet, limited, unrenderable
from dialplane.plan.templates import Templates

HEADER = "; Rendered by Dialplane from the manifests of this site: what is changed here by hand is overwritten.\n\n"

EXTENSIONS = "extensions.conf"
VOICEMAIL = "voicemail.conf"
SETTINGS_FILES = ("cdr.conf", "http.conf", "pjsip_placeholder.conf", "rtp.conf")
APPENDED = frozenset({"cdr.conf", "http.conf", "pjsip_placeholder.conf"})
"""Files whose base already opens the section: ours adds to it by `(+)`."""
FILES = (EXTENSIONS, VOICEMAIL, *SETTINGS_FILES, *(t.file for t in PjsipType))
"""Every file that a plan always has; certificates come and go below `keys/`, and the files of modem drivers."""

DIALPLAN_REVISION = "DIALPLANE_REVISION"
"""The variable in `[globals]` that marks which dialplan Asterisk runs."""


class Renderer:
    """Renders objects; what is the same object as in the plan before keeps its text."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._pjsip = {kind: Sheet[PjsipObject](HEADER) for kind in PjsipType}
        self._mailboxes = Sheet[Mailbox]()
        self._dongles = {driver: Sheet[Dongle](HEADER) for driver in Driver}
        self._contexts: dict[str, Sheet[DialplanEntry]] = {}

    def files(self, objects: Objects, retained: str = "") -> tuple[dict[str, str], list[Finding]]:
        """Every file with its whole text, and the findings about what no file can express: it is not in them.

        Args:
            objects: what Asterisk should hold, sorted.
            retained: routines of an older version that live calls still run in, verbatim.
        """
        findings: list[Finding] = []
        contexts = self._dialplan(objects.contexts, findings)
        sections = {path: self._settings(objects.settings, path, findings) for path in (VOICEMAIL, *SETTINGS_FILES)}
        variables = [f"{name} = {value}\n" for name, value in sorted(objects.globals.items())]
        parts = {
            **sections,
            EXTENSIONS: ["[globals]\n", *variables, "\n", *contexts, retained],
            VOICEMAIL: ["[default]\n", self._boxes(objects.mailboxes, findings), "\n", *sections[VOICEMAIL]],
        }
        files = {path: "".join((HEADER, *lines)) for path, lines in parts.items()}
        files |= self._objects(objects.pjsip, findings)
        files |= self._modems(objects.dongles, findings)
        for certificate in objects.certificates:
            files[f"{KEYS}/{certificate.name}.crt"] = plain(certificate.certificate)
            if certificate.key is not None:
                files[f"{KEYS}/{certificate.name}.key"] = plain(certificate.key)
        return files, findings

    def _objects(self, objects: tuple[PjsipObject, ...], findings: list[Finding]) -> dict[str, str]:
        of_kind: dict[PjsipType, tuple[PjsipObject, ...]] = dict.fromkeys(PjsipType, ())
        for kind, group in groupby(objects, key=attrgetter("type")):
            of_kind[kind] += tuple(group)
        files = {}
        for kind, pieces in of_kind.items():
            template = self._templates.get(f"pjsip_{kind}.conf.j2", "pjsip.conf.j2")
            sheet = self._pjsip[kind]
            files[kind.file] = sheet.lay_out(pieces, _rendering(template, "object"), attrgetter("owner"))
            findings += sheet.findings
        return files

    def _modems(self, dongles: tuple[Dongle, ...], findings: list[Finding]) -> dict[str, str]:
        """The file of each driver that has a modem: without one, nobody needs the module that reads it."""
        files = {}
        template = self._templates.get("dongle.conf.j2")
        for driver, sheet in self._dongles.items():
            mine = tuple(item for item in dongles if item.driver is driver)
            text = sheet.lay_out(mine, _rendering(template, "dongle"), attrgetter("owner"))
            findings += sheet.findings
            if mine:
                files[driver.file] = text
        return files

    def _boxes(self, boxes: tuple[Mailbox, ...], findings: list[Finding]) -> str:
        template = self._templates.get("voicemail.conf.j2")
        text = self._mailboxes.lay_out(boxes, _rendering(template, "mailbox"), attrgetter("owner"))
        findings += self._mailboxes.findings
        return text

    def _dialplan(self, contexts: Iterable[DialplanContext], findings: list[Finding]) -> list[str]:
        """The text of each context. Of many owners only those whose own lines do not fit are at fault."""
        head = self._templates.get("extensions.conf.j2")
        line = _rendering(self._templates.get("extensions_line.conf.j2"), "entry")
        before, self._contexts = self._contexts, {}
        texts: list[str] = []
        for each in contexts:
            sheet = self._contexts[each.name] = before.get(each.name) or Sheet[DialplanEntry]()
            try:
                begin = limited(head.render(context=replace(each, entries=())))
            except Unrenderable as error:
                findings.append((each.owner, unrenderable(error)))
                continue
            lines = sheet.lay_out(each.entries, line, attrgetter("owner"))
            findings += sheet.findings
            texts += (begin, lines, "\n")
        return texts

    def _settings(self, settings: Iterable[Setting], path: str, findings: list[Finding]) -> list[str]:
        own = () if path == VOICEMAIL else (f"{path}.j2",)  # voicemail.conf.j2 lays out a mailbox
        template = self._templates.get(*own, "settings.conf.j2")
        mine = sorted((s for s in settings if s.file == path), key=lambda s: (s.section, s.name, s.value))
        texts = []
        for name, group in groupby(mine, key=lambda s: s.section):
            section = tuple(group)
            try:
                text = template.render(section=name, appended=path in APPENDED, settings=section)
                texts.append(limited(text))
            except Unrenderable as error:
                findings.append((section[0].owner, unrenderable(error)))
        return texts


def _rendering(template: Template, name: str) -> Callable[[object], str]:
    return lambda piece: template.render({name: piece})
