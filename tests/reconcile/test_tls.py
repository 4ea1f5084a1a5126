"""SIP over TLS on a real Asterisk: which certificate it shows, and whose it takes."""

import asyncio
import ssl
from pathlib import Path

from testbed.certificates import Authority
from testbed.ports import LOOPBACK
from tests.reconcile.site_rig import Rig


async def shown(port: int) -> str:
    """The certificate that Asterisk shows at that port."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(5):
        _, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(certificate)


async def test_a_first_certificate_needs_no_restart_and_a_changed_one_does(tmp_path: Path) -> None:
    authority = Authority.create("authority")
    first, second = (authority.vouch("IP:127.0.0.1") for _ in range(2))
    async with Rig(tmp_path) as rig:
        udp = rig.pbx()["spec"]["transports"]
        named = {"certificateSecretRef": {"name": "cert"}}
        tls = {"name": "tls", "protocol": "tls", "bind": f"{LOOPBACK}:{rig.asterisk.tls_port}", **named}
        wss = {"name": "wss", "protocol": "wss", **named}
        rig.source.secret("cert", **first.secret)
        await asyncio.sleep(2)  # Asterisk tells its age to the second: it must be older than the files
        rig.put(rig.pbx(transports=[*udp, tls, wss]))
        rig.run()
        await rig.settled()
        assert rig.says("pbx", "Verified", "Asterisk")
        assert await shown(rig.asterisk.tls_port) == first.certificate
        assert "HTTPS Server Enabled" in await rig.asterisk.console("http show status")
        rig.source.secret("cert", **second.secret)
        await rig.until(lambda: rig.says("pbx", "RestartRequired", "Asterisk"))
        assert await shown(rig.asterisk.tls_port) == first.certificate
