"""When a rendered option and what Asterisk shows for it mean the same: every pair was measured."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.asterisk.applications import functions_in, module_of
from dialplane.asterisk.defaults import DEFAULTS, NOT_SHOWN
from dialplane.asterisk.normalise import RULES, field_of, network, same
from dialplane.plan.objects import Objects, PjsipType
from tests.asterisk.real_asterisk import Pbx, pjsip

ROOT = Path(__file__).parents[2]
ENDPOINT, AOR, IDENTIFY, TRANSPORT = PjsipType.ENDPOINT, PjsipType.AOR, PjsipType.IDENTIFY, PjsipType.TRANSPORT

SAME = [
    (ENDPOINT, "allow", [("disallow", "all"), ("allow", "opus,alaw"), ("allow", "g722")], "(opus|alaw|g722)"),
    (ENDPOINT, "allow", [("allow", "!all,ulaw:20")], "(ulaw)"),
    (ENDPOINT, "allow", [("disallow", "all")], "(nothing)"),
    (ENDPOINT, "callerid", [("callerid", "Jane Doe <105>")], '"Jane Doe" <105>'),
    (ENDPOINT, "callerid", [("callerid", '"" <109>')], "109"),
    (ENDPOINT, "callerid", [("callerid", "<103>")], "103"),
    (ENDPOINT, "callerid", [("callerid", '"O" <+49 30 1>')], '"O" <+49301>'),
    (ENDPOINT, "callerid", [("callerid", "Ext 108")], "Ext 108"),
    (ENDPOINT, "setvar", [("set_var", "B=1"), ("set_var", "A=x,y"), ("set_var", "B=2")], "B=2,A=x,y"),
    (ENDPOINT, "callgroup", [("call_group", "5,1-2")], "1, 2, 5"),
    (ENDPOINT, "namedcallgroup", [("named_call_group", "z,a")], "a, z"),
    (ENDPOINT, "acl", [("permit", "10.0.0.0/8")], "deny/permit"),
    (ENDPOINT, "tosaudio", [("tos_audio", "ef")], "184"),
    (ENDPOINT, "connectedlinemethod", [("connected_line_method", "reinvite")], "invite"),
    (ENDPOINT, "directmedia", [("direct_media", "no")], "false"),
    (ENDPOINT, "dtlsverify", [("dtls_verify", "yes")], "Yes"),
    (AOR, "qualifytimeout", [("qualify_timeout", "3")], "3.000000"),
    (AOR, "contacts", [("contact", "sip:a@h"), ("contact", "sip:b@h")], "x/sip:b@h,x/sip:a@h"),
    (IDENTIFY, "match", [("match", "10.0.0.1,10.1.2.3/24")], "10.1.2.0/255.255.255.0,10.0.0.1/255.255.255.255"),
    (IDENTIFY, "match", [("match", "2001:db8::/32")], "2001:db8::/ffff:ffff::"),
    (IDENTIFY, "match", [("match", "10.0.0.5:5060")], "10.0.0.5:5060/255.255.255.255"),
    (IDENTIFY, "match", [("match", "sip.example.com")], "192.0.2.1/255.255.255.255"),
    (TRANSPORT, "bind", [("bind", "192.0.2.1")], "192.0.2.1:5060"),
    (TRANSPORT, "bind", [("bind", "[::]:5061")], "[::]:5061"),
    (TRANSPORT, "localnet", [("local_net", "10.0.0.0/8")], "10.0.0.0/255.0.0.0"),
]

DIFFERENT = [
    (ENDPOINT, "allow", [("allow", "alaw,ulaw")], "(ulaw|alaw)"),
    (ENDPOINT, "directmedia", [("direct_media", "banana")], "false"),
    (ENDPOINT, "rtptimeout", [("rtp_timeout", "030")], "24"),
    (ENDPOINT, "fromuser", [("from_user", "0105")], "105"),
    (ENDPOINT, "setvar", [("set_var", "REV=1")], "REV=2"),
    (ENDPOINT, "acl", [("permit", "10.0.0.0/8")], ""),
    (AOR, "maxcontacts", [("max_contacts", "1")], "01"),
    (IDENTIFY, "match", [("match", "10.0.0.1")], "10.0.0.0/255.255.255.0"),
    (IDENTIFY, "match", [("match", "sip.example.com")], ""),
]


PLACES = [(kind, field) for kind, rules in RULES.items() for field in rules]


@pytest.mark.parametrize(("kind", "field", "options", "shown"), SAME)
def test_the_same(kind: PjsipType, field: str, options: list[tuple[str, str]], shown: str) -> None:
    assert same(kind, field, options, shown)


@pytest.mark.parametrize(("kind", "field", "options", "shown"), DIFFERENT)
def test_different(kind: PjsipType, field: str, options: list[tuple[str, str]], shown: str) -> None:
    assert not same(kind, field, options, shown)


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_in_either_form(address: object, length: int) -> None:
    prefix = network(f"{address}/{length}")
    assert network(prefix) == prefix


@given(
    st.sampled_from([(k, f) for k, rules in RULES.items() for f in rules]), st.text(max_size=40), st.text(max_size=40)
)
def test_no_text_breaks_a_rule(place: tuple[PjsipType, str], rendered: str, shown: str) -> None:
    same(*place, [("option", rendered)], shown)


@pytest.mark.asyncio(loop_scope="module")
async def test_every_option_of_asterisk_is_shown_or_listed_as_not_shown(pbx: Pbx) -> None:
    uris = (("server_uri", "sip:127.0.0.1:1"), ("client_uri", "sip:x@127.0.0.1:1"))
    site = (
        pjsip(ENDPOINT, "x", ("aors", "x"), ("auth", "x"), ("transport", "udp")),
        pjsip(PjsipType.AUTH, "x", ("username", "x"), ("password", "x")),
        pjsip(AOR, "x"),
        pjsip(IDENTIFY, "x", ("endpoint", "x"), ("match", "10.0.0.1")),
        pjsip(PjsipType.REGISTRATION, "x", *uris),
    )
    assert await pbx.hold(Objects(site)) == ()
    events = [*await pbx.ami.list("PJSIPShowEndpoint", Endpoint="x")]
    events += await pbx.ami.list("PJSIPShowRegistrationsOutbound")
    shown = {e["objecttype"]: e for e in events if "objecttype" in e}
    documented = _documented(pbx)
    for kind in (ENDPOINT, PjsipType.AUTH, AOR, IDENTIFY, PjsipType.REGISTRATION, TRANSPORT):
        fields = {field_of(option) for option in documented[kind]} - {"type"}
        assert fields - set(shown[kind]) == NOT_SHOWN.get(kind, frozenset()) - set(shown[kind])
        for field, default in DEFAULTS.get(kind, {}).items():
            assert field in shown[kind], (kind, field)
            if field not in {"match", "endpoint", "username", "password"}:
                assert shown[kind][field] == default, (kind, field)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_applications_of_the_running_asterisk_are_known(pbx: Pbx) -> None:
    lines = (await pbx.asterisk.console("core show applications")).splitlines()
    names = {line.split(":")[0].strip() for line in lines if line.startswith(" ") and ":" in line}
    assert len(names) > 80
    unknown = {name for name in names if module_of(name) is None}
    assert unknown == set()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_functions_that_the_dialplan_calls_are_known_by_their_modules(pbx: Pbx) -> None:
    lines = (await pbx.asterisk.console("core show functions")).splitlines()
    known = {line.split()[0] for line in lines if line[:1].isupper() and "(" in line}
    files = [*(ROOT / "templates").glob("*.j2"), *(ROOT / "controller/dialplane/plan/dialplan").glob("*.py")]
    called = {name for path in files for name in re.findall(r"\b([A-Z][A-Z_0-9]+)\(", path.read_text())} & known
    assert len(called) > 10
    assert {name for name in called if not [*functions_in(f"${{{name}(x)}}")]} == set()


def _documented(pbx: Pbx) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    path = pbx.asterisk.installation.data / "documentation/core-en_US.xml"
    for info in ET.parse(path).getroot().iter("configInfo"):  # noqa: S314 -- Asterisk's own documentation
        if str(info.get("name")).startswith("res_pjsip"):
            for part in info.iter("configObject"):
                options = {str(option.get("name")) for option in part.findall("configOption")}
                found.setdefault(str(part.get("name")), set()).update(options)
    return found
