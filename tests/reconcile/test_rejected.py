"""What Asterisk itself refuses: never Ready, the version before serves, also after every kind of restart."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dialplane.resources.key import Key
from testbed.manifests import Manifest, manifest
from tests.reconcile.site_rig import Rig, extension

BOX = {"enabled": True, "pinSecretRef": {"name": "pin", "key": "pin"}}
PJSIP = """[{{ object.id | section }}]
type = {{ object.type }}
{% for name, value in object.options %}
{{ name }} = {{ value }}
{% endfor %}
"""
LINE = """{% if entry.priority == "hint" %}
exten => {{ entry.extension }},hint,{{ entry.application }}
{% else %}
exten => {{ entry.extension }},{% if "BAD" in entry.arguments or "+1666" in entry.arguments %}oops{% else %}{{ entry.priority }}{% endif %}{% if entry.label %}({{ entry.label }}){% endif %},{{ entry.application }}({{ entry.arguments }})
{% endif %}
"""
BOX_LINE = "{% if 'BAD' not in mailbox.full_name %}{{ mailbox.number }} => {{ mailbox.pin }},{{ mailbox.full_name }},{{ mailbox.email }},,{% for name, value in mailbox.options %}{% if not loop.first %}|{% endif %}{{ name }}={{ value }}{% endfor %}{% endif %}\n"
"""A line in which Asterisk sees no mailbox."""


def bad_when(test: str, option: str = "nosuchoption = 1") -> str:
    return PJSIP + "{% if " + test + " %}\n" + option + "\n{% endif %}\n"


@dataclass(frozen=True)
class Case:
    """One type of object; `spec` makes a manifest good or bad."""

    template: str
    text: str
    kind: str
    good: Callable[[Rig], Manifest]
    bad: Callable[[Rig], Manifest]
    secrets: Mapping[str, str] | None = None


def trunk(**spec: Any) -> Manifest:
    account = {"credentialsSecretRef": {"name": "carrier"}, "registration": {"retrySeconds": 30}}
    return manifest("SipTrunk", "alpha", **({"host": "127.0.0.1", "port": 9} | account | spec))


CASES = {
    "endpoint": Case(
        "pjsip_endpoint.conf.j2",
        bad_when("'BAD' in (object.options | string)"),
        "Extension",
        lambda _: extension("101"),
        lambda _: extension("101", displayName="BAD"),
    ),
    "auth": Case(
        "pjsip_auth.conf.j2",
        # The template cannot see a secret; what the new version has and the old one has not is its length.
        PJSIP.replace(
            "{% endfor %}",
            "{% endfor %}{% for name, value in object.options if name == 'password' and (value | string) != '' %}{% endfor %}",
        ),
        "Extension",
        lambda _: extension("101"),
        lambda _: extension("101", credentialsSecretRef={"name": "bad"}),
    ),
    "aor": Case(
        "pjsip_aor.conf.j2",
        bad_when("['max_contacts', '7'] in (object.options | map('list') | list)"),
        "Extension",
        lambda _: extension("101"),
        lambda _: extension("101", maxContacts=7),
    ),
    "dialplan line": Case(
        "extensions_line.conf.j2",
        LINE,
        "Extension",
        lambda _: extension("101"),
        lambda _: extension("101", callerId="+1666"),
    ),
    "mailbox": Case(
        "voicemail.conf.j2",
        BOX_LINE,
        "Extension",
        lambda _: extension("101", voicemail=BOX),
        lambda _: extension("101", voicemail=BOX, displayName="BAD"),
    ),
    "registration": Case(
        "pjsip_registration.conf.j2",
        bad_when("['expiration', '666'] in (object.options | map('list') | list)"),
        "SipTrunk",
        lambda _: trunk(),
        lambda _: trunk(registration={"retrySeconds": 30, "expirySeconds": 666}),
    ),
    "identify": Case(
        "pjsip_identify.conf.j2",
        bad_when("'10.6.6.6' in (object.options | string)"),
        "SipTrunk",
        lambda _: trunk(matchNetworks=["10.0.0.1"]),
        lambda _: trunk(matchNetworks=["10.6.6.6"]),
    ),
}
# Only the new account is bad: the plan gives an auth its number, so the bad one is told by what the file's text holds.
CASES["auth"] = Case(
    "pjsip_auth.conf.j2",
    PJSIP.replace(
        "{{ name }} = {{ value }}",
        "{% if name == 'password' %}{% set text %}{{ value }}{% endset %}{% if 'rejected' in text %}nosuchoption = 1{% endif %}\n{% endif %}\n{{ name }} = {{ value }}",
    ),
    "Extension",
    lambda _: extension("101"),
    lambda _: extension("101", credentialsSecretRef={"name": "bad"}),
)


def site(rig: Rig) -> None:
    rig.source.secret("pin", pin="4711")
    rig.source.secret("carrier", username="account", password="secret")
    rig.source.secret("bad", username="101", password="rejected-101")
    rig.put(rig.pbx(), extension("102"))


async def shown(rig: Rig, case: str) -> str:
    """What Asterisk runs of the object in question."""
    commands = {
        "endpoint": "pjsip show endpoint 101",
        "auth": "pjsip show auth 101",
        "aor": "pjsip show aor 101",
        "dialplan line": "dialplan show 101@dp-internal",
        "mailbox": "voicemail show users for default",
        "registration": "pjsip show registration alpha",
        "identify": "pjsip show identify alpha",
    }
    return "\n".join(
        line
        for line in (await rig.asterisk.console(commands[case])).splitlines()
        if "Not in use" not in line and "Unavail" not in line and "alpha/sip" not in line
    )


@pytest.mark.parametrize("name", CASES)
async def test_a_refused_version_is_never_ready_and_the_one_before_serves(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    async with Rig(tmp_path, {case.template: case.text}) as rig:
        site(rig)
        rig.put(case.good(rig))
        key = Key(case.kind, "e101" if case.kind == "Extension" else "alpha")
        rig.run()
        await rig.settled()
        assert rig.says(key.name, "Verified", key.kind)
        before = await shown(rig, name)

        rig.put(case.bad(rig))
        await rig.settled()
        assert rig.says(key.name, "RejectedByAsterisk", key.kind)
        told = rig.ready(key.name, key.kind)
        assert told is not None
        assert "goes on serving" in told.message
        assert all(status != "True" for generation, status, _ in rig.sink.every(key) if generation == 2)
        assert rig.says("e102", "Verified")
        assert "rejected-101" not in str(rig.sink.history)
        assert await shown(rig, name) == before
        if case.kind == "Extension":
            assert await rig.registers("101", "secret-101")

        await rig.asterisk.restart()  # what is on disk is the good version
        await rig.listen()
        assert await shown(rig, name) == before
        if case.kind == "Extension":
            assert await rig.registers("101", "secret-101")
        # The Asterisk that started anew is asked again to take the new version, and refuses it again.
        await rig.until(lambda: rig.loop.connected, 20)
        await rig.settled()
        await asyncio.sleep(1)
        assert all(status != "True" for generation, status, _ in rig.sink.every(key) if generation == 2)
        assert await shown(rig, name) == before

        await rig.listen()
        rig.sink.history.clear()
        await rig.rerun()
        await rig.settled()
        await asyncio.sleep(1)
        assert rig.reloads == []
        assert rig.sink.every(key) == [(2, "False", "RejectedByAsterisk")]
        assert key not in rig.sink.writes

        rig.put(case.good(rig))
        await rig.settled()
        assert rig.says(key.name, "Verified", key.kind)


@pytest.mark.parametrize("name", CASES)
async def test_what_was_never_verified_is_left_out_wholly(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    async with Rig(tmp_path, {case.template: case.text}) as rig:
        site(rig)
        rig.run()
        await rig.settled()
        rig.put(case.bad(rig))
        key = Key(case.kind, "e101" if case.kind == "Extension" else "alpha")
        await rig.settled()
        assert [reason for _, _, reason in rig.sink.every(key)] == ["RejectedByAsterisk"]
        told = rig.ready(key.name, key.kind)
        assert told is not None
        assert "left out" in told.message
        assert await rig.endpoints() == {"102"}
        texts = "".join(path.read_text() for path in rig.config.glob("*.conf"))
        assert "[101]" not in texts
        assert "exten => 101" not in texts
        assert "[alpha]" not in texts
        rig.put(case.good(rig))
        await rig.settled()
        assert rig.says(key.name, "Verified", key.kind)
