"""Controllers as processes of their own, for tests that kill them: `python -m tests.reconcile.controller`.

Each line on standard input is a job: the AMI account, and a site (manifests and secrets). A fork of this process, which has
imported all, applies it; a line on standard output is the fork's process id. The next job is read when it has died.
"""

import asyncio
import json
import os
import sys

from pydantic import SecretStr

from dialplane.reconcile.site import AmiDefaults, Ports, SiteLoop, Timing
from dialplane.reconcile.template_dir import load
from tests.reconcile.site_rig import Credentials, Leader, Sink, Source


async def control(line: str) -> None:
    job = json.loads(line)
    source, sink = Source(), Sink()
    source.secrets = job["secrets"]
    loop = SiteLoop(
        Ports(source, sink, Credentials(source), Leader()),
        load(),
        defaults=AmiDefaults("127.0.0.1", job["port"], job["user"], SecretStr(job["secret"])),
        timing=Timing(quiet=0.01, report_quiet=0.01),
    )
    source.put(*job["site"])
    print(os.getpid(), flush=True)  # noqa: T201 -- its one way to speak
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # where its log goes from now on
    await loop.run()


def main() -> None:
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            asyncio.run(control(line))
        os.waitpid(child, 0)
        print("dead", flush=True)  # noqa: T201 -- likewise


if __name__ == "__main__":
    main()
