"""From objects to bytes: what does not fit, what users replace, and the files that Asterisk boots with."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from pydantic import SecretStr

from dialplane.plan.bootstrap import Account, Directories, Settings, bootstrap
from dialplane.plan.digest import digest
from dialplane.plan.escape import LINE_LIMIT, VALUE_LIMIT, Unrenderable, escape
from dialplane.plan.objects import DialplanContext, DialplanEntry, Objects, PjsipObject, PjsipType, Setting
from dialplane.plan.planner import Planner
from dialplane.plan.render import FILES, HEADER, Renderer
from dialplane.reconcile.template_dir import load, shipped
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from tests.plan.office import manifest, snapshot
from tests.plan.reader import read
from tests.plan.rich import MANIFESTS, SECRETS, rich

PBX, ADA, BOB = Key("Asterisk", "pbx"), Key("Extension", "ada"), Key("Extension", "bob")
TOO_LONG = Problem(Reason.INVALID, "a value makes a line longer than 8,000 bytes, which Asterisk would skip", "spec")


def _aor(owner: Key, **options: str) -> PjsipObject:
    return PjsipObject(PjsipType.AOR, owner.name, tuple(options.items()), owner)


def _entry(owner: Key, arguments: str) -> DialplanEntry:
    return DialplanEntry(owner.name, 1, "NoOp", arguments, owner)


def test_an_object_that_does_not_fit_is_its_owners_problem_and_is_left_out() -> None:
    long = _aor(ADA, **{"x" * 200: "y" * VALUE_LIMIT})
    for _ in range(2):  # what is remembered from one plan to the next hides nothing
        files, findings = Renderer(load()).files(Objects(pjsip=(long, _aor(BOB, contact="sip:b"))))
        assert findings == [(ADA, TOO_LONG)]
        assert read(files["pjsip_aor.conf"]).sections == ("[bob]",)


def test_the_same_renderer_finds_it_again() -> None:
    renderer = Renderer(load())
    objects = Objects(pjsip=(_aor(ADA, **{"x" * 200: "y" * VALUE_LIMIT}),))
    assert renderer.files(objects) == renderer.files(objects)


def test_of_a_context_only_the_owners_of_what_does_not_fit_are_at_fault() -> None:
    parts = (
        _entry(ADA, "x" * VALUE_LIMIT),
        _entry(BOB, "short"),
        DialplanEntry("s" * 200, 1, "NoOp", "x" * VALUE_LIMIT, ADA),
    )
    context = DialplanContext("dp-x", (), parts, PBX)
    _, findings = Renderer(load()).files(Objects(contexts=(context,)))
    assert findings == [(ADA, TOO_LONG)]


def test_a_context_whose_own_name_does_not_fit_is_its_owners_problem() -> None:
    context = DialplanContext("dp x", (), (_entry(ADA, ""),), PBX)
    _, findings = Renderer(load()).files(Objects(contexts=(context,)))
    assert [owner for owner, _ in findings] == [PBX]


def test_a_setting_that_does_not_fit_is_its_owners_problem() -> None:
    files, findings = Renderer(load()).files(Objects(settings=(Setting("rtp.conf", "general", "a", "b\nc", PBX),)))
    assert [(owner, p.reason) for owner, p in findings] == [(PBX, Reason.INVALID)]
    assert files["rtp.conf"] == HEADER


def test_every_file_is_there_even_of_nothing() -> None:
    files, findings = Renderer(load()).files(Objects())
    assert (sorted(files), findings) == (sorted(FILES), [])


@pytest.mark.parametrize(
    ("path", "section"), [("cdr.conf", "[general](+)"), ("http.conf", "[general](+)"), ("rtp.conf", "[general]")]
)
def test_a_section_that_the_base_file_opens_is_added_to(path: str, section: str) -> None:
    files, _ = Renderer(load()).files(Objects(settings=(Setting(path, "general", "a", "b", PBX),)))
    assert files[path] == f"{HEADER}{section}\na = b\n\n"


def test_retained_routines_are_kept_word_for_word() -> None:
    old = "[dp-old_00000000]\nexten => s,1,Return()\n\n"
    assert Renderer(load()).files(Objects(), old)[0]["extensions.conf"].endswith(old)


def _overrides(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.conf.j2").write_text(text)
    return folder


PJSIP = (shipped() / "pjsip.conf.j2").read_text()


def test_a_users_template_stands_in_for_ours(tmp_path: Path) -> None:
    folder = _overrides(tmp_path, pjsip=PJSIP.replace("type =", "; mine\ntype ="))
    files = Planner(load(folder)).plan(rich()).files
    assert files["pjsip_aor.conf"].count("; mine\n") == 5
    assert "; mine\n" in files["pjsip_global.conf"]


def test_a_template_for_one_type_touches_no_other(tmp_path: Path) -> None:
    folder = _overrides(tmp_path, pjsip_aor=PJSIP.replace("type =", "; mine\ntype ="))
    files, ours = Planner(load(folder)).plan(rich()).files, Planner(load()).plan(rich()).files
    assert [path for path in files if files[path] != ours[path]] == ["pjsip_aor.conf"]


@pytest.mark.parametrize("name", ["pjsip_endpiont", "pjsip_contact", "extension"])
def test_a_misspelt_template_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        load(_overrides(tmp_path, **{name: ""}))


def test_no_folder_of_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder"):
        load(tmp_path / "nowhere")


def test_a_users_template_that_asks_for_what_is_not_there_ends_the_plan_instead_of_the_site(tmp_path: Path) -> None:
    planner = Planner(load(_overrides(tmp_path, pjsip="{{ object.nothing }}")))
    with pytest.raises(UndefinedError):
        planner.plan(rich())


def test_a_users_template_escapes_too(tmp_path: Path) -> None:
    text = "[{{ mailbox.number | section }}]\nname = {{ mailbox.full_name ~ ';#' }}\n"
    files = Planner(load(_overrides(tmp_path, voicemail=text))).plan(rich()).files
    assert 'name = Lovelace Ada\\; "R&D" \\ ${EXTEN}\\;#\n' in files["voicemail.conf"]


def test_templates_are_told_apart_by_what_they_say(tmp_path: Path) -> None:
    folder = _overrides(tmp_path, pjsip=PJSIP + "\n")
    assert load().fingerprint == load().fingerprint != load(folder).fingerprint


@given(st.text())
def test_a_value_that_is_accepted_leaves_room_for_its_name(value: str) -> None:
    try:
        line = f"an_option_of_usual_length = {escape(value)}"
    except Unrenderable:
        return
    assert len(line.encode()) <= LINE_LIMIT


@pytest.mark.parametrize("value", ["x" * VALUE_LIMIT, "ä" * (VALUE_LIMIT // 2), ";" * (VALUE_LIMIT // 2)])
def test_the_longest_values(value: str) -> None:
    assert escape(value)
    with pytest.raises(Unrenderable, match="7,900 bytes"):
        escape(value + ";")


def test_one_phone_that_does_not_fit_takes_no_other_with_it(tmp_path: Path) -> None:
    text = PJSIP.replace("type =", "{% if object.id == '102' %}\n" + "x" * LINE_LIMIT + "x\n{% endif %}\ntype =")
    plan = Planner(load(_overrides(tmp_path, pjsip_endpoint=text))).plan(rich())
    assert plan.problems == {
        Key("Extension", "plain"): (TOO_LONG,),
        Key("Extension", "desk"): plan.problems[Key("Extension", "desk")],
    }
    assert [(p.field, p.partial) for p in plan.problems[Key("Extension", "desk")]] == [
        ("spec.forward.unconditional", True),
        ("spec.forward.busy", True),
    ]
    assert "[102]" not in "".join(plan.files.values())


def test_if_the_asterisk_itself_does_not_fit_nothing_is_served(tmp_path: Path) -> None:
    text = PJSIP + "x" * (LINE_LIMIT + 1)
    plan = Planner(load(_overrides(tmp_path, pjsip_global=text))).plan(rich())
    assert (plan.pbx, plan.versions) == (None, {})
    assert {p.reason for key, found in plan.problems.items() for p in found if key.kind != "Asterisk"} == {
        Reason.ASTERISK_MISSING
    }


NESTED = ("a", 1, ("b", SecretStr("c")), None)


def test_a_digest_is_the_same_on_every_machine() -> None:
    assert digest(*NESTED) == "9af49a0c7da0"
    assert digest(*NESTED, pepper=b"x") != digest(*NESTED)
    assert len(digest(*NESTED, size=3)) == 6


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_different_parts_have_different_digests(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_a_digest_takes_what_is_no_text_at_all() -> None:
    assert digest("\udcff") != digest("\udcfe")


def _settings(**changes: Any) -> Settings:
    account = Account("name", SecretStr("se;cret"))
    return Settings(controller=account, calls=account, ari=account, **changes)


def test_the_base_files_are_ours_and_open_no_door() -> None:
    files = bootstrap(_settings(), load())
    assert sorted(files) == sorted(p.name.removesuffix(".j2") for p in (shipped() / "bootstrap").glob("*.j2"))
    assert "#exec" not in "".join(files.values())
    secrets = [
        line for name in ("manager.conf", "ari.conf") for line in read(files[name]).lines if line.value == "se;cret"
    ]
    assert len(secrets) == 3


def test_every_rendered_file_is_included_or_mapped_by_the_base_files() -> None:
    text = "".join(bootstrap(_settings(), load()).values())
    assert [path for path in FILES if path not in text] == []


@pytest.mark.parametrize("ipv6", [True, False])
def test_the_base_files_open_a_transport_on_loopback_for_each_protocol(ipv6: bool) -> None:
    """What the machine cannot open is a mere template, which the rendered file may still add to."""
    text = bootstrap(_settings(ipv6=ipv6), load())["pjsip_transport.conf"]
    binds = dict(re.findall(r"^\[(\w+)\]\ntype = transport\nprotocol = \w+\nbind = (\S+)$", text, re.MULTILINE))
    v4 = {"dp_boot_udp4": "127.0.0.1:5098", "dp_boot_tcp4": "127.0.0.1:5098", "dp_boot_tls4": "127.0.0.1:5099"}
    v6 = {"dp_boot_udp6": "[::1]:5098", "dp_boot_tcp6": "[::1]:5098", "dp_boot_tls6": "[::1]:5099"}
    assert binds == (v4 | v6 if ipv6 else v4)
    assert text.count("](!)\n") == (0 if ipv6 else 3)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "#tryinclude dialplane/pjsip_transport.conf",
        "#tryinclude dialplane/pjsip_placeholder.conf",
    ]


@pytest.mark.parametrize(
    "settings",
    [
        _settings(directories=Directories(etc="/etc\n#exec x")),
        _settings(country="us\n[x]"),
        _settings(http_bind="::1 "),
    ],
    ids=["directory", "country", "address"],
)
def test_a_base_file_refuses_what_it_cannot_express(settings: Settings) -> None:
    with pytest.raises(Unrenderable):
        bootstrap(settings, load())


def test_a_plan_of_no_site_empties_every_file() -> None:
    plan = Planner(load()).plan(snapshot([manifest("Extension", "a", MANIFESTS[1]["spec"])], SECRETS))
    assert all(read(text).lines == () for text in plan.files.values())
