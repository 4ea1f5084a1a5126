"""The commands through real processes: in a pipe and on a terminal."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.standalone.status_file import StatusFile
from tests.forks import dialplane, on_a_terminal

OFFICE = Path(__file__).parents[2] / "examples" / "office"
SECRETS = ("example-carrier-password", "example-password-of-101", "24680")


MODEM = """\
apiVersion: dialplane.io/v1alpha1
kind: Dongle
metadata: {name: gsm-1}
spec: {imei: "354000000000119"}
"""


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The office with another name for sales, another password for the workshop, and no door."""
    site = tmp_path / "changed"
    shutil.copytree(OFFICE, site)
    phones = (site / "phones.yaml").read_text().replace("displayName: Sales", "displayName: Vente")
    (site / "phones.yaml").write_text(phones[: phones.rindex("---")])
    carrier = (site / "carrier.yaml").read_text()
    (site / "carrier.yaml").write_text(carrier.replace('extension: "104"', 'extension: "103"'))
    secrets = (site / "secrets.yaml").read_text()
    (site / "secrets.yaml").write_text(secrets.replace("example-password-of-103", "brand-new-password"))
    return site


def test_render_writes_files_that_only_owner_and_group_read(tmp_path: Path) -> None:
    ended = dialplane("render", "-f", str(OFFICE), "-o", "out", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    files = [path for path in (tmp_path / "out").iterdir() if path.is_file()]
    assert "pjsip_endpoint.conf" in {path.name for path in files}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o640}
    assert "example-password-of-101" in (tmp_path / "out" / "pjsip_auth.conf").read_text()
    again = dialplane("render", "-f", str(OFFICE), "-o", "out", cwd=tmp_path)
    assert "0 written" in again.stdout


def test_the_base_files_have_the_accounts_that_the_environment_says(tmp_path: Path) -> None:
    account = {"ASTERISK_ARI_USERNAME": "bots", "ASTERISK_ARI_PASSWORD": "of the bots & co"}
    for name, env in (("own", os.environ | account), ("made", os.environ)):
        ended = dialplane("bootstrap", "-o", str(tmp_path / name), env=env)
        assert ended.returncode == 0, ended.stderr
        assert "of the bots" not in ended.stdout + ended.stderr
    own, made = ((tmp_path / name / "ari.conf").read_text() for name in ("own", "made"))
    assert "[bots]\ntype = user\nread_only = no\npassword = of the bots & co\n" in own
    assert re.search(r"^\[ari\]\n(.+\n)*password = [\w-]{32}$", made, re.MULTILINE)


def test_render_leaves_a_folder_of_others_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("")
    ended = dialplane("render", "-f", str(OFFICE), "-o", "out", cwd=tmp_path)
    assert ended.returncode == 2
    assert "thesis.tex" in ended.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    assert dialplane("render", "-f", str(OFFICE), "-o", "out", "--force", cwd=tmp_path).returncode == 0


def test_render_of_a_site_with_problems_writes_nothing(changed: Path, tmp_path: Path) -> None:
    (changed / "bad.yaml").write_text("a: [")
    ended = dialplane("render", "-f", str(changed), "-o", "out", cwd=tmp_path)
    assert ended.returncode == 1
    assert not (tmp_path / "out").exists()


def test_shown_files_hide_every_secret(tmp_path: Path) -> None:
    shown = dialplane("render", "-f", str(OFFICE), "--show", "all", cwd=tmp_path).stdout
    assert "[101]" in shown
    assert not [secret for secret in SECRETS if secret in shown]


def test_nothing_differs_from_itself(tmp_path: Path) -> None:
    ended = dialplane("diff", "-f", str(OFFICE), "--against", str(OFFICE), cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "nothing differs\n")


def test_diff_tells_lines_resources_and_reloads(changed: Path, tmp_path: Path) -> None:
    ended = dialplane("diff", "-f", str(changed), "--against", str(OFFICE), cwd=tmp_path)
    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    assert '-callerid = "Sales" <102>' in lines
    assert '+callerid = "Vente" <102>' in lines
    assert "-password = (hidden, the old one)" in lines
    assert "+password = (hidden, the new one)" in lines
    assert "~ Extension/sales changed: changes endpoint 102" in lines
    assert any(line.startswith("- Extension/door removed: removes ") and "endpoint 104" in line for line in lines)
    assert any(line.startswith("Asterisk needs: reload of ") and "res_pjsip.so" in line for line in lines)


