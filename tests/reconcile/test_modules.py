"""An Asterisk that lacks a module, or is too old: whoever needs it is told so with the cure, everybody else is served."""

from pathlib import Path

from dialplane.resources.conditions import ConditionType
from dialplane.resources.key import Key
from testbed.manifests import Manifest, manifest
from tests.reconcile.ami_proxy import behind_proxy
from tests.reconcile.site_rig import Rig, extension, extensions

BOX = {"enabled": True, "pinSecretRef": {"name": "pin", "key": "pin"}}
VOICEMAIL, REGISTRATION = "app_voicemail.so", "res_pjsip_outbound_registration.so"


def site(rig: Rig) -> list[Manifest]:
    rig.source.secret("pin", pin="4711")
    rig.source.secret("carrier", username="account", password="secret")
    line = {"host": "127.0.0.9", "port": 9, "credentialsSecretRef": {"name": "carrier"}}
    return [
        rig.pbx(),
        *extensions([101, 102]),
        extension("103", voicemail=BOX),
        manifest("SipTrunk", "alpha", **line, registration={}),
        manifest("SipTrunk", "beta", **line, registration={"enabled": False}, matchNetworks=["192.0.2.7/32"]),
    ]


async def test_what_needs_a_missing_module_says_so_and_the_rest_is_served(tmp_path: Path) -> None:
    async with Rig(tmp_path, noload=(VOICEMAIL, REGISTRATION)) as rig:
        rig.put(*site(rig))
        rig.run()
        await rig.settled()
        for name, kind, module in (("e103", "Extension", VOICEMAIL), ("alpha", "SipTrunk", REGISTRATION)):
            told = rig.ready(name, kind)
            assert told is not None
            assert (told.status, told.reason) == ("False", "ModuleMissing"), told
            assert module in told.message
            assert "modules.conf" in told.message
        for name, kind in (("e101", "Extension"), ("e102", "Extension"), ("beta", "SipTrunk")):
            assert rig.says(name, "Verified", kind), rig.ready(name, kind)
        assert rig.says("pbx", "ModuleMissing", "Asterisk"), "its routines call VoiceMail() for all"
        assert await rig.registers("101", "secret-101")
        registered = rig.sink.history[-1][Key("Extension", "e102")].condition(ConditionType.REGISTERED)
        assert registered is not None
        assert registered.status == "False", "live state goes on"
        await rig.listen()
        rig.put(extension("101", displayName="New"))
        await rig.settled()
        assert rig.reloads == ["res_pjsip.so"], "what no reload can cure costs none"
        # Loaded by hand, without a restart:
        await rig.asterisk.console(f"module load {VOICEMAIL}")
        await rig.until(lambda: rig.says("e103", "Verified"))
        assert "103" in await rig.asterisk.console("voicemail show users for default")
        assert rig.says("alpha", "ModuleMissing", "SipTrunk")
        # And taken away again: what was proven is none any more.
        await rig.asterisk.console(f"module unload {VOICEMAIL}")
        await rig.until(lambda: rig.says("e103", "ModuleMissing"))
        rig.noload = ()
        await rig.restart()
        await rig.until(lambda: rig.says("e103", "Verified") and rig.says("alpha", "Verified", "SipTrunk"), 30)
        assert "alpha" in await rig.asterisk.console("pjsip show registrations")


async def test_without_the_module_of_the_dialplan_nothing_is_refused(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(*site(rig))
        rig.run()
        await rig.settled()
        await rig.asterisk.console("module unload pbx_config.so")
        await rig.until(lambda: rig.says("pbx", "ModuleMissing", "Asterisk"))
        rig.put(extension("101", displayName="New"))
        await rig.settled()
        assert rig.says("pbx", "ModuleMissing", "Asterisk"), rig.ready("pbx", "Asterisk")
        assert not any(reason == "RejectedByAsterisk" for _, _, reason in rig.sink.every(Key("Extension", "e101")))
        await rig.asterisk.console("module load pbx_config.so")
        await rig.settled()
        assert all(rig.says(key.name, "Verified", key.kind) for key in rig.source.manifests)
        assert "dp-internal" in await rig.asterisk.console("dialplan show")


async def test_an_asterisk_that_is_too_old_is_said_to_be(tmp_path: Path) -> None:
    async with behind_proxy(tmp_path) as (rig, proxy):
        proxy.rewrite = (b"AsteriskVersion: 22.", b"AsteriskVersion: 18.")
        rig.put(rig.pbx(), *extensions([101]))
        rig.run()
        await rig.until(lambda: rig.says("pbx", "UnsupportedVersion", "Asterisk"))
        told = rig.ready("pbx", "Asterisk")
        assert told is not None
        assert told.status == "False"
        assert "Asterisk 18." in told.message
        assert "22 or newer" in told.message
        await rig.until(lambda: rig.says("e101", "Verified"))
        proxy.rewrite = None
        proxy.cut()
        await rig.until(lambda: rig.says("pbx", "Verified", "Asterisk"))
