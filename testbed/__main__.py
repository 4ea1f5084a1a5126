"""``python -m testbed PART``: get one part ready and say where it is; ``up`` runs a site."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from testbed import cache


def _asterisk() -> None:
    from testbed.asterisk import locate  # noqa: PLC0415 -- each part loads only what it needs

    found = locate()
    print(f"Asterisk {found.version} ({found.origin})")
    print(" ".join(found.argv))


def _sip() -> None:
    from testbed.baresip import locate_baresip  # noqa: PLC0415 -- likewise
    from testbed.sip import locate_sipp  # noqa: PLC0415

    print(" ".join(locate_sipp()))
    print(" ".join(locate_baresip().argv))


def _kube() -> None:
    from testbed.kube.binaries import locate  # noqa: PLC0415 -- likewise

    found = locate()
    print(f"Kubernetes API {found.version[0]}.{found.version[1]}")
    for program in (found.etcd, found.kube_apiserver, found.kubectl):
        print(program)


def _postgres() -> None:
    from testbed.postgres import locate  # noqa: PLC0415 -- likewise

    found = locate()
    print(f"PostgreSQL {found.version} ({found.origin})")
    print(found.programs)


def _names() -> None:
    from testbed.name_server import locate  # noqa: PLC0415 -- likewise

    print(" ".join(locate().server))


def _crd_server() -> None:
    from testbed.kube.crd_server import program  # noqa: PLC0415 -- likewise

    print(program())


def _helm() -> None:
    from testbed.helm import folder  # noqa: PLC0415 -- likewise

    print(folder())


def _prometheus() -> None:
    from testbed.prometheus import locate_promtool  # noqa: PLC0415 -- likewise

    print(" ".join(locate_promtool()))


def _objects() -> None:
    from testbed.object_store import folder  # noqa: PLC0415 -- likewise

    print(folder())


def _voices() -> None:
    from testbed.voices import locate_voices  # noqa: PLC0415 -- likewise

    found = locate_voices()
    print(found.flite)
    print(found.espeak_ng)


PARTS: dict[str, tuple[str, Callable[[], None]]] = {
    "asterisk": ("find or fetch Asterisk 22", _asterisk),
    "sip": ("find or fetch SIPp and baresip", _sip),
    "kube": ("find, fetch or build etcd, kube-apiserver and kubectl", _kube),
    "helm": ("fetch Helm as a library", _helm),
    "prometheus": ("find or fetch promtool", _prometheus),
    "names": ("find or fetch Unbound, a DNS server", _names),
    "postgres": ("find or fetch PostgreSQL", _postgres),
    "objects": ("fetch OpenStack Swift, a server that speaks S3", _objects),
    "voices": ("find or fetch flite and espeak-ng, which speak", _voices),
    "crd-server": ("find or build the server that enforces CEL rules in CRDs", _crd_server),
}


def _all() -> None:
    for _, get in PARTS.values():
        get()


def main() -> int:
    """Run one command; the exit status is 1 when a part cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="part", required=True)
    for name, (text, _) in PARTS.items():
        commands.add_parser(name, help=text)
    commands.add_parser("all", help="all of these, one after the other")
    running = commands.add_parser("up", help="run a site on an Asterisk of its own until Ctrl-C")
    running.add_argument("site", type=Path, help="a folder of manifests")
    running.add_argument("rest", nargs=argparse.REMAINDER, help="passed on to `dialplane run`")
    given = parser.parse_args()
    try:
        if given.part == "up":
            from testbed.up import up  # noqa: PLC0415 -- likewise

            return up(given.site, given.rest)
        (_all if given.part == "all" else PARTS[given.part][1])()
    except cache.BuildError as error:
        print(f"testbed {given.part}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