def test_a_modem_that_goes_is_told_with_its_driver(tmp_path: Path) -> None:
    shutil.copytree(OFFICE, tmp_path / "site")
    modem = tmp_path / "site" / "modem.yaml"
    modem.write_text(MODEM)
    assert dialplane("render", "-f", "site", "-o", "live", cwd=tmp_path).returncode == 0
    assert "[gsm-1]" in (tmp_path / "live" / "dongle.conf").read_text()
    modem.unlink()
    for against in (["--against", "before"], ["--live", "live"]):
        shutil.copytree(tmp_path / "site", tmp_path / "before", dirs_exist_ok=True)
        (tmp_path / "before" / "modem.yaml").write_text(MODEM)
        answer = json.loads(dialplane("diff", "-f", "site", *against, "-o", "json", cwd=tmp_path).stdout)
        assert answer["reloads"] == ["pbx_config.so", "chan_dongle.so"], against
        assert {"dongle gsm-1"} <= {o["object"] for r in answer["resources"] for o in r["objects"]}, against
    assert dialplane("render", "-f", "site", "-o", "live", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "live" / "dongle.conf").exists()


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_no_form_of_a_diff_shows_a_secret(changed: Path, tmp_path: Path, form: str) -> None:
    dialplane("render", "-f", str(OFFICE), "-o", "live", cwd=tmp_path)
    for against in (["--against", str(OFFICE)], ["--live", "live"]):
        ended = dialplane("diff", "-f", str(changed), *against, "-o", form, cwd=tmp_path)
        assert ended.returncode == 1, ended.stderr
        assert "password-of" not in ended.stdout
        assert "brand-new-password" not in ended.stdout


def test_diff_with_live_files_finds_the_same_objects(changed: Path, tmp_path: Path) -> None:
    dialplane("render", "-f", str(OFFICE), "-o", "live", cwd=tmp_path)
    same = dialplane("diff", "-f", str(OFFICE), "--live", "live", cwd=tmp_path)
    assert same.returncode == 0
    answer = json.loads(dialplane("diff", "-f", str(changed), "--live", "live", "-o", "json", cwd=tmp_path).stdout)
    touched = {(r["kind"], r["name"]): r["objects"] for r in answer["resources"]}
    assert {"object": "endpoint 102", "change": "changed"} in touched["Extension", "sales"]
    assert "res_pjsip.so" in answer["reloads"]


def test_markdown_keeps_what_a_manifest_says_out_of_the_page(changed: Path, tmp_path: Path) -> None:
    text = (changed / "phones.yaml").read_text().replace("displayName: Vente", 'displayName: "``` </details> |x|"')
    (changed / "phones.yaml").write_text(text)
    ended = dialplane("diff", "-f", str(changed), "--against", str(OFFICE), "-o", "markdown", cwd=tmp_path)
    assert ended.returncode == 1
    if "``` </details>" in ended.stdout:
        assert "````diff" in ended.stdout


async def _statuses(path: Path) -> None:
    kept = StatusFile(path / "status.json")
    for name, truth in (("alice", Truth.TRUE), ("bob", Truth.FALSE)):
        key = Key("Extension", name)
        known = kept.identify({"spec": {"number": "101", "displayName": name.title()}}, key)
        condition = Condition(ConditionType.READY, truth, Reason.VERIFIED, "as it is")
        await kept.publish(dict(_reports) | {key: Report(key, known.uid, 1, (condition,))})
        _reports[key] = Report(key, known.uid, 1, (condition,))


_reports: dict[Key, Report] = {}


async def test_get_shows_the_columns_of_the_kind(tmp_path: Path) -> None:
    await _statuses(tmp_path)
    ended = dialplane("get", "exten", "--state-dir", ".", cwd=tmp_path)
    assert [re.split(r" {2,}", line)[:3] for line in ended.stdout.splitlines()] == [
        ["NAME", "NUMBER", "DISPLAY"],
        ["alice", "101", "Alice"],
        ["bob", "101", "Bob"],
    ]
    wide = dialplane("get", "extensions", "bob", "-o", "wide", "--state-dir", ".", cwd=tmp_path).stdout
    assert "as it is" in wide
    one = json.loads(dialplane("get", "extension", "bob", "-o", "json", "--state-dir", ".", cwd=tmp_path).stdout)
    assert one["metadata"]["name"] == "bob"
    assert one["status"]["conditions"][0]["status"] == "False"
    assert dialplane("get", "-o", "name", "--state-dir", ".", cwd=tmp_path).stdout.splitlines() == [
        "extension.dialplane.io/alice",
        "extension.dialplane.io/bob",
    ]
    assert dialplane("get", "exten", "carol", "--state-dir", ".", cwd=tmp_path).returncode == 1
    assert dialplane("get", "nonsense", "--state-dir", ".", cwd=tmp_path).returncode == 2


