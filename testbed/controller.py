"""The product's own process, as a user starts it, beside an Asterisk of the test bed."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed import fork
from testbed.asterisk import AsteriskInstance
from testbed.ports import LOOPBACK
from testbed.process import Child


async def start_controller(
    arguments: Sequence[str],
    asterisk: AsteriskInstance,
    *,
    output: Path,
    metrics_port: int,
    env: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
) -> Child:
    """Start ``dialplane ARGUMENTS``, which may be ``run …`` or ``operator …``.

    It gets its account at Asterisk, the directory to write to, and a port for its metrics. ``output`` takes what
    it says; it runs in that file's directory. ``under`` is what starts it, such as :meth:`NameServer.asked_by`.
    In tests it is forked from a server where it can be (:mod:`testbed.fork`), which takes a tenth of the time.
    """
    settings = asterisk.settings
    ami = {
        "ASTERISK_AMI_HOST": settings.host,
        "ASTERISK_AMI_PORT": str(settings.ami_port),
        "ASTERISK_AMI_USERNAME": settings.controller.name,
        "ASTERISK_AMI_PASSWORD": settings.controller.secret,
    }
    common = ("--config-dir", str(asterisk.etc / "dialplane"), "--metrics-address", f"{LOOPBACK}:{metrics_port}")
    name, environment = f"dialplane {arguments[0]}", {**ami, **(env or {})}
    if not under and "LD_PRELOAD" not in environment:
        words = [*arguments, *common]
        return await fork.program(name, "dialplane.cli", words, output=output, env=environment, cwd=output.parent)
    argv = [*under, sys.executable, "-m", "dialplane.cli", *arguments, *common]
    return await Child.start(name, argv, output=output, env=environment, cwd=output.parent)
