"""Snapshot to plan."""

from collections import defaultdict
from collections.abc import Mapping

from dialplane.plan.checks import EXCLUDING, PARTIAL
from dialplane.plan.dialplan import dialplan, mailboxes
from dialplane.plan.digest import digest
from dialplane.plan.draft import Draft, Finding, eldest_first
from dialplane.plan.objects import Objects
from dialplane.plan.pjsip.builder import Builder
from dialplane.plan.plan import Pbx, Plan, Secrets, Version
from dialplane.plan.render import DIALPLAN_REVISION, Renderer, dialplan_revision
from dialplane.plan.settings import certificates, settings
from dialplane.plan.site import Site
from dialplane.plan.templates import Templates
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.references import secret_refs
from dialplane.resources.schedule import ScheduleSpec
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.snapshot import Snapshot

PEPPER_BYTES = 64
"""The longest key that BLAKE2b takes."""


class Planner:
    """Plans one site, again and again; remembers nothing but the objects and texts of what did not change."""

    def __init__(self, templates: Templates, config_directory: str | None = None) -> None:
        """Plan with these templates; `config_directory` stands in for what `Asterisk.spec.configDirectory` says."""
        self._builder = Builder()
        self._renderer = Renderer(templates)
        self._config_directory = config_directory

    def plan(self, snapshot: Snapshot, held: Mapping[Key, Version | None] | None = None, retained: str = "") -> Plan:
        """Check everything together, leave out what has problems, render the rest.

        Args:
            snapshot: the site.
            held: for resources whose version Asterisk refused: the one last verified, rendered in its place; None
                where there is none, and the resource is left out.
            retained: routines of an older version that live calls still run in, verbatim.

        Returns:
            The plan; a pure function of the arguments: whatever their order, the same bytes.
        """
        draft, disabled = _draft(snapshot, held or {})
        for check in EXCLUDING:
            draft.note(check(draft))
        while draft.asterisk_key in draft.resources:
            site = _site(snapshot.namespace, draft, self._config_directory)
            objects, findings = self._objects(site)
            files, unfit = self._renderer.files(objects, retained)
            if not draft.note((*findings, *unfit)):
                break  # nobody went, so this is what is served; else there are fewer each time
        else:
            return self._nothing(draft, disabled)
        for check in PARTIAL:
            draft.note(check(draft))
        return Plan(
            files=files,
            objects=objects,
            versions=_versions(draft, objects, site.pepper),
            problems=_frozen(draft.problems),
            disabled=disabled,
            pbx=_pbx(site),
            revision=digest(sorted(files.items()), pepper=site.pepper),
        )

    def _objects(self, site: Site) -> tuple[Objects, list[Finding]]:
        """Everything that Asterisk should hold, and the findings about what cannot be rendered."""
        pjsip, findings = self._builder.objects(site)
        contexts = dialplan(site)
        objects = Objects(
            pjsip=pjsip,
            contexts=contexts,
            globals={DIALPLAN_REVISION: dialplan_revision(contexts)},
            mailboxes=mailboxes(site),
            settings=tuple(settings(site)),
            certificates=tuple(certificates(site)),
        )
        return objects, findings

    def _nothing(self, draft: Draft, disabled: frozenset[Key]) -> Plan:
        """The plan of a site without an Asterisk: files that empty the one that was there."""
        message = f"{draft.asterisk_key} has problems of its own; mend them first"
        draft.note([(key, Problem(Reason.ASTERISK_MISSING, message)) for key in draft.resources])
        files, _ = self._renderer.files(Objects())
        return Plan(files=files, problems=_frozen(draft.problems), disabled=disabled)


