"""`dialplane validate` on everything a user can do wrong: one clear line each, and nothing written."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.bad_input import OFFICE, PHONE, SECRET, TABLE, Bad
from tests.forks import dialplane


def _write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_each_mistake_gets_its_one_line(bad: Bad, tmp_path: Path) -> None:
    _write(tmp_path, {"office.yaml": OFFICE, **bad.files})
    before = sorted(path.name for path in tmp_path.iterdir())
    ended = dialplane("validate", "-f", ".", cwd=tmp_path)
    assert ended.stdout == f"{bad.line}\n"
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("dialplane: 1 problem in ")  # notices may stand before it
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_the_table_has_at_least_thirty_kinds_of_mistake() -> None:
    assert len({bad.name for bad in TABLE}) >= 30


def test_a_good_site_has_exit_code_zero(tmp_path: Path) -> None:
    _write(tmp_path, {"office.yaml": OFFICE, "a.yaml": PHONE, "s.yaml": SECRET})
    ended = dialplane("validate", "-f", ".", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr == "2 resources in 2 files: no problems\n"


def test_a_missing_secret_is_a_problem_unless_it_is_kept_elsewhere(tmp_path: Path) -> None:
    _write(tmp_path, {"office.yaml": OFFICE, "a.yaml": PHONE})
    ended = dialplane("validate", "-f", ".", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.startswith("a.yaml:7: Extension/alice: spec.credentialsSecretRef: ")
    assert dialplane("validate", "-f", ".", "--no-secrets", cwd=tmp_path).returncode == 0


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    _write(site, {"office.yaml": OFFICE, "a.yaml": PHONE})
    folder = tmp_path / "secrets" / "alice"
    folder.mkdir(parents=True)
    _write(folder, {"username": "101\n", "password": "long-enough-password\n"})
    ended = dialplane("validate", "-f", "site", "--secrets-dir", "secrets", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout


def test_two_extensions_with_one_number_collide(tmp_path: Path) -> None:
    bob = PHONE.replace("name: alice\nspec", "name: bob\nspec")
    _write(tmp_path, {"office.yaml": OFFICE, "a.yaml": PHONE, "b.yaml": bob, "s.yaml": SECRET})
    ended = dialplane("validate", "-f", ".", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.startswith("b.yaml:6: Extension/bob: spec.number: ")
    assert len(ended.stdout.splitlines()) == 1


def test_standard_input_is_a_file_too(tmp_path: Path) -> None:
    _write(tmp_path, {"office.yaml": OFFICE, "s.yaml": SECRET})
    assert dialplane("validate", "-f", ".", "-f", "-", cwd=tmp_path, stdin=PHONE).returncode == 0
    ended = dialplane("validate", "-f", ".", "-f", "-", cwd=tmp_path, stdin=PHONE.replace('"101"', "0101"))
    assert ended.stdout.startswith("(standard input):6: Extension/alice: spec.number: ")


def test_json_carries_the_same_findings(tmp_path: Path) -> None:
    _write(tmp_path, {"office.yaml": OFFICE, "a.yaml": PHONE.replace('"101"', "0101"), "s.yaml": SECRET})
    ended = dialplane("validate", "-f", ".", "-o", "json", cwd=tmp_path)
    answer = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert answer["valid"] is False
    assert [(f["file"], f["line"], f["field"], f["level"]) for f in answer["findings"]] == [
        ("a.yaml", 6, "spec.number", "error")
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validate", "-f", "nowhere"], "dialplane: cannot read nowhere: No such file or directory"),
        (["validate", "-f", "."], "dialplane: no .yaml or .yml file in ."),
        (["validate"], "dialplane: Missing option '--file' / '-f'. (see --help)"),
        (["validate", "-f", ".", "--nonsense"], "dialplane: No such option: --nonsense"),
        (["nonsense"], "dialplane: No such command 'nonsense'."),
        (["diff", "-f", "."], "dialplane: say what to compare with: --against PATH, or --live DIR"),
        (["get", "--state-dir", "x"], "dialplane: x/status.json: there is no status yet"),
        (["explain", "nonsense"], "dialplane: no kind 'nonsense'"),
        (["run"], "dialplane: say where the manifests are: -f DIR, or --git URL"),
        (["ami", "Ping"], "dialplane: as whom? set ASTERISK_AMI_USERNAME, or say --username"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line_and_exit_code_two(arguments: list[str], says: str, tmp_path: Path) -> None:
    ended = dialplane(*arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(says)
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_another_kind_is_left_alone_and_said_so(tmp_path: Path) -> None:
    other = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n"
    _write(tmp_path, {"office.yaml": OFFICE, "x.yaml": other, "kustomization.yaml": "resources: [office.yaml]\n"})
    ended = dialplane("validate", "-f", ".", cwd=tmp_path)
    assert ended.returncode == 0
    assert ended.stderr.splitlines()[:2] == [
        "kustomization.yaml:1: a kustomization is not read here: every file is, recursively",
        "x.yaml:1: Service/x: left alone: v1 Service is not read without Kubernetes",
    ]


def test_a_list_is_read_item_by_item(tmp_path: Path) -> None:
    indented = "".join(f"    {line}\n" for line in PHONE.replace('"101"', "0101").splitlines())
    _write(
        tmp_path,
        {"office.yaml": OFFICE, "s.yaml": SECRET, "l.yaml": f"apiVersion: v1\nkind: List\nitems:\n  -\n{indented}"},
    )
    ended = dialplane("validate", "-f", ".", cwd=tmp_path)
    assert ended.stdout.startswith("l.yaml:10: Extension/alice: spec.number: 0101 is octal")


def test_a_missing_secret_is_one_line_whoever_refers_to_its_extension(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "examples" / "office", tmp_path / "office")
    (tmp_path / "office" / "secrets.yaml").unlink()
    ended = dialplane("validate", "-f", "office", cwd=tmp_path)
    assert len(ended.stdout.splitlines()) == 6
    assert all(": Secret '" in line for line in ended.stdout.splitlines())
    assert dialplane("validate", "-f", "office", "--no-secrets", cwd=tmp_path).returncode == 0


def test_credentials_still_to_be_generated_are_no_problem_until_files_are_written(tmp_path: Path) -> None:
    phone = PHONE.replace("credentialsSecretRef: {name: alice}", "generateCredentials: true")
    _write(tmp_path, {"office.yaml": OFFICE, "a.yaml": phone})
    assert dialplane("validate", "-f", ".", cwd=tmp_path).returncode == 0
    assert dialplane("render", "-f", ".", "--show", "pjsip_auth.conf", cwd=tmp_path).returncode == 0
    ended = dialplane("render", "-f", ".", "-o", "out", cwd=tmp_path)
    assert ended.returncode == 1
    assert "alice-credentials" in ended.stderr