async def test_the_reason_beside_what_is_down_is_its_own(tmp_path: Path) -> None:
    kept = StatusFile(tmp_path / "status.json")
    key = Key("SipTrunk", "carrier")
    known = kept.identify({"spec": {"host": "sip.example.com"}}, key)
    conditions = (
        Condition(ConditionType.READY, Truth.TRUE, Reason.VERIFIED, "runs this version"),
        Condition(ConditionType.REGISTERED, Truth.FALSE, Reason.REGISTRATION_REJECTED, "check the account"),
    )
    await kept.publish({key: Report(key, known.uid, 1, conditions)})
    shown = dialplane("get", "siptrunk", "-o", "wide", "--state-dir", ".", cwd=tmp_path).stdout
    assert "RegistrationRejected   check the account" in shown
    assert "Verified" not in shown
    assert "check the account" in on_a_terminal("get", "siptrunk", "-o", "wide", "--state-dir", ".", cwd=tmp_path)


async def test_colours_are_for_terminals(tmp_path: Path) -> None:
    await _statuses(tmp_path)
    arguments = ("get", "exten", "--state-dir", ".")
    assert "\x1b[32mTrue" in on_a_terminal(*arguments, cwd=tmp_path)
    assert "\x1b[3" not in on_a_terminal(*arguments, cwd=tmp_path, NO_COLOR="1")
    assert "\x1b" not in dialplane(*arguments, cwd=tmp_path).stdout


def test_errors_are_red_on_a_terminal(tmp_path: Path) -> None:
    assert "\x1b[31m" in on_a_terminal("validate", "-f", "nowhere", cwd=tmp_path)


def test_every_command_has_help_with_an_example(tmp_path: Path) -> None:
    for command in ("validate", "render", "diff", "get", "explain", "run", "operator", "doctor", "ami", "crds"):
        ended = dialplane(command, "--help", cwd=tmp_path)
        assert ended.returncode == 0
        assert f"      dialplane {command}" in ended.stdout, command


def test_the_shell_completes_kinds(tmp_path: Path) -> None:
    asked = {"_DIALPLANE_COMPLETE": "complete_bash", "COMP_WORDS": "dialplane get ext", "COMP_CWORD": "2"}
    ended = dialplane(cwd=tmp_path, env={**os.environ, **asked})
    assert ended.stdout.split() == ["exten", "extensions"]


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m dialplane.cli crds | head -1"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert (len(ended.stdout.splitlines()), ended.stderr) == (1, "")


def test_a_second_controller_on_one_state_directory_is_refused(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    arguments = [sys.executable, "-m", "dialplane.cli", "run", "-f", str(site), "--state-dir", str(tmp_path / "state")]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        while "source unusable" not in first.stderr.readline():
            pass
        second = dialplane(*arguments[3:], cwd=tmp_path)
        assert second.returncode == 2
        assert "another `dialplane run` uses" in second.stderr
        first.terminate()
        assert first.wait(20) == 0


def test_once_on_a_broken_site_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a.yaml").write_text("a: [")
    ended = dialplane("run", "-f", "site", "--once", "--state-dir", "state", "--config-dir", "out", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.startswith("site/a.yaml:1: broken YAML: ")
    assert not (tmp_path / "out").exists()


def test_diff_in_ci_needs_no_secrets(changed: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(OFFICE, before)
    for site in (before, changed):
        (site / "secrets.yaml").unlink()
    ended = dialplane("diff", "-f", str(changed), "--against", str(before), cwd=tmp_path)
    assert ended.returncode == 1
    assert "~ Extension/sales changed: changes endpoint 102" in ended.stdout.splitlines()
    assert "workshop changed" not in ended.stdout
    assert ended.stderr == ""
