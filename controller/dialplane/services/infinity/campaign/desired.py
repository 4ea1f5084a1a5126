"""What one Campaign asks for, as its manifest, its ConfigMaps and the site say now. Pure."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.campaign import CampaignAgent, CampaignSpec, Destination
from dialplane.resources.config_map_ref import ConfigMapKeyRef
from dialplane.resources.key import Key
from dialplane.resources.numbering import Numbering, identity
from dialplane.resources.problem import Problem, Reason
from dialplane.services.contract import SiteView
from dialplane.services.infinity.campaign import destination_list
from dialplane.services.infinity.campaign.bad_list import BadLine, BadListError
from dialplane.services.infinity.campaign.own_trunks import Dialling, OwnTrunks, own_trunks
from dialplane.services.infinity.campaign.window import LOOK_AHEAD, CallingWindow
from dialplane.services.infinity.do_not_call import MIXED, NOBODY, Barred, mixed
from dialplane.services.infinity.tables.destinations import ListSource, NewDestination, WantedList
from dialplane.services.infinity.tenant import Tenant, site_numbering, tenants


@dataclass(frozen=True)
class Ingredients:
    """All that decides who is called: as long as these are equal, the list in the store is the list."""

    source: ListSource
    inline: tuple[Destination, ...]
    text: str | None
    """The CSV of a ConfigMap; None where the list comes from elsewhere, or the ConfigMap is missing."""
    do_not_call: tuple[str, ...]
    do_not_call_text: str | None
    max_attempts: int
    numbering: Numbering | None = None
    """How numbers without a country are written."""
    of_tenant: Barred = NOBODY
    """Whom no call of the tenant goes to."""
    named: tuple[str, str] = ("", "")
    """What the two texts are called, for messages."""
    ways: Dialling | None = None
    """What may be dialled over the site's own trunks."""

    def wanted(
        self,
        name: str,
        uid: str,
        uploaded: tuple[NewDestination, ...] | None = None,
        of_site: frozenset[str] = frozenset(),
    ) -> WantedList:
        """The list for the store. Takes long for a long one: in a thread.

        Args:
            name: the campaign's.
            uid: its uid.
            uploaded: who is on the list that somebody uploads.
            of_site: identities of whom nobody calls, by the list that is changed while running.

        Raises:
            BadListError: a ConfigMap's value is no list, or its numbers cannot be compared.
        """
        own = Barred.of((*self.do_not_call, *self._do_not_call()), self.numbering).identities
        blocked = own | self.of_tenant.identities | of_site
        entries = uploaded if self.source == "upload" else self._entries()
        if self.numbering is None:
            self._comparable(entries or (), own, blocked)
        if self.ways is not None:
            self._dialable(entries or (), self.ways)
        return WantedList(
            campaign=name,
            uid=uid,
            source=self.source,
            entries=entries,
            blocked=blocked,
            max_attempts=self.max_attempts,
            digest=self._digest(blocked),
            numbering=self.numbering,
        )

    def _dialable(self, entries: tuple[NewDestination, ...], ways: Dialling) -> None:
        """Who cannot be dialled is no destination."""
        bad = [(place, why) for place, each in enumerate(entries) if (why := ways.hindrance(each.number))]
        if bad:
            lines = [BadLine(0, f"{place + 1}. destination", why) for place, why in bad[: destination_list.SHOWN]]
            field = f"spec.destinations.{self.source}" if self.source != "upload" else "spec.destinations"
            raise BadListError(lines, len(bad) - len(lines), field.replace("configMap", "configMapRef"))

    def _comparable(self, entries: tuple[NewDestination, ...], own: frozenset[str], blocked: frozenset[str]) -> None:
        """Without a country, numbers that are written in different ways are not to be told apart."""
        listed = {identity(each.number, None) for each in entries}
        fields = {"inline": "spec.destinations.inline", "configMap": "spec.destinations.configMapRef", "upload": ""}
        for numbers, field in ((listed, fields[self.source]), (listed | own, "spec.doNotCall"), (listed | blocked, "")):
            if mixed(numbers):
                raise BadListError([BadLine(0, "", MIXED)], 0, field or "spec.destinations")

    def _digest(self, blocked: frozenset[str]) -> str:
        written = repr((self.source, self._written(), sorted(blocked), self.max_attempts, self.numbering))
        return hashlib.sha256(written.encode("utf-8", "surrogateescape")).hexdigest()

    def _do_not_call(self) -> tuple[str, ...]:
        for index, number in enumerate(self.do_not_call):
            if message := destination_list.bad_number(number, self.numbering):
                raise BadListError([BadLine(0, "", message)], 0, f"spec.doNotCall.numbers[{index}]")
        with _of("spec.doNotCall.configMapRef", self.named[1]):
            return destination_list.numbers(self.do_not_call_text or "", self.numbering)

    def _entries(self) -> tuple[NewDestination, ...]:
        if self.source == "configMap":
            with _of("spec.destinations.configMapRef", self.named[0]):
                found = destination_list.destinations(self.text, self.numbering) if self.text is not None else ()
                if self.text is not None and not found:
                    raise BadListError([BadLine(0, "", "nobody is on the list: add a line for each, below the header")])
                return found
        for index, each in enumerate(self.inline):
            if message := destination_list.bad_destination(each.number, self.numbering):
                raise BadListError([BadLine(0, "", message)], 0, f"spec.destinations.inline[{index}].number")
        return tuple(NewDestination(each.number, each.case_id) for each in self.inline)

    def _written(self) -> object:
        return [(each.number, each.case_id) for each in self.inline] if self.text is None else self.text


