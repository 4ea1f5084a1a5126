"""The alerts that come with the chart: each fires when it should, says where to read on, and knows only true metrics."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from testbed.prometheus import locate_promtool
from tests.alerts.known import OPERATIONS, registered
from tests.docs.pages import ROOT, anchors

FILE = ROOT / "charts" / "dialplane" / "files" / "alerts.yaml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in YAML(typ="safe").load(FILE)["groups"] for rule in group["rules"]
}
SITE = 'job="dialplane",namespace="office"'


@dataclass(frozen=True)
class Case:
    """Series that make an alert fire, those of a healthy site, and the labels it fires with beside the site's."""

    alert: str
    sick: dict[str, str]
    healthy: dict[str, str]
    labels: dict[str, str]
    of_site: bool = True


def case(alert: str, metric: str, sick: str, healthy: str, labels: str = "", shown: str = "", **more: Any) -> Case:
    """One metric; `labels` are all of it, `shown` those that the alert keeps. Values are promtool's, one a minute."""
    series = f"dialplane_{metric}{{{SITE}{',' if labels else ''}{labels}}}"
    kept = {name: value for name, value in re.findall(r'(\w+)="([^"]*)"', labels) if name in shown.split()}
    return Case(alert, {series: sick} if sick else {}, {series: healthy}, kept, **more)


OFF, ON = (f'dialplane_devices{{{SITE},state="{state}"}}' for state in ("offline", "online"))
REJECTED = 'kind="Extension",type="Ready",reason="RejectedByAsterisk"'
UNMAILED = 'kind="Extension",type="MailDeliverable",reason="MailFailed"'
UNRECORDED = 'kind="Asterisk",type="Ready",reason="RecordingFailed"'
INVALID = 'kind="SipTrunk",type="Accepted",reason="Invalid"'
REFUSED = 'kind="SipTrunk",type="Registered",reason="RegistrationRejected"'
SILENT = 'kind="SipTrunk",type="Reachable",reason="Unreachable"'
RESTART = 'kind="Asterisk",type="Ready",reason="RestartRequired"'
AWAY = 'kind="InfinityTenant",type="Reachable",reason="Unreachable"'
NO_BOT = 'kind="VoiceBot",type="Ready",reason="NoBot"'
FAULT = 'provider="elevenlabs",fault="quota"'
NO_PHONE = 'kind="Extension",type="Registered",reason="NoContact"'
GUESS = 'kind="ChallengeResponseFailed",service="PJSIP"'

CASES = [
    case("DialplaneAbsent", "converged", "", "1x60", of_site=False),
    case("DialplaneWithoutLeader", "leader", "0x60", "1x60"),
    case("AsteriskNotConnected", "ami_connected", "0x60", "1x60"),
    case("AsteriskConnectionUnstable", "ami_connected", "1 0 " * 30, "1x10 0x2 1x47"),
    case("DialplanePassesFail", "converged", "0x60", "1x20 0x8 1x30"),
    case("DialplaneChangesWait", "pending_seconds", "0+60x60", "0x10 60 120 0x50"),
    case("AsteriskReloadsFail", "reloads_total", "0+1x60", "4x60", 'module="pbx_config.so",result="error"', "module"),
    case("AsteriskRejectsResources", "problems", "1x60", "0x60", REJECTED, "kind"),
    case("DialplaneResourcesLeftOut", "problems", "2x60", "1x14 0x46", INVALID, "kind reason"),
    case("ManifestsUnreadable", "source_stale", "1x60", "0x60"),
    case("StatusWritesFail", "status_writes_total", "0+3x60", "3x60", 'kind="Extension",result="failed"'),
    case("TrunkNotRegistered", "problems", "1x60", "0x60", REFUSED, "reason"),
    case("TrunkUnreachable", "problems", "1x60", "0x60", SILENT),
    case("PhonesGone", "registered_contacts", "100x30 20x30", "100x30 70x30"),
    case("PasswordsGuessed", "security_events_total", "0+90x60", "0+30x60", GUESS, "service"),
    case("VoicemailNotMailed", "problems", "1x60", "0x20 1x3 0x36", UNMAILED),
    case("RecordingsFail", "problems", "1x60", "0x60", UNRECORDED),
    case("ModemOffline", "modems", "1x60", "0x20 1x3 0x36", 'state="offline"'),
    case("TextMessagesFail", "sms_sent_total", "0+1x60", "4x60", 'result="Failed"', "result"),
    case("NotificationsGivenUp", "notification_attempts_total", "0+1x60", "4x60", 'result="dead"'),
    case("ProviderUnreachable", "problems", "1x60", "0x20 1x3 0x36", AWAY),
    case(
        "PoolExhausted", "infinity_leases_denied_total", "0+1x60", "4x60", 'tenant="acme",reason="Exhausted"', "tenant"
    ),
    case("CallbacksMissing", "infinity_calls_total", "0+1x60", "4x60", 'tenant="acme",outcome="TimedOut"', "tenant"),
    case("LiftEmergencyUnanswered", "elevator_alarms", "1x60", "1x2 0x57", 'state="Raised"'),
    case("LiftTestCallOverdue", "elevator_test_calls_overdue", "1x60", "0x60"),
    Case("DevicesOffline", {OFF: "20x60", ON: "80x60"}, {OFF: "5x20 20x3 5x36", ON: "95x20 80x3 95x36"}, {}),
    case("DeviceCallbacksFail", "device_callbacks_pending", "3x60", "0 3 " * 30),
    case("PicturesWait", "device_pictures_waiting", "3x60", "0x20 5x8 0x31"),
    case("BotsUnavailable", "problems", "1x60", "0x60", NO_BOT, "reason"),
    case("BotsHang", "bot_callers_released_total", "0+1x60", "4x60"),
    case("BotsBusy", "bot_refused_total", "0+1x60", "4x60", 'reason="busy"'),
    case("BotSpeechFails", "bot_speech_faults_total", "0+1x60", "4x60", FAULT, "provider fault"),
    case("MessageStoreAway", "conditions", "1x60", "0x60", 'kind="Notifier",type="Ready",status="Unknown"'),
]
WELL = [  # what must keep each of them silent, beside a healthy site
    case("TrunkNotRegistered", "problems", "", "5x60", NO_PHONE),
    case("AsteriskRejectsResources", "problems", "", "1x60", RESTART),
    case("AsteriskReloadsFail", "reloads_total", "", "0+1x60", 'module="pbx_config.so",result="done"'),
    case("PhonesGone", "registered_contacts", "", "4x30 0x30"),
    case("PasswordsGuessed", "security_events_total", "", "0+900x60", 'kind="FailedACL",service="PJSIP"'),
    case("TextMessagesFail", "sms_sent_total", "", "0+9x60", 'result="Delivered"'),
    case("NotificationsGivenUp", "notification_attempts_total", "", "0+9x60", 'result="failed"'),
    case("TrunkUnreachable", "problems", "", "5x60", AWAY),
    case("PoolExhausted", "infinity_leases_denied_total", "", "0+9x60", 'tenant="acme",reason="Disabled"'),
    case("CallbacksMissing", "infinity_calls_total", "", "0+9x60", 'tenant="acme",outcome="Answered"'),
    case("BotsUnavailable", "problems", "", "1x60", 'kind="VoiceBot",type="Ready",reason="Invalid"'),
    case("BotsBusy", "bot_refused_total", "", "0+9x60", 'reason="unserved"'),
]


