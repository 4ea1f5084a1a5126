"""A site from files is what Kubernetes would have said."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.resources.problem import Reason
from dialplane.standalone.files import File
from dialplane.standalone.secrets import secrets_from_directory
from dialplane.standalone.site import Site, SiteReader
from tests.cli.bad_input import CAMPAIGN, OFFICE, PEOPLE, PHONE, SECRET

ALICE = Key("Extension", "alice")


def read(*texts: str, **more: object) -> Site:
    return SiteReader().read([File(f"{n}.yaml", text.encode()) for n, text in enumerate(texts)], **more)  # type: ignore[arg-type]


def test_the_same_manifest_gives_the_same_resource_as_through_kubernetes() -> None:
    site = read(OFFICE, PHONE, SECRET)
    served = {
        "apiVersion": "dialplane.io/v1alpha1",
        "kind": "Extension",
        "metadata": {"name": "alice", "namespace": "default", "uid": "u", "generation": 3},
        "spec": {"number": "101", "credentialsSecretRef": {"name": "alice"}},
    }
    assert site.snapshot.resources[ALICE] == parse(served)
    assert site.findings == ()


def test_only_secrets_that_are_referred_to_are_in_the_snapshot() -> None:
    other = SECRET.replace("name: alice", "name: other")
    assert set(read(OFFICE, PHONE, SECRET, other).snapshot.secrets) == {"alice"}


def test_one_bad_manifest_leaves_the_others_alone() -> None:
    bob = PHONE.replace("alice", "bob").replace('"101"', "0102")
    site = read(OFFICE, PHONE, SECRET, bob)
    assert not site.broken
    assert site.snapshot.resources[ALICE].spec is not None
    resource = site.snapshot.resources[Key("Extension", "bob")]
    assert resource.spec is None
    assert [(p.reason, p.field) for p in resource.problems] == [(Reason.INVALID, "spec.number")]


def test_a_resource_described_twice_is_neither() -> None:
    site = read(OFFICE, PHONE, PHONE.replace('"101"', '"102"'), SECRET)
    resource = site.snapshot.resources[ALICE]
    assert resource.spec is None
    assert [p.reason for p in resource.problems] == [Reason.CONFLICT]
    assert "1.yaml:1" in resource.problems[0].message
    assert "2.yaml:1" in resource.problems[0].message


@pytest.mark.parametrize("text", ["", "a: [", "kind: Extension", PHONE.replace("Extension", "Extenion")])
def test_a_file_that_cannot_be_understood_makes_the_site_broken(text: str) -> None:
    assert read(OFFICE, PHONE, SECRET, text).broken


def test_a_secret_may_be_base64_and_string_data_wins() -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: alice}\n"
        "data: {username: MTAx, password: b2xk}\nstringData: {password: new}\n"
    )
    assert read(OFFICE, PHONE, secret).snapshot.secrets["alice"] == {
        "username": SecretStr("101"),
        "password": SecretStr("new"),
    }


def test_a_value_that_is_not_utf_8_is_carried_along() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: alice}\ndata: {password: /w==}\n"
    value = read(OFFICE, PHONE, secret).snapshot.secrets["alice"]["password"].get_secret_value()
    assert value.encode("utf-8", "surrogateescape") == b"\xff"


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"x\n", "x"), (b"x", "x"), (b"x\r\n", "x"), (b"x\n\n", "x\n"), (b" x ", " x "), (b"", ""), (b"\n", "")],
)
def test_one_trailing_newline_of_a_secret_file_is_not_part_of_it(content: bytes, value: str, tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "password").write_bytes(content)
    read = secrets_from_directory(tmp_path)
    assert read.values == {"alice": {"password": SecretStr(value)}}
    assert read.findings == ()


def test_a_secret_file_that_is_encrypted_is_no_password(tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "password").write_text('{"data": "ENC[AES256_GCM,data:Tm8=,iv:A,tag:B,type:str]"}\n')
    read = secrets_from_directory(tmp_path)
    assert (read.values, read.broken) == ({"alice": {}}, True)
    assert [finding.message for finding in read.findings] == [
        "is encrypted with SOPS, and is read as plain text only: decrypt it first (`sops decrypt`)"
    ]


def test_the_secrets_directory_wins_over_a_manifest_and_a_manifest_over_generated_values() -> None:
    site = read(
        OFFICE,
        PHONE,
        SECRET,
        secrets={"alice": {"password": SecretStr("from the directory")}},
        generated={"alice": {"username": SecretStr("generated")}},
    )
    assert site.snapshot.secrets["alice"] == {
        "username": SecretStr("101"),
        "password": SecretStr("from the directory"),
    }
    assert [finding.level for finding in site.findings] == ["notice"]


def test_no_finding_ever_shows_the_value_of_a_secret() -> None:
    for value in ("0123456", "yes", "1_000", "12:30", "[a]", "7"):
        text = SECRET.replace("long-enough-password", value)
        for finding in read(OFFICE, PHONE, text).findings:
            assert f" {value} " not in f" {finding.message} "


def test_an_unchanged_file_is_not_parsed_twice() -> None:
    reader = SiteReader()
    first = reader.read([File("a.yaml", OFFICE.encode()), File("b.yaml", PHONE.encode())])
    second = reader.read([File("a.yaml", OFFICE.encode()), File("b.yaml", (PHONE + "  maxContacts: 2\n").encode())])
    assert first.manifests[Key("Asterisk", "office")] is second.manifests[Key("Asterisk", "office")]
    assert first.manifests[ALICE] is not second.manifests[ALICE]


def test_what_says_the_same_is_the_very_same_object_whatever_else_its_file_says_now() -> None:
    reader = SiteReader()
    bob = PHONE.replace("alice", "bob").replace("101", "102")
    before = reader.read([File("a.yaml", f"{OFFICE}---\n{PHONE}---\n{SECRET}---\n{bob}".encode())]).snapshot
    now = reader.read([File("a.yaml", f"{OFFICE}---\n{PHONE}---\n{SECRET}---\n{bob}  nat: 1\n".encode())]).snapshot
    assert now.resources[ALICE] is before.resources[ALICE]
    assert now.secrets["alice"] is before.secrets["alice"]
    assert now.resources[Key("Extension", "bob")] != before.resources[Key("Extension", "bob")]


@pytest.mark.parametrize(("one", "other"), [("true", "1"), ("1", "true"), ("true", "'true'")])
def test_what_only_python_takes_for_the_same_is_read_anew(one: str, other: str) -> None:
    reader = SiteReader()
    reader.read([File("a.yaml", f"{PHONE}  nat: {one}\n".encode())])
    text = f"{PHONE}  nat: {other}\n"
    assert reader.read([File("a.yaml", text.encode())]).snapshot == read(text).snapshot


def test_the_example_office_is_without_a_problem() -> None:
    from dialplane.standalone.files import read_paths  # noqa: PLC0415

    site = SiteReader().read(read_paths([Path("examples/office")]))
    assert site.findings == ()
    assert len(site.snapshot.resources) == 7


CAMPAIGN_KEY = Key("Campaign", "spring")


def test_only_config_maps_that_are_referred_to_are_in_the_snapshot_and_the_others_are_left_alone() -> None:
    other = PEOPLE.replace("name: people", "name: other") + "binaryData: {x: AAAA}\n"
    site = read(OFFICE, CAMPAIGN, PEOPLE, other)
    assert site.snapshot.config_maps == {"people": {"may.csv": "number\n+15550101\n"}}
    assert [str(finding) for finding in site.findings] == [
        "3.yaml:1: ConfigMap/other: left alone: no resource refers to it"
    ]
    assert not site.errors


def test_a_config_map_that_says_the_same_is_the_very_same_object_though_its_file_was_written() -> None:
    reader = SiteReader()
    files = [File("a.yaml", CAMPAIGN.encode()), File("p.yaml", PEOPLE.encode())]
    before = reader.read(files).snapshot.config_maps["people"]
    files[1] = File("p.yaml", (PEOPLE + "immutable: true\n").encode())
    assert reader.read(files).snapshot.config_maps["people"] is before
    files[1] = File("p.yaml", PEOPLE.replace("0101", "0102").encode())
    assert reader.read(files).snapshot.config_maps["people"] == {"may.csv": "number\n+15550102\n"}
    assert reader.read(files[:1]).snapshot.config_maps == {}


def test_a_config_map_described_twice_is_said() -> None:
    site = read(OFFICE, CAMPAIGN, PEOPLE, PEOPLE.replace("0101", "0102"))
    assert "also in 2.yaml:1" in site.errors[0].message
    assert site.snapshot.config_maps["people"]["may.csv"].endswith("0101\n")


def test_a_config_map_as_large_as_kubernetes_takes_is_read() -> None:
    line = "    +15550101\n"
    people = PEOPLE.replace(line, line * 104_000)
    site = read(OFFICE, CAMPAIGN, people)
    assert not site.findings
    assert len(site.snapshot.config_maps["people"]["may.csv"]) > 1_000_000


def test_no_finding_ever_shows_a_value_of_a_config_map() -> None:
    for value in ("0155501", "yes", "1_000", "12:30", "[a]", "7"):
        text = PEOPLE + f"  other: {value}\n"
        findings = read(OFFICE, CAMPAIGN, text).findings
        assert findings
        for finding in findings:
            assert f" {value} " not in f" {finding.message} "
