import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.asterisk import AsteriskInstance
from testbed.baresip import Baresip, MediaEncryption, Transport


def offer_tls_and_srtp(asterisk: AsteriskInstance, directory: Path, encryption: MediaEncryption) -> None:
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*request, *files], check=True, capture_output=True)
    base = asterisk.etc / "dialplane"
    transports = base / "pjsip_transport.conf"
    transports.write_text(
        f"{transports.read_text()}"
        f"[tcp]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{asterisk.sip_port}\n"
        f"[tls]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{asterisk.tls_port}\n"
        f"cert_file={certificate}\npriv_key_file={key}\nmethod=tlsv1_2\n"
    )
    if encryption != "none":
        endpoints = base / "pjsip_endpoint.conf"
        dtls = "dtls_auto_generate_cert=yes\ndtls_verify=no\ndtls_setup=actpass\nuse_avpf=yes\nrtcp_mux=yes\n"
        more = f"rewrite_contact=yes\nmedia_encryption={encryption}\n" + (dtls if encryption == "dtls" else "")
        endpoints.write_text(endpoints.read_text().replace("direct_media=no\n", f"direct_media=no\n{more}"))


@pytest.mark.parametrize(
    ("transport", "encryption"), [("udp", "none"), ("tcp", "none"), ("tls", "sdes"), ("tls", "dtls")]
)
async def test_two_softphones_hear_each_other(
    make_asterisk: Callable[[str], AsteriskInstance], tmp_path: Path, transport: Transport, encryption: MediaEncryption
) -> None:
    asterisk = make_asterisk("asterisk")
    offer_tls_and_srtp(asterisk, tmp_path, encryption)
    await asterisk.start()
    server = ("127.0.0.1", asterisk.tls_port if transport == "tls" else asterisk.sip_port)

    def phone(number: str, hz: int) -> Baresip:
        return Baresip(
            tmp_path / number,
            user=number,
            password=f"secret-{number}",
            server=server,
            transport=transport,
            media_encryption=encryption,
            hz=hz,
        )

    async with phone("101", 440) as one, phone("102", 700) as two:
        await asyncio.gather(one.register(), two.register())
        await one.call("102")
        await asyncio.gather(one.event("CALL_ESTABLISHED"), two.event("CALL_ESTABLISHED"))
        await asyncio.sleep(2)
        await one.hangup()
        await asyncio.gather(one.event("CALL_CLOSED"), two.event("CALL_CLOSED"))
    assert one.heard_hz() == pytest.approx(700, abs=20)
    assert two.heard_hz() == pytest.approx(440, abs=20)