def promtool(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [*locate_promtool(), *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def group(series: dict[str, str], alert: str, fires: list[dict[str, Any]]) -> dict[str, Any]:
    wanted = [{"eval_time": "59m", "alertname": alert, "exp_alerts": fires}]
    if fires:  # not at once: a moment is no alarm
        wanted.insert(0, {"eval_time": "0m", "alertname": alert, "exp_alerts": []})
    given = [{"series": name, "values": values.strip()} for name, values in series.items()]
    return {"interval": "1m", "input_series": given, "alert_rule_test": wanted}


def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(FILE), cwd=tmp_path)


@pytest.mark.parametrize("it", [*CASES, *WELL], ids=lambda it: it.alert)
def test_it_fires_when_it_should_and_only_then(it: Case, tmp_path: Path) -> None:
    rule = RULES[it.alert]
    site = {"job": "dialplane", "namespace": "office"} if it.of_site else {}
    alarm = {"exp_labels": site | it.labels | rule["labels"], "exp_annotations": rule["annotations"]}
    groups = [group(it.healthy, it.alert, [])]
    if it in CASES:
        groups.append(group(it.sick, it.alert, [alarm]))
    test = {"rule_files": [str(FILE)], "evaluation_interval": "1m", "tests": groups}
    YAML(typ="safe").dump(test, tmp_path / "test.yaml")
    promtool("test", "rules", "test.yaml", cwd=tmp_path)


def test_each_has_a_case() -> None:
    assert RULES.keys() == {it.alert for it in CASES}


@pytest.mark.parametrize("name", RULES)
def test_it_knows_only_metrics_and_labels_that_exist(name: str) -> None:
    known = registered()
    found = re.findall(r"\b(dialplane_\w+)(?:\{([^}]*)\})?", RULES[name]["expr"])
    assert found
    for metric, matchers in found:
        assert metric in known
        assert set(re.findall(r"(\w+)\s*!?[=~]", matchers)) <= set(known[metric])
    for labels in re.findall(r"by \(([^)]*)\)", RULES[name]["expr"]):
        extra = set(labels.split(", ")) - {"job", "namespace"}
        assert all(extra <= set(known[metric]) for metric, _ in found)


@pytest.mark.parametrize("name", RULES)
def test_it_says_what_is_wrong_and_where_to_read_on(name: str) -> None:
    rule = RULES[name]
    assert rule["for"]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith(".")
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/failure-modes.md"
    assert anchor in anchors(ROOT / page)


def test_the_table_of_the_operations_page_is_the_file() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (\w+) \| .* \| \[.*\]\((failure-modes\.md#[\w-]+)\) \|$", OPERATIONS, re.MULTILINE
    )
    assert rows == [
        (name, rule["labels"]["severity"], rule["for"], rule["annotations"]["runbook"].removeprefix("docs/"))
        for name, rule in RULES.items()
    ]
