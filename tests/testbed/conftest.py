"""A real Asterisk with two phones and, where asked, a trunk, in hand-written files."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from testbed.asterisk import AsteriskInstance, Installation, locate

DIALPLAN = """\
[internal]
exten => _1XX,1,Dial(PJSIP/${EXTEN},20)
 same => n,Hangup()
exten => _0.,1,Dial(PJSIP/${EXTEN:1}@trunk,20)
 same => n,Hangup()

[from-trunk]
exten => 4955501,1,Dial(PJSIP/101,20)
 same => n,Hangup()
"""


@pytest.fixture(scope="session")
def installation() -> Installation:
    return locate()


def phones(*numbers: str) -> dict[str, str]:
    """The PJSIP files of some extensions; the password of 101 is ``secret-101``."""
    endpoint = "[{0}]\ntype=endpoint\ncontext=internal\ndisallow=all\nallow=ulaw\nauth={0}\naors={0}\ndirect_media=no\n"
    auth = "[{0}]\ntype=auth\nauth_type=digest\nusername={0}\npassword=secret-{0}\n"
    aor = "[{0}]\ntype=aor\nmax_contacts=1\nremove_existing=yes\n"
    return {
        "pjsip_endpoint.conf": "".join(endpoint.format(number) for number in numbers),
        "pjsip_auth.conf": "".join(auth.format(number) for number in numbers),
        "pjsip_aor.conf": "".join(aor.format(number) for number in numbers),
        "extensions.conf": DIALPLAN,
    }


def write(asterisk: AsteriskInstance, files: Mapping[str, str]) -> None:
    transport = f"[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{asterisk.sip_port}\n"
    for name, content in {"pjsip_transport.conf": transport, **files}.items():
        asterisk.write(f"dialplane/{name}", content)


@pytest.fixture
async def make_asterisk(tmp_path: Path, installation: Installation) -> AsyncIterator[Callable[[str], AsteriskInstance]]:
    made: list[AsteriskInstance] = []

    def make(name: str) -> AsteriskInstance:
        asterisk = AsteriskInstance(tmp_path / name, installation=installation)
        write(asterisk, phones("101", "102"))
        made.append(asterisk)
        return asterisk

    yield make
    for asterisk in made:
        await asterisk.close()


@pytest.fixture
async def asterisk(make_asterisk: Callable[[str], AsteriskInstance]) -> AsteriskInstance:
    made = make_asterisk("asterisk")
    await made.start()
    return made
