"""From objects to the bytes of the files."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby

from dialplane.plan.digest import digest
from dialplane.plan.escape import LINE_LIMIT, Unrenderable, plain
from dialplane.plan.objects import DialplanContext, Mailbox, Objects, PjsipObject, PjsipType, Setting
from dialplane.plan.templates import Templates
from dialplane.resources.key import Key

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


class Renderer:
    """Renders objects, remembering the text of each from one plan to the next: most of a site does not change."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._texts: dict[PjsipObject | DialplanContext, str] = {}

    def unrenderable(self, objects: Objects) -> dict[Key, Unrenderable]:
        """Whose objects the templates cannot lay out, and why: asked only after `files` raised."""
        found: dict[Key, Unrenderable] = {}
        parts: list[tuple[Key, Objects]] = [(o.owner, Objects(pjsip=(o,))) for o in objects.pjsip]
        parts += [(m.owner, Objects(mailboxes=(m,))) for m in objects.mailboxes]
        parts += [(s.owner, Objects(settings=(s,))) for s in objects.settings]
        for context in objects.contexts:
            parts.append((context.owner, Objects(contexts=(replace(context, entries=()),))))
            parts += [(e.owner, Objects(contexts=(replace(context, entries=(e,)),))) for e in context.entries]
        for owner, part in parts:
            try:
                Renderer(self._templates).files(part)
            except Unrenderable as error:
                found.setdefault(owner, error)
        return found

    def files(self, objects: Objects, retained: str = "") -> dict[str, str]:
        """Every file with its whole text.

        Args:
            objects: what Asterisk should hold, sorted.
            retained: routines of an older version that live calls still run in, verbatim.

        Raises:
            Unrenderable: a value that no file can express; `unrenderable` says whose.
        """
        texts = self._texts
        self._texts = {}
        files = dict.fromkeys(FILES, HEADER)
        for kind, group in groupby(objects.pjsip, key=lambda o: o.type):
            template = self._templates.get(f"pjsip_{kind}.conf.j2", "pjsip.conf.j2")
            for item in group:
                text = self._texts[item] = texts.get(item) or _limited(template.render(object=item))
                files[kind.file] += text
        files[EXTENSIONS] += self._extensions(objects, texts) + retained
        files[VOICEMAIL] += self._voicemail(objects.mailboxes) + "\n" + self._settings(objects.settings, VOICEMAIL)
        files.update({path: HEADER + self._settings(objects.settings, path) for path in SETTINGS_FILES})
        for certificate in objects.certificates:
            files[f"keys/{certificate.name}.crt"] = plain(certificate.certificate)
            files[f"keys/{certificate.name}.key"] = plain(certificate.key)
        return files

    def _extensions(self, objects: Objects, known: Mapping[PjsipObject | DialplanContext, str]) -> str:
        template = self._templates.get("extensions.conf.j2")
        for context in objects.contexts:
            self._texts[context] = known.get(context) or _limited(template.render(context=context))
        contexts = "".join(self._texts[c] for c in objects.contexts)
        variables = "".join(f"{name} = {value}\n" for name, value in sorted(objects.globals.items()))
        return f"[globals]\n{variables}\n{contexts}"

    def _voicemail(self, mailboxes: Iterable[Mailbox]) -> str:
        template = self._templates.get("voicemail.conf.j2")
        return "[default]\n" + "".join(_limited(template.render(mailbox=m)) for m in mailboxes)

    def _settings(self, settings: Iterable[Setting], path: str) -> str:
        own = () if path == VOICEMAIL else (f"{path}.j2",)  # voicemail.conf.j2 lays out a mailbox
        template = self._templates.get(*own, "settings.conf.j2")
        mine = sorted((s for s in settings if s.file == path), key=lambda s: (s.section, s.name, s.value))
        return "".join(
            _limited(template.render(section=name, appended=path in APPENDED, settings=tuple(group)))
            for name, group in groupby(mine, key=lambda s: s.section)
        )


def dialplan_revision(contexts: Iterable[DialplanContext]) -> str:
    """The mark of this dialplan: the same contexts, the same mark."""
    return digest(*((c.name, c.includes, tuple((*_entry(e),) for e in c.entries)) for c in contexts))


def _entry(entry: object) -> tuple[str, ...]:
    names = ("extension", "priority", "label", "application", "arguments")
    return tuple(str(getattr(entry, name)) for name in names)


def _limited(text: str) -> str:
    if len(text) > LINE_LIMIT and any(len(line.encode("utf-8", "replace")) > LINE_LIMIT for line in text.splitlines()):
        raise Unrenderable(f"makes a line longer than {LINE_LIMIT} bytes, which Asterisk would skip")
    return text
