"""What each resource of a site brings to it: made once, kept from plan to plan as long as it would be made the same.

What an extension or a trunk brings by itself depends on its spec, its Secrets and the Asterisk alone. What is made anew
but says the same stays the object that it was, so that all that follows (order, texts, marks, read-back) can tell by
`is` what changed.
"""

from bisect import insort
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from dialplane.plan.authorities import Authorities, authorities
from dialplane.plan.cabins import Cabin
from dialplane.plan.dialplan import Lines, dialplan
from dialplane.plan.dialplan.cabins import number_line
from dialplane.plan.dialplan.contexts import INTERNAL, VOICEMAIL
from dialplane.plan.dialplan.endpoints import extension_variables
from dialplane.plan.dialplan.voicemail import box_line, mailbox
from dialplane.plan.dongles import dongle
from dialplane.plan.draft import Finding
from dialplane.plan.escape import Unrenderable, escape
from dialplane.plan.objects import DialplanContext, DialplanEntry, Dongle, Mailbox, PjsipObject, PjsipType
from dialplane.plan.pjsip.asterisk import asterisk_objects
from dialplane.plan.pjsip.extension import extension_objects
from dialplane.plan.pjsip.options import REVISION, assigned
from dialplane.plan.pjsip.trunk import trunk_objects
from dialplane.plan.plan import Secrets
from dialplane.plan.revision import Line, of_dongle, of_entry, of_mailbox, of_object, revision
from dialplane.plan.sheet import unrenderable
from dialplane.plan.site import Site
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import SipTrunkSpec

Owner = AsteriskSpec | ExtensionSpec | SipTrunkSpec | DongleSpec
Piece = TypeVar("Piece")

FEW = 100
"""Newcomers that are put into their places one by one; more are sorted in."""

LATELY = 4
"""Versions of each of the Asterisk's own objects to remember: within one plan they may change to and fro."""