@contextmanager
def _of(field: str, source: str) -> Iterator[None]:
    try:
        yield
    except BadListError as error:
        raise BadListError(error.lines, error.more, field, source) from None


@dataclass(frozen=True)
class DesiredCampaign:
    """One Campaign whose manifest is valid."""

    key: Key
    uid: str
    spec: CampaignSpec
    accepted: bool
    begun: bool
    """By its status it has called somebody."""
    window: CallingWindow
    ingredients: Ingredients
    own: OwnTrunks | None = None
    """How it calls without a tenant."""

    @property
    def carrier(self) -> str:
        """What its calls go over: a tenant's name, or one that no tenant has."""
        return self.spec.tenant or f"@{self.name}"

    @property
    def bot(self) -> CampaignAgent | None:
        """The bot that takes its calls, as if it were an agent; None where people do."""
        if self.spec.voice_bot is None:
            return None
        number = self.spec.voice_bot.callback_number or ""
        return CampaignAgent.model_construct(id=self.spec.voice_bot.name, callback_number=number)

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.key.name

    def never_opens(self, now: datetime) -> Problem | None:
        """The problem of windows that leave no minute to call in, from now on for more than a year."""
        if self.window.next_open(now) is not None:
            return None
        message = f"its calling windows never open within {LOOK_AHEAD} days: every day of theirs is a holiday"
        return Problem(Reason.INVALID, message, "spec.callingWindows")

    @cached_property
    def token(self) -> str:
        """What its calls are asked for with."""
        return f"campaign/{self.uid}"


def desired_campaigns(view: SiteView, known: Mapping[str, Tenant]) -> dict[str, DesiredCampaign]:
    """Every Campaign with a valid manifest, by its uid; `known` are the tenants of the same view."""
    return {duty.uid: duty for duty in _duties(view, known)}


def faults(view: SiteView, now: datetime) -> Iterator[tuple[Key, Problem]]:
    """What keeps tenants and campaigns from being served, though the plan accepts them: for who only checks a site."""
    known = tenants(view)
    yield from ((tenant.key, tenant.problem) for tenant in known.values() if tenant.problem is not None)
    for duty in _duties(view, known):
        if (problem := duty.never_opens(now)) is not None:
            yield duty.key, problem
        try:
            duty.ingredients.wanted(duty.name, duty.uid)
        except BadListError as error:
            yield duty.key, Problem(Reason.INVALID, str(error), error.field)


def _duties(view: SiteView, known: Mapping[str, Tenant]) -> Iterator[DesiredCampaign]:
    asterisk = next((spec for _, spec in view.snapshot.of(AsteriskSpec)), None)
    zone = asterisk.time_zone if asterisk else "UTC"
    for resource, spec in view.snapshot.of(CampaignSpec):
        wanted, unwanted = spec.destinations, spec.do_not_call
        source: ListSource = "upload" if wanted.upload else "configMap" if wanted.config_map_ref else "inline"
        tenant = known.get(spec.tenant) if spec.tenant is not None else None
        own = own_trunks(view, resource.key.name, spec, asterisk)
        yield DesiredCampaign(
            key=resource.key,
            uid=resource.uid,
            spec=spec,
            accepted=resource.key in view.accepted,
            begun=bool(resource.begun),
            window=CallingWindow(spec.time_zone or zone, spec.calling_windows, spec.holidays),
            ingredients=Ingredients(
                source=source,
                inline=wanted.inline or (),
                text=_text(view, wanted.config_map_ref),
                do_not_call=unwanted.numbers,
                do_not_call_text=_text(view, unwanted.config_map_ref),
                max_attempts=spec.attempts.max,
                numbering=tenant.numbering if tenant else site_numbering(view.snapshot),
                of_tenant=tenant.barred if tenant else NOBODY,
                named=(_named(wanted.config_map_ref), _named(unwanted.config_map_ref)),
                ways=own.dialling if own else None,
            ),
            own=own,
        )


def _named(reference: ConfigMapKeyRef | None) -> str:
    return f"ConfigMap {reference.name}, key {reference.key}" if reference else ""


def _text(view: SiteView, reference: ConfigMapKeyRef | None) -> str | None:
    return view.snapshot.config_maps.get(reference.name, {}).get(reference.key) if reference else None
