"""What Asterisk itself refuses: never Ready, the version before serves, also after every kind of restart."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialplane.resources.key import Key
from testbed.manifests import Manifest, manifest
from tests.reconcile.site_rig import Rig, extension, key_of

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
exten => {{ entry.extension }},{% if "+1666" in entry.arguments %}oops{% else %}{{ entry.priority }}{% endif %}{% if entry.label %}({{ entry.label }}){% endif %},{{ entry.application }}({{ entry.arguments }})
{% endif %}
"""
BOX_LINE = "{% if 'NOBOX' not in mailbox.full_name %}{{ mailbox.number }} => {{ mailbox.pin }},{{ mailbox.full_name }},{{ mailbox.email }},,{% for name, value in mailbox.options %}{% if not loop.first %}|{% endif %}{{ name }}={{ value }}{% endfor %}{% endif %}\n"
"""A line in which Asterisk sees no mailbox."""


PASSWORD = PJSIP.replace(
    "{{ name }} = {{ value }}",
    "{% if name == 'password' %}{% set text %}{{ value }}{% endset %}{% if 'rejected' in text %}nosuchoption = 1{% endif %}\n{% endif %}\n{{ name }} = {{ value }}",
)
"""The template cannot see a secret; that one is bad shows in the file's text."""


def bad_when(test: str, option: str = "nosuchoption = 1") -> str:
    return PJSIP + "{% if " + test + " %}\n" + option + "\n{% endif %}\n"


@dataclass(frozen=True)
class Case:
    """One type of object, and a version of a resource whose object Asterisk refuses."""

    template: str
    text: str
    good: Manifest
    bad: Manifest
    shown: str
    """The console's command that shows what Asterisk runs of it."""

    @property
    def key(self) -> Key:
        return key_of(self.good)

    @property
    def id(self) -> str:
        """The object's name in Asterisk: the number, or the trunk's name."""
        return str(self.good["spec"].get("number", self.key.name))


def trunk(name: str = "alpha", **spec: Any) -> Manifest:
    account = {"credentialsSecretRef": {"name": "carrier"}, "registration": {"retrySeconds": 30}}
    return manifest("SipTrunk", name, **({"host": "127.0.0.1", "port": 9} | account | spec))


CASES = {
    "auth": Case(
        "pjsip_auth.conf.j2",
        PASSWORD,
        extension("101"),
        extension("101", credentialsSecretRef={"name": "bad"}),
        "pjsip show auth 101",
    ),
    "endpoint": Case(
        "pjsip_endpoint.conf.j2",
        bad_when("'BAD' in (object.options | string)"),
        extension("103"),
        extension("103", displayName="BAD"),
        "pjsip show endpoint 103",
    ),
    "aor": Case(
        "pjsip_aor.conf.j2",
        bad_when("['max_contacts', '7'] in (object.options | map('list') | list)"),
        extension("104"),
        extension("104", maxContacts=7),
        "pjsip show aor 104",
    ),
    "dialplan line": Case(
        "extensions_line.conf.j2",
        LINE,
        extension("105"),
        extension("105", callerId="+1666"),
        "dialplan show 105@dp-internal",
    ),
    "mailbox": Case(
        "voicemail.conf.j2",
        BOX_LINE,
        extension("106", voicemail=BOX),
        extension("106", voicemail=BOX, displayName="NOBOX"),
        "voicemail show users for default",
    ),
    "registration": Case(
        "pjsip_registration.conf.j2",
        bad_when("['expiration', '666'] in (object.options | map('list') | list)"),
        trunk(),
        trunk(registration={"retrySeconds": 30, "expirySeconds": 666}),
        "pjsip show registration alpha",
    ),
    "identify": Case(
        "pjsip_identify.conf.j2",
        bad_when("'10.6.6.6' in (object.options | string)"),
        trunk("beta", host="127.0.0.9", matchNetworks=["10.0.0.1"]),
        trunk("beta", host="127.0.0.9", matchNetworks=["10.6.6.6"]),
        "pjsip show identify beta",
    ),
}
TEMPLATES = {case.template: case.text for case in CASES.values()}
OTHER = Key("Extension", "e102")


