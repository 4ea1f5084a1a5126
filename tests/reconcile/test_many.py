"""One bad resource never blocks the others; what is gone from the site is gone from Asterisk, with its phones."""

import asyncio
from pathlib import Path

import pytest

from dialplane.resources.conditions import ConditionType
from dialplane.resources.key import Key
from testbed.manifests import Manifest
from tests.reconcile.site_rig import Rig, extension, extensions
from tests.reconcile.test_rejected import CASES, bad_when, trunk

GOOD = [str(number) for number in range(200, 250)]
BAD: dict[str, tuple[Manifest, str]] = {
    "invalid": (extension("101", ringSeconds="soon"), "Invalid"),
    "unknown field": (extension("101", colour="red"), "Invalid"),
    "conflict": (extension("101", number="210", credentialsSecretRef={"name": "phone-210"}), "Conflict"),
    "no secret": (extension("101", credentialsSecretRef={"name": "nowhere"}), "SecretMissing"),
    "foreign account": (extension("101", credentialsSecretRef={"name": "phone-201"}), "SecretInvalid"),
    "line break": (extension("101", credentialsSecretRef={"name": "broken"}), "SecretInvalid"),
    "no transport": (extension("101", transport="nowhere"), "ReferenceMissing"),
    "refused": (extension("101", displayName="BAD"), "RejectedByAsterisk"),
    "too long a line": (extension("101", displayName="LONG"), "Invalid"),
}
LONG = "{% if 'LONG' in (object.options | string) %}\n; {{ 'x' * 7000 }} {{ 'x' * 7000 }}\n{% endif %}\n"


async def test_one_bad_among_fifty(tmp_path: Path) -> None:
    template = bad_when("'BAD' in (object.options | string)") + LONG
    async with Rig(tmp_path, {"pjsip_endpoint.conf.j2": template}) as rig:
        rig.source.secret("broken", username="101", password="a\nb")
        rig.put(rig.pbx(), *extensions(map(int, GOOD)))
        rig.run()
        await rig.settled()
        for what, (bad, reason) in BAD.items():
            number = bad["spec"]["number"]
            bad["metadata"]["creationTimestamp"] = "2030-01-01T00:00:00Z"  # the younger of two is at fault
            rig.sink.history.clear()
            rig.put(bad)
            await rig.settled()
            assert rig.says("e101", reason), (what, rig.ready("e101"))
            assert await rig.endpoints() == set(GOOD), what
            for good in GOOD:
                assert {status for _, status, _ in rig.sink.every(Key("Extension", f"e{good}"))} == {"True"}, what
            assert number not in await rig.endpoints() or number == "210"
            rig.source.drop(Key("Extension", "e101"))
            await rig.settled()


async def test_what_is_disabled_or_deleted_is_gone_with_its_phones(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.source.secret("carrier", username="account", password="secret")
        rig.put(rig.pbx(), *extensions([101, 102, 103]), trunk())
        rig.run()
        await rig.settled()
        assert await rig.endpoints() == {"101", "102", "103", "alpha"}
        for number in ("101", "102", "103"):
            phone = await rig.phone(number)
            assert (await phone.ask("register"))["code"] == 200
        rig.put(trunk(enabled=False))
        rig.source.drop(Key("Extension", "e102"))
        await rig.settled()
        assert rig.says("alpha", "Disabled", "SipTrunk")
        assert await rig.endpoints() == {"101", "103"}
        assert await rig.bound() == {"101", "103"}
        assert Key("Extension", "e102") not in rig.sink.statuses
        rig.put(trunk())
        await rig.settled()
        assert rig.says("alpha", "Verified", "SipTrunk")


@pytest.mark.parametrize("forgotten", [False, True])
async def test_what_was_deleted_while_the_controller_was_away_leaves_no_phone(
    tmp_path: Path, *, forgotten: bool
) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        for number in ("101", "102"):
            assert (await (await rig.phone(number)).ask("register"))["code"] == 200
        await rig.end()
        rig.source.drop(Key("Extension", "e101"))
        if forgotten:
            for path in (rig.config / ".dialplane").iterdir():
                path.unlink()
        await rig.rerun()
        await rig.settled()
        assert await rig.bound() == {"102"}
        assert await rig.endpoints() == {"102"}


@pytest.mark.parametrize("away", [False, True])
async def test_a_new_key_unbinds_the_phone_before_the_status_says_ready(tmp_path: Path, *, away: bool) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        phone = await rig.phone("101")
        assert (await phone.ask("register"))["code"] == 200
        bound_when_ready: list[set[str]] = []
        publish = rig.sink.publish

        async def look(reports: object) -> None:
            await publish(reports)  # type: ignore[arg-type]
            if rig.says("e101", "Verified"):
                bound_when_ready.append(await rig.bound())

        rig.sink.publish = look  # type: ignore[method-assign,assignment]
        if away:
            await rig.end()
        rig.source.secret("new-101", username="101", password="another")
        rig.put(extension("101", credentialsSecretRef={"name": "new-101"}))
        if away:
            await rig.rerun()
        await rig.settled()
        await rig.until(lambda: bool(bound_when_ready))
        assert all("101" not in bound for bound in bound_when_ready)
        await rig.until(lambda: rig.sink.every(Key("Extension", "e101"), ConditionType.REGISTERED)[-1][1] == "False", 5)
        assert (await phone.ask("register"))["code"] in {401, 403}
        assert await rig.registers("101", "another")


async def test_a_refused_new_key_leaves_the_phone_bound(tmp_path: Path) -> None:
    case = CASES["auth"]
    async with Rig(tmp_path, {case.template: case.text}) as rig:
        rig.source.secret("bad", username="101", password="rejected-101")
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        assert (await (await rig.phone("101")).ask("register"))["code"] == 200
        rig.put(case.bad)
        await rig.settled()
        assert rig.says("e101", "RejectedByAsterisk")
        assert await rig.bound() == {"101"}
        await asyncio.sleep(0.4)
        assert await rig.bound() == {"101"}
