"""The driver's file, read as the driver reads it."""

from pathlib import Path

from testbed.modem.settings import DeviceSettings, read

IMEI, IMSI = "354000000000119", "262000000000011"


def settings(path: Path, text: str) -> tuple[DeviceSettings, ...]:
    (path / "dongle.conf").write_text(text)
    return read(path / "dongle.conf").devices


def test_a_device_has_the_defaults_of_the_driver_then_of_the_file_then_its_own(tmp_path: Path) -> None:
    text = f"[defaults]\ncontext=in\nrxgain=3\n[general]\ninterval=7\n[one]\nimei={IMEI}\nrxgain = -1 ; less\n"
    assert settings(tmp_path, text) == (DeviceSettings("one", imei=IMEI, context="in", rxgain=-1),)
    assert read(tmp_path / "dongle.conf").interval == 7


def test_a_device_that_cannot_be_found_is_skipped(tmp_path: Path) -> None:
    text = f"[none]\ngroup=1\n[half]\naudio=/dev/a\n[short]\nimei=12\n[card]\nimsi={IMSI}\n[ports]\naudio=a\ndata=d\n"
    assert [device.id for device in settings(tmp_path, text)] == ["card", "ports"]
    assert len(read(tmp_path / "dongle.conf").complaints) == 4


def test_values_that_the_driver_does_not_know_leave_the_default(tmp_path: Path) -> None:
    [device] = settings(
        tmp_path, f"[a]\nimei={IMEI}\ndtmf=loud\ninitstate=maybe\ngroup=x\nlanguage=de\ncallwaiting=no\nunknown=1\n"
    )
    assert (device.dtmf, device.initial_state, device.group) == ("relax", "start", 0)
    assert (device.language, device.callwaiting) == ("de", "disabled")


def test_included_files_templates_and_comments_count(tmp_path: Path) -> None:
    (tmp_path / "dialplane").mkdir()
    (tmp_path / "dialplane/dongle.conf").write_text(f"[a](basis)\nimei => {IMEI}\nexten=1\\;2 ;-- not\n;-- [b]\n--;\n")
    text = "[basis](!)\ngroup=4\n#tryinclude dialplane/dongle.conf\n#tryinclude dialplane/none.conf\n"
    assert settings(tmp_path, text) == (DeviceSettings("a", imei=IMEI, group=4, exten="1;2"),)
