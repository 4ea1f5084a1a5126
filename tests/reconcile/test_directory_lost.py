"""The config directory at its worst: said in the statuses, mended where it can be, and nothing foreign is touched."""

import asyncio
import shutil
import sqlite3
from pathlib import Path

from dialplane.reconcile.place import MEMORY
from dialplane.resources.key import Key
from tests.reconcile.site_rig import Rig, extension, extensions


async def test_a_directory_that_cannot_be_used_is_said_and_heals(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        for how in ("a file in its place", "a file of ours is a folder", "no room", "the memory is a folder"):
            moved = tmp_path / "moved"
            match how:
                case "a file in its place":
                    rig.config.rename(moved)
                    rig.config.write_text("")
                case "a file of ours is a folder":
                    (rig.config / "pjsip_auth.conf").rename(moved)
                    (rig.config / "pjsip_auth.conf").mkdir()
                case "no room":
                    rig.config.rename(moved)
                    rig.config.symlink_to("/proc/self")  # where nobody can make a file
                case _:
                    await rig.end()
                    for path in (rig.config / MEMORY).parent.iterdir():
                        path.unlink()
                    (rig.config / MEMORY).mkdir(parents=True)
                    rig.run()
            rig.put(extension("101", displayName=how))
            await rig.until(lambda: rig.says("e101", "ConfigDirectoryUnusable"))
            assert str(rig.config) in str(rig.ready("e101")), how
            assert await rig.registers("102", "secret-102"), how
            passes = rig.source.snapshots
            await asyncio.sleep(0.8)
            assert rig.source.snapshots - passes <= 4, f"{how}: a retry storm"
            match how:
                case "a file in its place" | "no room":
                    rig.config.unlink()
                    moved.rename(rig.config)
                case "a file of ours is a folder":
                    (rig.config / "pjsip_auth.conf").rmdir()
                    moved.unlink()
                case _:
                    (rig.config / MEMORY).rmdir()
            await rig.until(lambda: rig.says("e101", "Verified"))
            await rig.settled()
            assert await rig.display_name("101") == how


async def test_what_is_edited_by_hand_is_put_back_and_foreign_files_stay(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        foreign = rig.config / "mine.conf"
        foreign.write_text("[mine]\n")
        auth = rig.config / "pjsip_auth.conf"
        good = auth.read_text()
        auth.write_text(good.replace("secret-101", "by hand"))
        await rig.asterisk.console("module reload res_pjsip.so")
        await rig.until(lambda: auth.read_text() == good)
        await rig.settled()
        assert await rig.registers("101", "secret-101")
        assert foreign.read_text() == "[mine]\n"
        (rig.config / "extensions.conf").unlink()
        auth.write_bytes(good.replace("\n", "\r\n").encode())
        await rig.until(lambda: (rig.config / "extensions.conf").exists() and auth.read_bytes() == good.encode())
        await rig.settled()
        assert rig.says("e101", "Verified")
        assert foreign.exists()
        await asyncio.sleep(0.4)
        await rig.listen()
        passes = rig.source.snapshots
        await asyncio.sleep(0.7)  # two looks
        assert rig.reloads == []
        assert rig.source.snapshots == passes, "drift is seen where there is none"


async def test_a_removed_directory_is_made_again_with_what_is_remembered(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        before = (rig.config / "pjsip_auth.conf").read_text()
        shutil.rmtree(rig.config)
        await rig.until(lambda: (rig.config / "pjsip_auth.conf").exists() and (rig.config / MEMORY).exists())
        await rig.settled()
        assert (rig.config / "pjsip_auth.conf").read_text() == before
        with sqlite3.connect(rig.config / MEMORY) as store:
            names = {name for (name,) in store.execute("SELECT name FROM version WHERE verdict = 'verified'")}
        assert names == {"pbx", "e101", "e102"}
        await rig.restart()
        assert await rig.registers("101", "secret-101")


async def test_a_backup_put_in_its_place_is_brought_up_to_date(tmp_path: Path) -> None:
    """Files and memory are whole, and agree with each other, but tell of an older site."""
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        backup = tmp_path / "backup"
        shutil.copytree(rig.config, backup)
        rig.put(extension("101", displayName="New"), extension("103"))
        rig.source.drop(Key("Extension", "e102"))
        await rig.settled()
        newest = (rig.config / "pjsip_endpoint.conf").read_text()
        rig.config.rename(tmp_path / "aside")
        backup.rename(rig.config)
        await rig.until(lambda: (rig.config / "pjsip_endpoint.conf").read_text() == newest)
        await rig.settled()
        await rig.restart()
        await rig.settled()
        assert rig.says("e101", "Verified")
        assert await rig.endpoints() == {"101", "103"}
        assert '"New"' in await rig.asterisk.console("pjsip show endpoint 101")


async def test_a_secret_appears_changes_and_disappears(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), extension("101"), extension("102", credentialsSecretRef={"name": "late"}))
        rig.run()
        await rig.settled()
        assert rig.says("e102", "SecretMissing")
        rig.source.secret("late", username="102", password="first")
        await rig.until(lambda: rig.says("e102", "Verified"))
        assert await rig.registers("102", "first")
        rig.source.secret("late", username="102", password="second")
        await rig.settled()
        assert await rig.registers("102", "second")
        assert not await rig.registers("102", "first")
        rig.source.drop_secret("late")
        await rig.until(lambda: rig.says("e102", "SecretMissing"))
        assert await rig.endpoints() == {"101"}
        assert rig.says("e101", "Verified")


async def test_generated_credentials_come_back_through_the_source(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        made = extension("101", generateCredentials=True)
        del made["spec"]["credentialsSecretRef"]
        rig.put(rig.pbx(), made)
        rig.run()
        await rig.until(lambda: rig.says("e101", "Verified"))
        (secret,) = [v for k, v in rig.source.secrets.items() if k.startswith("e101")]
        assert await rig.registers("101", secret["password"])


async def test_a_broken_or_missing_asterisk_manifest_empties_nothing_and_a_deleted_one_all(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        good = rig.pbx()
        rig.put(good, *extensions([101]))
        rig.run()
        await rig.settled()
        rig.put(rig.pbx(rtp={"portStart": "many"}))
        await rig.until(lambda: rig.says("pbx", "Invalid", "Asterisk"))
        await asyncio.sleep(0.5)
        assert await rig.endpoints() == {"101"}
        assert rig.says("e101", "AsteriskMissing")
        rig.put(good)
        await rig.until(lambda: rig.says("e101", "Verified"))
        (key,) = [k for k in rig.source.manifests if k.kind == "Asterisk"]
        rig.source.drop(key)
        async with asyncio.timeout(10):
            while await rig.endpoints():
                await asyncio.sleep(0.2)
        rig.put(good)
        await rig.until(lambda: rig.says("e101", "Verified"))
