"""A controller as a process of its own, for tests that kill it: `python -m tests.reconcile.controller JOB.json`.

The job names the config directory, the AMI account, and a list of sites (manifests and secrets). It applies them one
after the other, each when a line comes on standard input, and prints one line for each verdict.
"""

import asyncio
import json
import sys
from pathlib import Path

from pydantic import SecretStr

from dialplane.reconcile.site import AmiDefaults, Ports, SiteLoop, Timing
from dialplane.reconcile.template_dir import load
from tests.reconcile.site_rig import Credentials, Leader, Sink, Source


async def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    source, sink = Source(), Sink()
    source.secrets = job["secrets"]
    loop = SiteLoop(
        Ports(source, sink, Credentials(source), Leader()),
        load(),
        defaults=AmiDefaults("127.0.0.1", job["port"], job["user"], SecretStr(job["secret"])),
        timing=Timing(quiet=0.01, report_quiet=0.01),
    )
    source.put(*job["site"])
    print("applying", flush=True)  # noqa: T201 -- its one way to speak
    await loop.run()


if __name__ == "__main__":
    asyncio.run(main())
