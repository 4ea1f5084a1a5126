"""What serves the site beside Asterisk: seen, heard, kept going."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from dialplane.plan.plan import Plan
from dialplane.reconcile import services as module
from dialplane.reconcile.report import Findings, Judged, Reporter
from dialplane.reconcile.services import Services
from dialplane.reconcile.settings import AmiDefaults
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth, status_of
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sms_message import SmsMessageSpec
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.tasks import Backoff

TEXT = Key("SmsMessage", "hello")
PHONE = Key("Extension", "ann")
BOT = Key("VoiceBot", "desk")


def condition(status: Truth, reason: Reason) -> Condition:
    return Condition(ConditionType.READY, status, reason)


class Messages:
    """A service that knows of one message."""

    def __init__(self, said: ServiceReport = ServiceReport(), *, fails: int = 0) -> None:  # noqa: B008 -- it never changes
        self.views: list[SiteView] = []
        self.heard: list[Mapping[Key, Report]] = []
        self.starts = 0
        self._said = said
        self._fails = fails

    def observe(self, view: SiteView) -> None:
        self.views.append(view)

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        self.heard.append(reports)

    def reports(self) -> Mapping[Key, ServiceReport]:
        return {TEXT: self._said, Key("SmsMessage", "deleted"): self._said}

    async def run(self, changed: Callable[[], None]) -> None:
        self.starts += 1
        if self.starts <= self._fails:
            raise RuntimeError("the store is away")
        changed()
        await asyncio.Event().wait()


class Removed:
    def __init__(self) -> None:
        self.uids: list[str] = []

    def remove(self, key: Key, uid: str) -> None:
        assert key == TEXT
        self.uids.append(uid)


def reports() -> dict[Key, Report]:
    queued = (condition(Truth.UNKNOWN, Reason.UNKNOWN),)
    return {key: Report(key, f"uid-{key.name}", 1, queued, {"kept": 1}) for key in (TEXT, PHONE)}


def test_what_a_service_says_takes_the_place_of_what_the_loop_says_of_that_resource_alone() -> None:
    delivered = condition(Truth.TRUE, Reason.DELIVERED)
    services = Services(
        [Messages(ServiceReport((delivered,), {"phase": "Delivered"}))], AmiDefaults(), lambda: None, None
    )
    found = services.completed(reports())
    assert found[TEXT].conditions == (delivered,)
    assert found[TEXT].fields == {"kept": 1, "phase": "Delivered"}
    assert found[PHONE] == reports()[PHONE]
    assert found.keys() == {TEXT, PHONE}


@pytest.mark.parametrize(("partial", "reason"), [(True, Reason.REFERENCE_MISSING), (False, Reason.DELIVERED)])
def test_a_service_does_not_hide_that_a_part_is_left_out(*, partial: bool, reason: Reason) -> None:
    delivered = condition(Truth.TRUE, Reason.DELIVERED)
    services = Services([Messages(ServiceReport((delivered,)))], AmiDefaults(), lambda: None, None)
    problem = Problem(Reason.REFERENCE_MISSING, "there is no Dongle", "spec.filter", partial=partial)
    services.observe(Judged(Snapshot("office"), Plan(problems={TEXT: (problem,)}), Findings()))
    left_out = Report(TEXT, "uid-hello", 1, (condition(Truth.FALSE, Reason.REFERENCE_MISSING),), {})
    assert [each.reason for each in services.completed({TEXT: left_out})[TEXT].conditions] == [reason]


class Bots(Messages):
    """A service that says this of one bot."""

    def __init__(self, said: ServiceReport | None) -> None:
        super().__init__()
        self._of_bot = {BOT: said} if said is not None else {}

    def reports(self) -> Mapping[Key, ServiceReport]:
        return self._of_bot


@pytest.mark.parametrize(
    ("said", "truth"),
    [
        (None, Truth.UNKNOWN),
        (ServiceReport(awaited=True), Truth.UNKNOWN),
        (ServiceReport(), Truth.TRUE),
        (ServiceReport((condition(Truth.FALSE, Reason.NO_BOT),)), Truth.FALSE),
    ],
)
def test_what_asterisk_has_of_a_bot_is_ready_once_its_service_agrees(said: ServiceReport | None, truth: Truth) -> None:
    services = Services([Bots(said)], AmiDefaults(), lambda: None, None)
    ready, left_out = condition(Truth.TRUE, Reason.VERIFIED), condition(Truth.TRUE, Reason.DISABLED)
    found = services.completed(
        {BOT: Report(BOT, "uid-desk", 1, (ready,)), PHONE: Report(PHONE, "uid-ann", 1, (ready,))}
    )
    assert [each.status for each in found[BOT].conditions] == [truth]
    assert found[PHONE].conditions == (ready,)
    assert services.completed({BOT: Report(BOT, "uid-desk", 1, (left_out,))})[BOT].conditions[0].reason in {
        Reason.DISABLED,
        Reason.NO_BOT,
    }


def test_a_view_is_shown_once_and_every_report_is_heard() -> None:
    service = Messages()
    services = Services([service], AmiDefaults(), lambda: None, None)
    judged = Judged(Snapshot("office"), Plan(), Findings())
    services.observe(judged)
    services.observe(judged)
    assert [view.snapshot.namespace for view in service.views] == ["office"]
    services.published(reports())
    assert [set(heard) for heard in service.heard] == [{TEXT, PHONE}]


def test_what_is_over_is_removed_by_its_uid() -> None:
    removed = Removed()
    services = Services([Messages(ServiceReport(over=True))], AmiDefaults(), lambda: None, removed)
    services.published(services.completed(reports()))
    assert removed.uids == ["uid-hello"]


class Broken(Messages):
    """A service with a bug in whatever the site loop calls."""

    def observe(self, view: SiteView) -> None:
        raise RuntimeError(view)

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        raise RuntimeError(reports)

    def reports(self) -> Mapping[Key, ServiceReport]:
        raise RuntimeError


def test_no_fault_of_a_service_stops_a_pass_or_a_report() -> None:
    steady = Messages(ServiceReport(fields={"phase": "Sent"}))
    services = Services([Broken(), steady], AmiDefaults(), lambda: None, Removed())
    services.observe(Judged(Snapshot("office"), Plan(), Findings()))
    found = services.completed(reports())
    services.published(found)
    assert (found[TEXT].fields["phase"], found[PHONE]) == ("Sent", reports()[PHONE])
    assert (len(steady.views), len(steady.heard)) == (1, 1)


def test_what_was_under_way_keeps_its_status_until_a_service_speaks() -> None:
    spec = SmsMessageSpec(dongle="one", to="+15550100", text="hello")
    found = [
        Resource(Key("SmsMessage", name), spec, uid=name, begun=phase) for name, phase in (("a", "Sent"), ("b", ""))
    ]
    judged = Judged(Snapshot("office", {each.key: each for each in found}), Plan(), Findings())
    services = Services([Messages()], AmiDefaults(), lambda: None, None)
    services.observe(judged)
    reports = services.completed(Reporter().reports(judged))
    assert [key.name for key in reports] == ["b"]
    before = {"phase": "Queued", "attempts": 1, "conditions": []}
    assert (
        status_of(reports[Key("SmsMessage", "b")], before, datetime.now(UTC)).items()
        >= {"phase": "Queued", "attempts": 1}.items()
    )


def test_a_service_can_ask_whether_it_may_act() -> None:
    service = Messages()
    leads = [True, False]
    services = Services([service], AmiDefaults(), lambda: None, None, leads=lambda: leads.pop(0))
    services.observe(Judged(Snapshot("office"), Plan(), Findings()))
    (view,) = service.views
    assert [view.leads(), view.leads()] == [True, False]


async def test_a_service_that_fails_is_started_again_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF", Backoff(0.01, 60))
    changes: list[int] = []
    failing, steady = Messages(fails=2), Messages()
    running = asyncio.create_task(Services([failing, steady], AmiDefaults(), lambda: changes.append(1), None).run())
    async with asyncio.timeout(5):
        while len(changes) < 2:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (failing.starts, steady.starts) == (3, 1)


async def test_a_service_that_ends_by_itself_is_started_again_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ends(Messages):
        async def run(self, changed: Callable[[], None]) -> None:
            self.starts += 1
            changed()

    monkeypatch.setattr(module, "BACKOFF", Backoff(0.01, 60))
    ends = Ends()
    with capture_logs() as logs:
        running = asyncio.create_task(Services([ends], AmiDefaults(), lambda: None, None).run())
        async with asyncio.timeout(5):
            while ends.starts < 3:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [(entry["event"], entry["error"]) for entry in logs][:2] == [("Ends failed", "RuntimeError")] * 2
