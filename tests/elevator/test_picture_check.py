"""What is kept as a picture, and what is refused before or while it is decoded."""

import base64
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.services.elevator.pictures.check import MOST_BYTES, check
from dialplane.services.elevator.pictures.payload import MOST_BYTES as MOST_OVER_SOCKET
from dialplane.services.elevator.pictures.payload import decode
from dialplane.services.elevator.pictures.structure import PictureRefused
from tests.elevator.camera import chunk, photograph, png, with_scans

WHOLE = photograph()
CPU_SECONDS = 2.0
"""For a refusal on a busy machine; unbounded it takes a minute or the memory of the machine."""


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        pytest.param(WHOLE, "image/jpeg", id="jpeg"),
        pytest.param(photograph(1, 1), "image/jpeg", id="one-pixel"),
        pytest.param(photograph(mode="L"), "image/jpeg", id="grey"),
        pytest.param(photograph(mode="CMYK"), "image/jpeg", id="for-print"),
        pytest.param(photograph(progressive=True), "image/jpeg", id="progressive"),
        pytest.param(photograph(optimize=True, restart_marker_blocks=4), "image/jpeg", id="restart-markers"),
        pytest.param(photograph(exif=b"Exif\0\0" + b"\xff\xd9" * 9), "image/jpeg", id="ends-within-a-segment"),
        pytest.param(photograph(form="PNG"), "image/png", id="png"),
        pytest.param(png(6000, 4000), "image/png", id="as-many-pixels-as-may-be"),
        pytest.param(with_scans(20), "image/jpeg", id="as-many-scans-as-may-be"),
    ],
)
def test_a_picture_is_kept_as_it_came(data: bytes, media_type: str) -> None:
    kept = check(data)
    assert kept.data == data
    assert kept.media_type == media_type


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("behind", [b"\0" * 64, b"<html><script>", b"PK\x03\x04", WHOLE])
def test_what_stands_behind_a_picture_is_cut_off(form: str, behind: bytes) -> None:
    data = photograph(form=form)
    assert check(data + behind).data == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "format", id="nothing"),
        pytest.param(photograph(form="GIF"), "format", id="gif"),
        pytest.param(photograph(form="WEBP"), "format", id="webp"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format", id="svg"),
        pytest.param(WHOLE[: len(WHOLE) // 2], "incomplete", id="half-a-jpeg"),
        pytest.param(WHOLE[:-2], "incomplete", id="jpeg-without-end"),
        pytest.param(photograph(form="PNG")[:-20], "incomplete", id="png-cut-short"),
        pytest.param(b"\xff\xd8\xff\xd9", "damaged", id="jpeg-of-nothing"),
        pytest.param(b"\xff\xd8\xff\xe0\x00\x01" + b"\0" * 9, "incomplete", id="segment-of-length-1"),
        pytest.param(with_scans(21), "scans", id="many-scans"),
        pytest.param(png(20_000, 20_000, rows=b"\0"), "pixels", id="bomb"),
        pytest.param(png(2**31 - 1, 2**31 - 1, rows=b"\0"), "pixels", id="bomb-of-all-sizes"),
        pytest.param(png(0, 5, rows=b""), "pixels", id="no-pixels"),
        pytest.param(png(64, 64, rows=b"\0" * 99), "damaged", id="png-with-too-few-rows"),
        pytest.param(
            png(8, 8, chunk(b"zTXt", b"note\0\0" + zlib.compress(b"\0" * 60_000_000, 9))), "damaged", id="text-of-60-mb"
        ),
        pytest.param(png(8, 8, *[chunk(b"tEXt", b"a\0b")] * 10_001), "parts", id="many-chunks"),
        pytest.param(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 10_001, "parts", id="many-segments"),
        pytest.param(b"\xff\xd8" + b"\xff" * (MOST_BYTES - 2), "incomplete", id="fill-bytes-alone"),
        pytest.param(WHOLE[:-2] + b"\xff" * (MOST_BYTES - len(WHOLE)), "incomplete", id="fill-bytes-in-a-scan"),
        pytest.param(WHOLE + b"\0" * MOST_BYTES, "size", id="a-byte-too-large"),
    ],
)
def test_what_is_no_picture_is_refused_soon(data: bytes, reason: str) -> None:
    began = time.process_time()
    with pytest.raises(PictureRefused) as refused:
        check(data)
    assert refused.value.reason == reason
    assert time.process_time() - began < CPU_SECONDS


@settings(max_examples=60, deadline=None)
@given(at=st.integers(2, len(WHOLE) - 1), content=st.binary(min_size=1, max_size=40))
def test_damaged_bytes_are_kept_or_refused_and_never_anything_else(at: int, content: bytes) -> None:
    for whole in (WHOLE, PNG):
        spoilt = whole[:at] + content + whole[at + len(content) :]
        with suppress(PictureRefused):
            assert spoilt.startswith(check(spoilt).data)


PNG = photograph(form="PNG")


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,", "data:image/png;name=a.png;base64,"])
@pytest.mark.parametrize(
    "written", [base64.b64encode, base64.encodebytes, lambda data: base64.b64encode(data).rstrip(b"=")]
)
def test_base64_is_read_as_devices_write_it(prefix: str, written: object) -> None:
    assert callable(written)
    for data in (WHOLE, WHOLE[:-1], WHOLE[:-2]):
        assert decode(prefix + written(data).decode()) == data


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param("!!!!", "base64", id="other-characters"),
        pytest.param("YWJj=YWJj", "base64", id="padding-within"),
        pytest.param("YWJjZ", "base64", id="a-character-too-many"),
        pytest.param("data:text/html,<b>", "base64", id="data-url-without-base64"),
        pytest.param("\u0416\ud800", "base64", id="no-ascii"),
        pytest.param(base64.b64encode(b"x" * (MOST_OVER_SOCKET + 1)).decode(), "size", id="a-byte-too-large"),
        pytest.param("A" * 10**6, "size", id="much-too-large"),
    ],
)
def test_what_is_no_base64_is_refused(payload: str, reason: str) -> None:
    with pytest.raises(PictureRefused) as refused:
        decode(payload)
    assert refused.value.reason == reason