_ORDER = {kind: index for index, kind in enumerate(PjsipType)}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one resource brings, and the very spec and Secrets that it was made of."""

    spec: Owner
    secrets: Secrets = field(repr=False)
    pjsip: tuple[PjsipObject, ...]
    numbers: tuple[DialplanEntry, ...] = ()
    boxes: tuple[DialplanEntry, ...] = ()
    mailboxes: tuple[Mailbox, ...] = ()
    dongles: tuple[Dongle, ...] = ()
    revision: str = ""
    """Of an extension: it brings nothing but this."""
    cabin: Cabin | None = None
    """The cabin whose telephone the extension is; None: it is an ordinary one."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """What of it `revision.owned` does not know."""
        return *map(of_object, self.pjsip), *map(of_dongle, self.dongles)


class Builder:
    """Builds one site, again and again."""

    def __init__(self) -> None:
        self._whole: tuple[Key, AsteriskSpec, bytes, int | None] | None = None
        self._trusted: Mapping[str, Authorities] = {}
        self._networks: Mapping[Key, tuple[str, ...]] = {}
        self._lately: dict[str, deque[PjsipObject]] = defaultdict(lambda: deque(maxlen=LATELY))
        self._pjsip = _Ordered[PjsipObject](lambda o: (_ORDER[o.type], o.id, o.owner))
        self._numbers = _Ordered[DialplanEntry](lambda e: e.extension)
        self._boxes = _Ordered[DialplanEntry](lambda e: e.extension)
        self._mailboxes = _Ordered[Mailbox](lambda box: box.number)
        self._dongles = _Ordered[Dongle](lambda dongle: dongle.name)
        self.parts: dict[Key, Part] = {}
        """What every resource of the last site brought."""

    def build(self, site: Site) -> list[Finding]:
        """Take in a site; returns the findings about what no file can express: whoever has one brings nothing."""
        findings: list[Finding] = []
        whole = (site.asterisk_key, site.asterisk, site.pepper, site.rtp_keepalive)
        same = whole == self._whole
        trusted, networks = authorities(site), site.identification.networks
        other = trusted != self._trusted
        before, self.parts = self.parts, {}
        gone: list[Part] = []
        come: list[Part] = []
        owners: list[tuple[Key, Owner]] = [
            (site.asterisk_key, site.asterisk), *site.extensions, *site.trunks, *site.dongles
        ]  # fmt: skip
        for key, spec in owners:
            known = before.get(key)
            stale = not same or (other and key == site.asterisk_key) or networks.get(key) != self._networks.get(key)
            stale = stale or known is None or known.spec is not spec or known.secrets is not site.secrets.get(key)
            if known is None or stale or known.cabin != _cabin(site, spec):
                try:
                    part = _part(site, key, spec)
                except Unrenderable as error:
                    findings.append((key, unrenderable(error)))
                    continue
                if key == site.asterisk_key:
                    part = replace(part, pjsip=tuple(map(self._as_lately, part.pjsip)))
                if known is not None:
                    part = _kept(known, part)
                    gone.append(known)
                come.append(part)
                self.parts[key] = part
            else:
                self.parts[key] = known
        gone += [before[key] for key in before.keys() - self.parts.keys()]
        self._whole, self._trusted, self._networks = whole, trusted, networks
        self._pjsip.change((p.pjsip for p in gone), (p.pjsip for p in come))
        self._numbers.change((p.numbers for p in gone), (p.numbers for p in come))
        self._boxes.change((p.boxes for p in gone), (p.boxes for p in come))
        self._mailboxes.change((p.mailboxes for p in gone), (p.mailboxes for p in come))
        self._dongles.change((p.dongles for p in gone), (p.dongles for p in come))
        return findings

    def _as_lately(self, item: PjsipObject) -> PjsipObject:
        """The object that said the same a moment ago: a trunk that goes out takes its authorities from a transport."""
        known = self._lately[item.name]
        same = next((one for one in known if one == item), None)
        if same is None:
            known.append(item)
        return same or item

    @property
    def pjsip(self) -> tuple[PjsipObject, ...]:
        """Every object, by type and id."""
        return self._pjsip.items

    @property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        """Every mailbox, by number."""
        return self._mailboxes.items

    @property
    def dongles(self) -> tuple[Dongle, ...]:
        """Every modem, by driver and name."""
        return self._dongles.items

    def contexts(self, site: Site, before: Iterable[DialplanContext]) -> tuple[DialplanContext, ...]:
        """Every context of the site that was built last, by name; those of `before` that say the same stay."""
        known = {c.name: c for c in before}
        made = dialplan(site, Lines(self._numbers.items, self._boxes.items))
        return tuple(known[c.name] if known.get(c.name) == c else c for c in made)


class _Ordered(Generic[Piece]):
    """Pieces in their order; the same tuple as long as it holds the same pieces."""

    def __init__(self, place: Callable[[Piece], Any]) -> None:
        self._place = place
        self.items: tuple[Piece, ...] = ()

    def change(self, gone: Iterable[Iterable[Piece]], come: Iterable[Iterable[Piece]]) -> None:
        """Take pieces out and others in; what goes and comes stays."""
        old = {id(piece): piece for pieces in gone for piece in pieces}
        new = [piece for pieces in come for piece in pieces if old.pop(id(piece), None) is None]
        if not old and not new:
            return
        items = [piece for piece in self.items if id(piece) not in old] if old else [*self.items]
        if len(new) > FEW:
            items = sorted((*items, *new), key=self._place)
        else:
            for piece in new:
                insort(items, piece, key=self._place)
        self.items = tuple(items)


def _part(site: Site, key: Key, spec: Owner) -> Part:
    secrets = site.secrets.get(key, {})
    match spec:
        case AsteriskSpec():
            return Part(spec, secrets, tuple(asterisk_objects(site)))
        case SipTrunkSpec():
            return Part(spec, secrets, tuple(_marked(list(trunk_objects(site, key, spec)), (), site.pepper)))
        case DongleSpec():
            return Part(spec, secrets, (), dongles=(dongle(key, spec),))
    cabin = _cabin(site, spec)
    variables = tuple(extension_variables(spec, cabin))
    pjsip = tuple(_marked(list(extension_objects(site, key, spec)), variables, site.pepper))
    number = number_line(site, key, spec)
    boxes = (box_line(key, spec),) if spec.has_mailbox else ()
    mailboxes = (mailbox(site, key, spec),) if spec.has_mailbox else ()
    lines = [
        *map(of_object, pjsip),
        of_entry(INTERNAL, number),
        *(of_entry(VOICEMAIL, box) for box in boxes),
        *map(of_mailbox, mailboxes),
    ]
    mark = revision(lines, site.pepper)
    return Part(spec, secrets, pjsip, (number,), boxes, mailboxes, revision=mark, cabin=cabin)


def _cabin(site: Site, spec: Owner) -> Cabin | None:
    return site.cabins.get(spec.number) if isinstance(spec, ExtensionSpec) else None


def _kept(before: Part, now: Part) -> Part:
    """`now`, with the objects of `before` that say the same."""
    return Part(
        now.spec,
        now.secrets,
        _same(before.pjsip, now.pjsip),
        _same(before.numbers, now.numbers),
        _same(before.boxes, now.boxes),
        _same(before.mailboxes, now.mailboxes),
        _same(before.dongles, now.dongles),
        now.revision,
        now.cabin,
    )


def _same(before: tuple[Piece, ...], now: tuple[Piece, ...]) -> tuple[Piece, ...]:
    return tuple(next((old for old in before if old == piece), piece) for piece in now)


def _marked(objects: list[PjsipObject], variables: tuple[tuple[str, str], ...], pepper: bytes) -> Iterator[PjsipObject]:
    """The objects of one resource, its endpoint with its variables and the revision of them all."""
    mark = revision((*map(of_object, objects), variables), pepper)
    for item in objects:
        for _, value in item.options:
            escape(value)
        if item.type is PjsipType.ENDPOINT:
            options = (*item.options, *assigned((*variables, (REVISION, mark))))
            yield PjsipObject(item.type, item.id, options, item.owner)
        else:
            yield item