def _draft(snapshot: Snapshot, held: Mapping[Key, Version | None]) -> tuple[Draft, frozenset[Key]]:
    versions = {key: held.get(key, Version(r, snapshot.secrets)) for key, r in snapshot.resources.items()}
    present = {key: version for key, version in versions.items() if version is not None}
    resources = [version.resource for version in present.values()]
    enabled = [r for r in resources if getattr(r.spec, "enabled", True)]
    draft = Draft({r.key: r for r in eldest_first(enabled)}, {key: version.secrets for key, version in present.items()})
    draft.note([(r.key, p) for r in enabled for p in r.problems])
    pbxes = draft.of(AsteriskSpec)
    if pbxes:
        draft.asterisk_key, draft.asterisk = pbxes[0]
        message = f"{draft.asterisk_key} serves this namespace already; a namespace has one Asterisk"
        draft.note([(key, Problem(Reason.CONFLICT, message)) for key, _ in pbxes[1:]])
    else:
        message = "no valid Asterisk in this namespace; create one"
        draft.note([(key, Problem(Reason.ASTERISK_MISSING, message)) for key in list(draft.resources)])
    return draft, frozenset(r.key for r in resources if r.spec is not None) - frozenset(r.key for r in enabled)


def _site(namespace: str, draft: Draft, config_directory: str | None) -> Site:
    assert draft.asterisk is not None  # noqa: S101 -- the caller made sure
    assert draft.asterisk_key is not None  # noqa: S101 -- likewise
    reference = draft.asterisk.ami.credentials_secret_ref
    values = draft.secrets[draft.asterisk_key].get(reference.name, {}) if reference else {}
    pepper = f"{namespace}\0{values['password'].get_secret_value() if 'password' in values else ''}"
    return Site(
        namespace=namespace,
        asterisk_key=draft.asterisk_key,
        asterisk=draft.asterisk.model_copy(update={"config_directory": config_directory})
        if config_directory
        else draft.asterisk,
        extensions=tuple(sorted(draft.of(ExtensionSpec), key=_by_key)),
        trunks=tuple(sorted(draft.of(SipTrunkSpec), key=_by_key)),
        schedules=tuple(sorted(draft.of(ScheduleSpec), key=_by_key)),
        secrets=draft.secrets,
        pepper=pepper.encode("utf-8", "surrogateescape")[:PEPPER_BYTES],
    )


def _versions(draft: Draft, objects: Objects, pepper: bytes) -> dict[Key, Version]:
    owned: dict[Key, list[object]] = defaultdict(list)
    for item in objects.pjsip:
        owned[item.owner].append((item.type, item.id, item.options))
    for context in objects.contexts:
        owned[context.owner].append((context.name, context.includes))
        for entry in context.entries:
            owned[entry.owner].append(
                (context.name, entry.extension, entry.priority, entry.application, entry.arguments)
            )
    for box in objects.mailboxes:
        owned[box.owner].append((box.number, box.pin, box.full_name, box.email, box.options))
    for setting in objects.settings:
        owned[setting.owner].append((setting.file, setting.section, setting.name, setting.value))
    for pair in objects.certificates:
        owned[pair.owner].append((pair.name, pair.certificate, pair.key))
    return {
        key: Version(resource, _referred(resource, draft.secrets[key]), digest(*owned[key], pepper=pepper))
        for key, resource in draft.resources.items()
    }


def _referred(resource: Resource, secrets: Secrets) -> Secrets:
    if resource.spec is None:
        return {}
    names = {name for _, name, _ in secret_refs(resource.spec, resource.key.name)}
    return {name: secrets[name] for name in sorted(names) if name in secrets}


def _pbx(site: Site) -> Pbx:
    credentials = site.credentials(site.asterisk_key, site.asterisk.ami)
    if credentials is None:
        return Pbx(site.asterisk_key, site.asterisk)
    return Pbx(site.asterisk_key, site.asterisk, credentials.username, credentials.password)


def _frozen(problems: Mapping[Key, list[Problem]]) -> dict[Key, tuple[Problem, ...]]:
    return {key: tuple(found) for key, found in problems.items()}


def _by_key(pair: tuple[Key, object]) -> Key:
    return pair[0]
