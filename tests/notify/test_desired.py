"""Which events a Notifier is told."""

from dataclasses import asdict
from typing import Any

import pytest

from dialplane.services.notify.desired import desired_notifiers
from dialplane.store.events import Event, NewEvent
from tests.notify.site import notifier, sms, unregistered, view


def wants(event: NewEvent, **spec: Any) -> bool:
    [duty] = desired_notifiers(view(notifier("a", **spec), a="json://127.0.0.1"), {}).values()
    return duty.delivery(Event(**asdict(event), seq=1)) is not None


@pytest.mark.parametrize(
    ("wanted", "event", "spec"),
    [
        (True, sms(), {"events": ["sms.received"]}),
        (False, sms(), {"events": ["sms.failed"]}),
        (False, sms(), {}),
        (True, sms(notifiers=["a"]), {}),
        (False, sms(notifiers=["b"]), {}),
        (True, sms(), {"events": ["sms.received"], "filter": {"dongles": ["gsm1"]}}),
        (False, sms(), {"events": ["sms.received"], "filter": {"dongles": ["gsm2"]}}),
        (False, sms(notifiers=["a"]), {"filter": {"dongles": ["gsm2"]}}),
        (True, sms(), {"events": ["sms.received"], "filter": {"senders": ["+15550100"]}}),
        (False, sms(), {"events": ["sms.received"], "filter": {"senders": ["MyBank"]}}),
        (True, sms(), {"events": ["sms.received"], "filter": {"trunks": ["carrier"]}}),
        (True, unregistered(), {"events": ["trunk.unregistered"], "filter": {"trunks": ["carrier"]}}),
        (False, unregistered(), {"events": ["trunk.unregistered"], "filter": {"trunks": ["other"]}}),
        (True, unregistered(), {"events": ["trunk.unregistered"], "filter": {"dongles": ["gsm1"]}}),
    ],
)
def test_events_and_filter_say_what_is_told(wanted: bool, event: NewEvent, spec: dict[str, Any]) -> None:
    assert wants(event, **spec) is wanted


def test_a_notifier_that_did_not_change_is_not_read_again() -> None:
    seen = view(notifier("a"), a="json://127.0.0.1")
    first = desired_notifiers(seen, {})
    assert desired_notifiers(seen, first)["a"] is first["a"]
    assert desired_notifiers(view(notifier("a"), a="json://127.0.0.2"), first)["a"] is not first["a"]


def test_no_representation_shows_the_url() -> None:
    assert "hidden-token" not in repr(desired_notifiers(view(notifier("a"), a="json://127.0.0.1/hidden-token"), {}))