def site(rig: Rig) -> None:
    rig.source.secret("pin", pin="4711")
    rig.source.secret("carrier", username="account", password="secret")
    rig.source.secret("bad", username="101", password="rejected-101")
    rig.put(rig.pbx(), extension("102"))


async def shown(rig: Rig, case: Case) -> str:
    """What Asterisk runs of the object in question."""
    lines = (await rig.asterisk.console(case.shown)).splitlines()
    state = ("Not in use", "Unavail", "Invalid", "/sip:")  # the third for a moment after the endpoint was made
    return "\n".join(line for line in lines if not any(word in line for word in state))


async def serves(rig: Rig, case: Case, before: str) -> None:
    """The version before is what Asterisk runs, and the old phone is let in."""
    assert await shown(rig, case) == before
    if case.key.kind == "Extension":
        assert await rig.registers(case.id, f"secret-{case.id}")


def refused(rig: Rig, case: Case, words: str) -> None:
    told = rig.ready(case.key.name, case.key.kind)
    assert told is not None
    assert told.reason == "RejectedByAsterisk", told
    assert words in told.message
    assert all(status != "True" for generation, status, _ in rig.sink.every(case.key) if generation == 2)


async def test_refused_versions_are_never_ready_and_the_ones_before_serve(tmp_path: Path) -> None:
    """One of each type, one after another, all on one site; then after a restart of Asterisk, and of the controller."""
    async with Rig(tmp_path, TEMPLATES) as rig:
        site(rig)
        rig.put(*(case.good for case in CASES.values()))
        rig.run()
        await rig.settled()
        assert all(rig.says(case.key.name, "Verified", case.key.kind) for case in CASES.values())
        before = {name: await shown(rig, case) for name, case in CASES.items()}

        for name, case in CASES.items():
            rig.put(case.bad)
            await rig.settled()
            refused(rig, case, "goes on serving")
            await serves(rig, case, before[name])
        assert {status for _, status, _ in rig.sink.every(OTHER)} == {"True"}
        assert "rejected-101" not in str(rig.sink.history)

        async with rig.loop._turn:  # no pass yet: what is on disk are the good versions
            await rig.restart()
            for name, case in CASES.items():
                await serves(rig, case, before[name])
        # The Asterisk that started anew is asked again to take the new versions, and refuses them again.
        await rig.until(lambda: rig.reloads != [])
        await rig.settled()
        for name, case in CASES.items():
            refused(rig, case, "goes on serving")
            assert await shown(rig, case) == before[name]

        await rig.listen()
        await rig.rerun()
        await rig.settled()
        await asyncio.sleep(0.7)
        assert rig.reloads == []
        for case in CASES.values():
            assert rig.sink.every(case.key) == [(2, "False", "RejectedByAsterisk")]
            assert case.key not in rig.sink.writes or case.key.kind == "SipTrunk"  # whose contact lives

        rig.put(*(case.good for case in CASES.values()))
        await rig.settled()
        assert all(rig.says(case.key.name, "Verified", case.key.kind) for case in CASES.values())


async def test_what_was_never_verified_is_left_out_wholly(tmp_path: Path) -> None:
    async with Rig(tmp_path, TEMPLATES) as rig:
        site(rig)
        rig.run()
        await rig.settled()
        there = {"102"}
        for case in CASES.values():
            rig.put(case.bad)
            await rig.settled()
            assert [reason for _, _, reason in rig.sink.every(case.key)] == ["RejectedByAsterisk"]
            refused(rig, case, "left out")
            assert await rig.endpoints() == there
            texts = "".join(path.read_text() for path in rig.config.glob("*.conf"))
            assert f"[{case.id}]" not in texts
            assert f"exten => {case.id}" not in texts
            rig.put(case.good)
            await rig.settled()
            assert rig.says(case.key.name, "Verified", case.key.kind)
            there.add(case.id)
