"""Snapshot to plan."""

from collections.abc import Mapping

from dialplane.plan.builder import Builder
from dialplane.plan.cabins import cabins
from dialplane.plan.checking import Checker, draft_of, note_without_asterisk
from dialplane.plan.checks import PARTIAL
from dialplane.plan.draft import Draft, Finding
from dialplane.plan.identification import identification
from dialplane.plan.marks import Marks
from dialplane.plan.objects import DialplanContext, Objects
from dialplane.plan.plan import Pbx, Plan, Version
from dialplane.plan.render import DIALPLAN_REVISION, Renderer
from dialplane.plan.revision import owned, revision
from dialplane.plan.roll import Roll, Share
from dialplane.plan.settings import certificates, settings
from dialplane.plan.site import Site
from dialplane.plan.templates import Templates
from dialplane.plan.voice_bots import bots
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem
from dialplane.resources.schedule import ScheduleSpec
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.snapshot import Snapshot

PEPPER_BYTES = 64
"""The longest key that BLAKE2b takes."""


class Planner:
    """Plans one site, again and again.

    What it remembers is what was made of single things (`Share`, `Part`, `Sheet`, `Marks`), each used again only where
    it would be made the same; the plan is put together from them anew. So it is a pure function of its arguments, and
    after a change only what changed is checked, built, rendered and named.
    """

    def __init__(self, templates: Templates, config_directory: str | None = None) -> None:
        """Plan with these templates; `config_directory` stands in for what `Asterisk.spec.configDirectory` says."""
        self._roll = Roll()
        self._builder = Builder()
        self._renderer = Renderer(templates)
        self._marks = Marks()
        self._config_directory = config_directory
        self._checker = Checker()
        self._contexts: tuple[DialplanContext, ...] = ()
        self._versions: Mapping[Key, Version] = {}
        self._last: tuple[str, Plan] | None = None

    def plan(self, snapshot: Snapshot, held: Mapping[Key, Version | None] | None = None, retained: str = "") -> Plan:
        """Check everything together, leave out what has problems, render the rest.

        Args:
            snapshot: the site.
            held: for resources whose version Asterisk refused: the one last verified, rendered in its place; None
                where there is none, and the resource is left out.
            retained: routines of an older version that live calls still run in, verbatim.

        Returns:
            The plan; a pure function of the arguments: whatever their order, and whatever was planned before, the same
            bytes.
        """
        changed = self._roll.call(snapshot, held or {})
        last, self._last = self._last, None
        if changed or last is None or last[0] != retained:
            last = retained, self._planned(snapshot.namespace, retained)
        self._last = last
        return last[1]

    def _planned(self, namespace: str, retained: str) -> Plan:
        shares = self._roll.shares
        draft = draft_of(shares)
        disabled = frozenset(draft.disabled)
        self._checker.exclude(draft, shares)
        while draft.asterisk_key in draft.resources:
            site = _site(namespace, draft, shares, self._config_directory)
            objects, findings = self._objects(site)
            files, unfit = self._renderer.files(objects, retained)
            if not draft.note((*findings, *unfit)):
                break  # nobody went, so this is what is served; else there are fewer each time
        else:
            return self._nothing(draft, disabled)
        for check in PARTIAL:
            draft.note(check(draft))
        self._contexts = objects.contexts
        self._versions = self._versioned(draft, objects, site.pepper)
        return Plan(
            files=files,
            objects=objects,
            versions=self._versions,
            problems=_frozen(draft.problems),
            disabled=disabled,
            pbx=_pbx(site),
            revision=self._marks.files(files, site.pepper),
        )

    def _objects(self, site: Site) -> tuple[Objects, list[Finding]]:
        """Everything that Asterisk should hold, and the findings about what cannot be rendered."""
        findings = self._builder.build(site)
        contexts = self._builder.contexts(site, self._contexts)
        objects = Objects(
            pjsip=self._builder.pjsip,
            contexts=contexts,
            globals={DIALPLAN_REVISION: self._marks.dialplan(contexts)},
            mailboxes=self._builder.mailboxes,
            dongles=self._builder.dongles,
            settings=tuple(settings(site)),
            certificates=tuple(certificates(site)),
        )
        return objects, findings

    def _versioned(self, draft: Draft, objects: Objects, pepper: bytes) -> dict[Key, Version]:
        """The version of each resource that is served; the very same as before where nothing of it changed."""
        shares, parts = self._roll.shares, self._builder.parts
        marks = {key: part.revision for key, part in parts.items() if part.revision}
        for key, lines in owned(objects, draft.resources.keys() - marks.keys()).items():
            own = parts[key].lines if key in parts else ()
            marks[key] = revision((*own, *lines), pepper) if own or lines else ""
        known, versions = self._versions, {}
        for key in draft.resources:
            share, before, mark = shares[key], known.get(key), marks[key]
            if before is None or before.secrets is not share.secrets or before.revision != mark:
                before = Version(share.resource, share.secrets, mark)
            versions[key] = before
        return versions

    def _nothing(self, draft: Draft, disabled: frozenset[Key]) -> Plan:
        """The plan of a site without an Asterisk: files that empty the one that was there."""
        note_without_asterisk(draft)
        files, _ = self._renderer.files(Objects())
        return Plan(files=files, problems=_frozen(draft.problems), disabled=disabled)


def _site(namespace: str, draft: Draft, shares: Mapping[Key, Share], config_directory: str | None) -> Site:
    assert draft.asterisk is not None  # noqa: S101 -- the caller made sure
    assert draft.asterisk_key is not None  # noqa: S101 -- likewise
    reference = draft.asterisk.ami.credentials_secret_ref
    values = draft.secrets[draft.asterisk_key].get(reference.name, {}) if reference else {}
    pepper = f"{namespace}\0{values['password'].get_secret_value() if 'password' in values else ''}"
    trunks = draft.of(SipTrunkSpec)
    return Site(
        namespace=namespace,
        asterisk_key=draft.asterisk_key,
        asterisk=draft.asterisk.model_copy(update={"config_directory": config_directory})
        if config_directory
        else draft.asterisk,
        extensions=tuple(draft.of(ExtensionSpec)),
        trunks=tuple(sorted(trunks, key=_by_key)),
        schedules=tuple(sorted(draft.of(ScheduleSpec), key=_by_key)),
        dongles=tuple(sorted(draft.of(DongleSpec), key=_by_key)),
        secrets=draft.secrets,
        identification=identification(draft.asterisk, trunks),
        cabins=cabins(draft, shares),
        voice_bots=bots(draft),
        pepper=pepper.encode("utf-8", "surrogateescape")[:PEPPER_BYTES],
    )


def _pbx(site: Site) -> Pbx:
    main = site.account(site.asterisk_key, site.asterisk.ami.credentials_secret_ref)
    calls = site.account(site.asterisk_key, site.asterisk.ami.calls_credentials_secret_ref)
    return Pbx(
        site.asterisk_key,
        site.asterisk,
        username=main.username if main else None,
        secret=main.password if main else None,
        calls_username=calls.username if calls else None,
        calls_secret=calls.password if calls else None,
    )


def _frozen(problems: Mapping[Key, list[Problem]]) -> dict[Key, tuple[Problem, ...]]:
    return {key: tuple(found) for key, found in problems.items()}


def _by_key(pair: tuple[Key, object]) -> Key:
    return pair[0]
