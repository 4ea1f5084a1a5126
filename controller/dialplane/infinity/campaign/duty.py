"""What one Campaign asks for, as its manifest, its ConfigMaps and the site say now. Pure."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from dialplane.infinity.campaign import destination_list
from dialplane.infinity.campaign.destination_list import BadListError
from dialplane.infinity.campaign.window import CallingWindow
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.campaign import CampaignSpec, Destination
from dialplane.resources.config_map_ref import ConfigMapKeyRef
from dialplane.resources.key import Key
from dialplane.service import SiteView
from dialplane.store.destinations import ListSource, NewDestination, WantedList, digits


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

    def wanted(self, name: str, uid: str, uploaded: tuple[NewDestination, ...] | None = None) -> WantedList:
        """The list for the store. Takes long for a long one: in a thread.

        Raises:
            BadListError: a ConfigMap's value is no list.
        """
        blocked = frozenset(map(digits, (*self.do_not_call, *self._do_not_call())))
        return WantedList(
            campaign=name,
            uid=uid,
            source=self.source,
            entries=uploaded if self.source == "upload" else self._entries(),
            blocked=blocked,
            max_attempts=self.max_attempts,
            digest=self._digest(blocked),
        )

    def _digest(self, blocked: frozenset[str]) -> str:
        written = repr((self.source, self._written(), sorted(blocked), self.max_attempts))
        return hashlib.sha256(written.encode("utf-8", "surrogateescape")).hexdigest()

    def _do_not_call(self) -> tuple[str, ...]:
        with _of("spec.doNotCall.configMapRef"):
            return destination_list.numbers(self.do_not_call_text or "")

    def _entries(self) -> tuple[NewDestination, ...]:
        if self.source == "configMap":
            with _of("spec.destinations.configMapRef"):
                return destination_list.destinations(self.text) if self.text is not None else ()
        return tuple(NewDestination(each.number, each.case_id) for each in self.inline)

    def _written(self) -> object:
        return [(each.number, each.case_id) for each in self.inline] if self.text is None else self.text


@contextmanager
def _of(field: str) -> Iterator[None]:
    try:
        yield
    except BadListError as error:
        raise BadListError(error.lines, error.more, field) from None


@dataclass(frozen=True)
class Duty:
    """One Campaign whose manifest is valid."""

    key: Key
    uid: str
    spec: CampaignSpec
    accepted: bool
    begun: bool
    """By its status it has called somebody."""
    window: CallingWindow
    ingredients: Ingredients

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.key.name

    @cached_property
    def token(self) -> str:
        """What its calls are asked for with."""
        return f"campaign/{self.uid}"


def duties(view: SiteView) -> dict[str, Duty]:
    """Every Campaign with a valid manifest, by its uid."""
    return {duty.uid: duty for duty in _duties(view)}


def _duties(view: SiteView) -> Iterator[Duty]:
    zone = next((spec.time_zone for _, spec in view.snapshot.of(AsteriskSpec)), "UTC")
    for resource, spec in view.snapshot.of(CampaignSpec):
        wanted, unwanted = spec.destinations, spec.do_not_call
        source: ListSource = "upload" if wanted.upload else "configMap" if wanted.config_map_ref else "inline"
        yield Duty(
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
            ),
        )


def _text(view: SiteView, reference: ConfigMapKeyRef | None) -> str | None:
    return view.snapshot.config_maps.get(reference.name, {}).get(reference.key) if reference else None
