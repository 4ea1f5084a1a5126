"""SIP over TLS on a real Asterisk: which certificate it shows, and whose it takes."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

from dialplane.cli.certificate_check import certificates
from dialplane.cli.doctor_checks import Level
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.conditions import ConditionType, Truth
from dialplane.resources.key import Key
from testbed.certificates import Authority
from testbed.manifests import Manifest, manifest
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


CARRIERS = {"good": 2, "wrong-name": 3, "expired": 4, "self-signed": 5, "stranger": 6, "itself": 7}
"""Whose certificate is shown at 127.0.0.N: this Asterisk plays its own carriers, over TLS through the kernel."""


def trunk(name: str, transport: str, carrier: str, **spec: Any) -> Manifest:
    host = f"127.0.0.{CARRIERS[carrier]}"
    own = {"matchNetworks": [f"127.1.{len(name)}.0/24"]}  # a carrier may have two trunks here
    return manifest("SipTrunk", name, host=host, transport=transport, qualifySeconds=1, **own, **spec)


async def test_a_trunk_takes_a_certificate_only_from_whom_it_trusts_and_for_whom_it_calls(tmp_path: Path) -> None:
    mine, other = Authority.create("mine"), Authority.create("other")
    shown_by = {
        "good": mine.vouch("IP:127.0.0.2"),
        "wrong-name": mine.vouch("DNS:carrier.example.com"),
        "expired": mine.vouch("IP:127.0.0.4", days=-1),
        "self-signed": Authority.create("127.0.0.5"),
        "stranger": other.vouch("IP:127.0.0.6"),
        "itself": Authority.create("itself", "IP:127.0.0.7"),
    }
    async with Rig(tmp_path) as rig:
        port = rig.asterisk.tls_port
        transports = [*rig.pbx()["spec"]["transports"]]
        for name, pair in shown_by.items():
            rig.source.secret(name, **pair.secret)
            bind = f"127.0.0.{CARRIERS[name]}:{port}"
            reference = {"certificateSecretRef": {"name": name}}
            transports.append({"name": name, "protocol": "tls", "bind": bind, **reference})
        for index, name in enumerate(("out-mine", "out-machine", "out-any", "out-itself", "out-late")):
            transports.append({"name": name, "protocol": "tls", "bind": f"127.0.1.{index + 1}:{port}"})
        rig.source.secret("authority", **{"ca.crt": mine.certificate})
        rig.source.secret("itself-authority", **{"ca.crt": shown_by["itself"].certificate})
        rig.source.secret("stranger-authority", **{"ca.crt": other.certificate})
        own: dict[str, Any] = {"port": port, "tls": {"caSecretRef": {"name": "authority"}}}
        rig.put(
            rig.pbx(transports=transports[:-1]),
            trunk("good-one", "out-mine", "good", **own),
            trunk("wrongly-named", "out-mine", "wrong-name", **own),
            trunk("too-old", "out-mine", "expired", **own),
            trunk("unknown-one", "out-mine", "stranger", **own),
            trunk("by-the-machine", "out-machine", "good", port=port),
            trunk("whoever-answers", "out-any", "self-signed", port=port, tls={"verify": False}),
            trunk(
                "vouched-by-itself",
                "out-itself",
                "itself",
                port=port,
                tls={"caSecretRef": {"name": "itself-authority"}},
            ),
        )

        def reachable() -> dict[str, Truth]:
            last = rig.sink.history[-1] if rig.sink.history else {}
            found = {key.name: report.condition(ConditionType.REACHABLE) for key, report in last.items()}
            return {name: condition.status for name, condition in found.items() if condition is not None}

        def taken(*names: str) -> bool:
            trunks = [key.name for key in rig.source.manifests if key.kind == "SipTrunk"]
            return reachable() == {name: Truth.TRUE if name in names else Truth.FALSE for name in trunks}

        rig.run()
        await rig.settled()
        ready = {str(key): rig.ready(key.name, key.kind) for key in rig.source.manifests}
        assert {name: found.reason for name, found in ready.items() if found} == dict.fromkeys(ready, "Verified"), ready
        await rig.until(lambda: taken("good-one", "whoever-answers", "vouched-by-itself"), 30)
        said = rig.sink.history[-1][Key("SipTrunk", "wrongly-named")].condition(ConditionType.REACHABLE)
        assert said is not None
        assert "dialplane doctor" in said.message

        snapshot = rig.source.snapshot()
        spec = snapshot.resources[Key("Asterisk", "pbx")].spec
        assert isinstance(spec, AsteriskSpec)
        found = await asyncio.to_thread(lambda: list(certificates(spec, snapshot, 5)))
        words = {d.message.split(":")[0].removeprefix("SipTrunk/"): (d.level, d.message) for d in found}
        assert words.keys() == {
            "good-one",
            "wrongly-named",
            "too-old",
            "unknown-one",
            "by-the-machine",
            "vouched-by-itself",
        }
        assert {words[name][0] for name in ("good-one", "vouched-by-itself")} == {Level.OK}
        for name, why in (
            ("wrongly-named", "not valid for"),
            ("too-old", "expired"),
            ("unknown-one", "issuer certificate"),
        ):
            assert words[name][0] is Level.FAILED
            assert why in words[name][1]

        # A transport that is new verifies at once; one that was there already does so after a restart, and says so.
        late = {"port": port, "tls": {"caSecretRef": {"name": "stranger-authority"}}}
        rig.put(rig.pbx(transports=transports), trunk("added-late", "out-late", "stranger", **late))
        await rig.until(lambda: taken("good-one", "whoever-answers", "vouched-by-itself", "added-late"), 30)
        assert rig.says("pbx", "Verified", "Asterisk")
        rig.put(trunk("whoever-answers", "out-any", "self-signed", port=port))
        await rig.until(lambda: rig.says("whoever-answers", "RestartRequired", "SipTrunk"))
        assert rig.says("pbx", "RestartRequired", "Asterisk")
        assert rig.says("good-one", "Verified", "SipTrunk")
        await rig.restart()
        await rig.until(lambda: rig.says("whoever-answers", "Verified", "SipTrunk"), 30)
        await rig.until(lambda: taken("good-one", "vouched-by-itself", "added-late"), 30)
