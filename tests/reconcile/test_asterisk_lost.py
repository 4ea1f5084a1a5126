"""The connection to Asterisk at its worst: nothing stale is Ready, nothing is lost, and all is verified again."""

import asyncio
from dataclasses import replace
from pathlib import Path

from dialplane.reconcile.site import Timing
from dialplane.resources.key import Key
from testbed.ports import LOOPBACK
from tests.reconcile.ami_proxy import behind_proxy
from tests.reconcile.site_rig import FAST, Rig, extension, extensions


def never_stale(rig: Rig, name: str, generation: int) -> bool:
    """Ready=True for that generation was only ever said of the version that Asterisk runs (checked by the caller)."""
    return all(s != "True" for g, s, _ in rig.sink.every(Key("Extension", name)) if g == generation)


async def test_asterisk_killed_and_started_again(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        pbx = Key("Asterisk", "pbx")
        assert rig.sink.statuses[pbx]["state"] == "Normal"
        await rig.asterisk.stop(limit_seconds=0)
        await rig.until(lambda: rig.says("e101", "AsteriskUnreachable"))
        assert rig.sink.statuses[pbx]["state"] == "Error"
        rig.put(extension("101", displayName="While away"), extension("103"))
        await rig.until(lambda: rig.says("e103", "AsteriskUnreachable"))
        assert never_stale(rig, "e101", 2)
        await rig.asterisk.start()
        await rig.listen()
        await rig.settled(40)
        assert rig.sink.statuses[pbx]["state"] == "Normal"
        assert all(rig.says(f"e{n}", "Verified") for n in (101, 102, 103))
        assert "While away" in await rig.asterisk.console("pjsip show endpoint 101")
        assert await rig.endpoints() == {"101", "102", "103"}
        told = [entry[1] for entry in rig.sink.every(Key("Extension", "e102"))]
        assert told == ["True", "Unknown", "True"]


async def test_an_asterisk_that_stops_gracefully_serves_nobody(tmp_path: Path) -> None:
    """It refuses every call, and every action, for as long as one call is up; the connection stays."""
    async with Rig(tmp_path, timing=replace(FAST, lost_grace=30)) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        caller, callee = await rig.phone("101"), await rig.phone("102")
        for phone in (caller, callee):
            assert (await phone.ask("register"))["code"] == 200
        await callee.ask("answer", code=200, ring_seconds=0.1)
        call = await caller.ask("call", number="102")
        stopping = asyncio.create_task(rig.asterisk.console("core stop gracefully", limit_seconds=60))
        await rig.until(lambda: rig.says("e101", "AsteriskUnreachable"))
        assert "shuts down" in rig.sink.statuses[Key("Extension", "e101")]["conditions"][1]["message"]
        assert (await callee.ask("call", number="101"))["code"] == 503
        await rig.asterisk.console("core abort shutdown")
        await stopping
        await rig.until(lambda: rig.says("e101", "Verified"))
        assert (await caller.ask("hangup", call=call["call"]))["bye"] == 200


async def test_a_change_while_the_link_is_down_is_never_ready_before_it_was_verified(tmp_path: Path) -> None:
    """Within the grace old verdicts count, but not for new versions."""
    timing = Timing(drift_check=0.3, lost_grace=30, retry=0.2, status_refresh=0.5)
    async with behind_proxy(tmp_path, timing) as (rig, proxy):
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        proxy.target = 1  # nobody listens
        proxy.cut()
        await asyncio.sleep(0.5)
        rig.put(extension("101", displayName="New"))
        await rig.until(lambda: rig.ready("e101") is not None)
        assert not rig.says("e101", "Verified")
        assert rig.says("e102", "Verified")
        stale: list[str] = []
        publish = rig.sink.publish

        async def look(reports: object) -> None:
            await publish(reports)  # type: ignore[arg-type]
            if rig.says("e101", "Verified") and await rig.display_name("101") != "New":
                stale.append("stale")

        rig.sink.publish = look  # type: ignore[method-assign,assignment]
        proxy.target = rig.asterisk.settings.ami_port
        await rig.until(lambda: rig.says("e101", "Verified"), 40)
        assert not stale
        assert {s for _, s, _ in rig.sink.every(Key("Extension", "e102"))} == {"True"}


MOMENTS = (
    b"Module: res_pjsip.so",
    b"Module: pbx_config.so",
    b"PJSIPShowEndpoint",
    b"ShowDialPlan",
    b"DBDel",
    b"DBGetTree",
)


async def test_the_link_cut_in_the_middle_of_a_pass(tmp_path: Path) -> None:
    """At one moment after another; a new key, a new extension, and one that goes, each time."""
    numbers, password = {*range(101, 121)}, "secret-101"
    async with behind_proxy(tmp_path) as (rig, proxy):
        rig.put(rig.pbx(), *extensions(sorted(numbers)))
        rig.run()
        await rig.settled()
        for count, moment in enumerate(MOMENTS):
            phone = await rig.phone("101", password)
            assert (await phone.ask("register"))["code"] == 200
            proxy.cut_on, proxy.cuts = moment, 0
            old, password = password, f"another-{count}"
            rig.source.secret(f"new-{count}", username="101", password=password)
            rig.put(extension("101", credentialsSecretRef={"name": f"new-{count}"}), extension(str(130 + count)))
            rig.source.drop(Key("Extension", f"e{120 - count}"))
            numbers = numbers - {120 - count} | {130 + count}
            await rig.settled()
            assert proxy.cuts == 1 or (proxy.cuts == 0 and moment == b"DBGetTree"), moment
            proxy.cut_on = None
            assert rig.says("e101", "Verified"), moment
            assert await rig.bound() == set(), moment
            assert await rig.endpoints() == {str(n) for n in numbers}, moment
            assert await rig.registers("101", password), moment
            assert not await rig.registers("101", old), moment


async def test_a_refused_password_is_said_and_heals(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        account = rig.asterisk.settings.controller
        rig.source.secret("ami", username=account.name, password="wrong")
        ami = {"host": LOOPBACK, "port": rig.asterisk.settings.ami_port, "credentialsSecretRef": {"name": "ami"}}
        rig.put(rig.pbx(ami=ami), *extensions([101]))
        rig.run()
        await rig.until(lambda: rig.says("e101", "AsteriskUnreachable") and account.name in str(rig.ready("e101")))
        assert "wrong" not in str(rig.sink.history)
        rig.source.secret("ami", username=account.name, password=account.secret)
        await rig.settled()
        assert rig.says("e101", "Verified")
        rig.source.drop_secret("ami")
        await rig.until(lambda: rig.says("pbx", "SecretMissing", "Asterisk"))
        await asyncio.sleep(0.5)
        assert await rig.endpoints() == {"101"}  # nobody asked to empty the Asterisk
        assert await rig.registers("101", "secret-101")
        rig.source.secret("ami", username=account.name, password=account.secret)
        await rig.settled()
        assert rig.says("e101", "Verified")
