"""``python -m testbed PART``: get one part ready and say where it is."""

import argparse
import sys
from collections.abc import Callable

from testbed import cache


def _asterisk() -> None:
    from testbed.asterisk import locate  # noqa: PLC0415 -- each part loads only what it needs

    found = locate()
    print(f"Asterisk {found.version} ({found.origin})")
    print(" ".join(found.argv))


def _sip() -> None:
    from testbed.sip import locate_sipp  # noqa: PLC0415 -- likewise

    print(" ".join(locate_sipp()))


def _kube() -> None:
    from testbed.kube.binaries import locate  # noqa: PLC0415

    found = locate()
    print(f"Kubernetes API {found.version[0]}.{found.version[1]}")
    for program in (found.etcd, found.kube_apiserver, found.kubectl):
        print(program)


def _crd_server() -> None:
    from testbed.kube.crd_server import program  # noqa: PLC0415

    print(program())


PARTS: dict[str, tuple[str, Callable[[], None]]] = {
    "asterisk": ("find or fetch Asterisk 22", _asterisk),
    "sip": ("find or fetch SIPp", _sip),
    "kube": ("find, fetch or build etcd, kube-apiserver and kubectl", _kube),
    "crd-server": ("find or build the server that enforces CEL rules in CRDs", _crd_server),
}


def main() -> int:
    """Run one command; the exit status is 1 when a part cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="part", required=True)
    for name, (text, _) in PARTS.items():
        commands.add_parser(name, help=text)
    part = parser.parse_args().part
    try:
        PARTS[part][1]()
    except cache.BuildError as error:
        print(f"testbed {part}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
