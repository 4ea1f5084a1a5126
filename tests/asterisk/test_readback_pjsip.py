"""What was rendered is what Asterisk shows: every option that Asterisk knows, in every spelling that the plan uses."""

import random
import re

import pytest
from pydantic import SecretStr

from dialplane.asterisk.readback import gone, read_back
from dialplane.plan.objects import Objects, PjsipObject, PjsipType
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.manifest import parse
from dialplane.resources.snapshot import Snapshot
from tests.asterisk.real_asterisk import Pbx, blamed, pjsip
from tests.plan.office import manifest

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = SecretStr("ä;b\\c")

ENDPOINT = {
    "context": ["internal"],
    "disallow": ["all"],
    "allow": ["!all,opus,alaw", "g722"],
    "callerid": ['"Jörg \\"J\\" Müller" <+49 30 123>'],
    "set_var": ["DIALPLANE_REVISION=abc", "X=a;b,c", "DIALPLANE_REVISION=def"],
    "dtmf_mode": ["rfc4733"],
    "direct_media": ["no"],
    "direct_media_method": ["reinvite"],
    "connected_line_method": ["reinvite"],
    "rtp_symmetric": ["yes"],
    "force_rport": ["1"],
    "rewrite_contact": ["true"],
    "send_rpid": ["off"],
    "media_encryption": ["sdes"],
    "media_encryption_optimistic": ["yes"],
    "device_state_busy_at": ["2"],
    "mailboxes": ["101@default, 102@default"],
    "named_call_group": ["zeta,alpha"],
    "named_pickup_group": ["alpha"],
    "call_group": ["5,1-3"],
    "pickup_group": ["1"],
    "permit": ["10.0.0.0/8"],
    "deny": ["0.0.0.0/0"],
    "contact_permit": ["10.0.0.0/8"],
    "contact_deny": ["0.0.0.0/0"],
    "identify_by": ["auth_username,username"],
    "tos_audio": ["ef"],
    "tos_video": ["af41"],
    "cos_audio": ["5"],
    "timers": ["yes"],
    "100rel": ["no"],
    "language": ["de"],
    "allow_transfer": ["no"],
    "allow_subscribe": ["yes"],
    "allow_overlap": ["no"],
    "trust_id_inbound": ["no"],
    "send_pai": ["yes"],
    "from_user": ["0101"],
    "from_domain": ["pbx.example"],
    "outbound_proxy": ["sip:127.0.0.1:1;lr"],
    "codec_prefs_incoming_offer": ["prefer: pending, operation: intersect, keep: all, transcode: allow"],
    "rtp_timeout": ["60"],
    "accountcode": ["a  b"],
}
"""Options of an endpoint with values whose printed form differs in every way that was found."""


def options(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, values in table.items() for value in values]


def extension(number: str, password: str = "secret", *more: tuple[str, str]) -> tuple[PjsipObject, ...]:
    return (
        pjsip(PjsipType.ENDPOINT, number, ("auth", number), ("aors", number), ("set_var", "REV=1"), *more),
        pjsip(
            PjsipType.AUTH,
            number,
            ("auth_type", "userpass"),
            ("username", number),
            ("password", SecretStr(password)),
        ),
        pjsip(PjsipType.AOR, number, ("max_contacts", "2"), ("qualify_timeout", "2.5"), ("remove_existing", "yes")),
    )


def trunk(name: str, *, match: tuple[str, ...] = ("203.0.113.7",)) -> tuple[PjsipObject, ...]:
    uri = "sip:127.0.0.1:1;transport=udp"
    return (
        pjsip(
            PjsipType.ENDPOINT,
            name,
            ("transport", "udp"),
            ("aors", name),
            ("outbound_auth", f"{name}-1"),
            ("identify_by", "ip"),
            ("set_var", "REV=1"),
        ),
        pjsip(PjsipType.AUTH, f"{name}-1", ("auth_type", "digest"), ("username", "u"), ("password", PASSWORD)),
        pjsip(PjsipType.AOR, name, ("contact", uri), ("contact", "sip:127.0.0.2:1"), ("qualify_frequency", "60")),
        pjsip(PjsipType.IDENTIFY, name, ("endpoint", name), *(("match", m) for m in match)),
        pjsip(
            PjsipType.REGISTRATION,
            name,
            ("transport", "udp"),
            ("outbound_auth", f"{name}-1"),
            ("server_uri", uri),
            ("client_uri", f"sip:{name}@127.0.0.1:1"),
            ("contact_user", name),
            ("expiration", "3600"),
            ("max_retries", "10000"),
            ("auth_rejection_permanent", "no"),
            ("line", "yes"),
            ("endpoint", name),
        ),
    )


async def test_every_printed_form_of_an_endpoint_is_recognised(pbx: Pbx) -> None:
    wanted = pjsip(PjsipType.ENDPOINT, "forms", *options(ENDPOINT))
    assert await pbx.hold(Objects((wanted,))) == ()


async def test_an_extension_and_a_trunk_are_verified_with_all_their_objects(pbx: Pbx) -> None:
    networks = ("203.0.113.7", "10.1.2.3/255.255.0.0", "2001:db8::1", "2001:db8:1::/48", "::ffff:192.0.2.1")
    assert await pbx.hold(Objects((*extension("101"), *trunk("acme", match=networks)))) == ()


@pytest.mark.parametrize("name", [n for n in ENDPOINT if not n.endswith(("permit", "deny", "disallow"))])
async def test_another_value_of_any_option_is_noticed(pbx: Pbx, name: str) -> None:
    right = pjsip(PjsipType.ENDPOINT, "forms", *options(ENDPOINT))
    await pbx.hold(Objects((right,)))
    other = pjsip(PjsipType.ENDPOINT, "forms", *options(ENDPOINT | {name: ["x-wrong"]}))
    found = await read_back(pbx.ami, Objects((other,)))
    assert {m.owner and m.owner.name for m in found} == {"forms"}
    assert {m.field for m in found} <= {name, "disallow"}


@pytest.mark.parametrize(
    ("kind", "name", "option", "value"),
    [
        (PjsipType.AUTH, "101", "password", "other"),
        (PjsipType.AUTH, "101", "username", "other"),
        (PjsipType.AUTH, "101", "realm", "other"),
        (PjsipType.AOR, "101", "max_contacts", "3"),
        (PjsipType.AOR, "101", "qualify_timeout", "2.6"),
        (PjsipType.AOR, "101", "remove_existing", "no"),
        (PjsipType.AOR, "acme", "contact", "sip:127.0.0.3:1"),
        (PjsipType.IDENTIFY, "acme", "match", "203.0.113.8"),
        (PjsipType.REGISTRATION, "acme", "server_uri", "sip:127.0.0.9:1"),
        (PjsipType.REGISTRATION, "acme", "expiration", "03600"),
        (PjsipType.TRANSPORT, "udp", "bind", "127.0.0.1:1"),
    ],
)
async def test_a_difference_is_blamed_on_its_object(
    pbx: Pbx, kind: PjsipType, name: str, option: str, value: str
) -> None:
    held = Objects((*extension("101"), *trunk("acme")))
    assert await pbx.hold(held) == ()
    changed = [
        pjsip(o.type, o.id, *((n, v) for n, v in o.options if n != option), (option, value))
        if (o.type, o.id) == (kind, name)
        else o
        for o in pbx.whole(held).pjsip
    ]
    found = await read_back(pbx.ami, Objects(tuple(changed)))
    assert blamed(found) == {(name, option)}
    assert found[0].object == f"{kind} {name}"
    assert found[0].needs_restart == (kind is PjsipType.TRANSPORT)


def nasty_names(many: int) -> list[str]:
    """Names of up to 79 bytes, half of them of the signs that Asterisk's files, headers and dialplan read."""
    some = random.Random(16)  # noqa: S311 -- the same names in every run
    names = [
        "Müller, Änne",
        " a ",
        "   ",
        '"' * 64,
        "\\" * 63,
        '"' * 40 + "ä" * 19,
        '<"',
        "\\" * 5 + "1",
        "\\" * 6 + "2",
    ]
    while len(names) < many:
        signs = some.choice(("\"\\<>;,|=#[](){}$%& 'ab1", '"\\', 'aä\u20ac\U0001f600"\\ \u200d'))
        name = "".join(some.choices(signs, k=some.randint(1, 64)))
        if len(name.encode()) <= 79:
            names.append(name)
    return names


async def test_any_name_of_an_extension_is_verified(pbx: Pbx) -> None:
    names = {str(1000 + index): name for index, name in enumerate(nasty_names(300))}
    pin, account = SecretStr("4711"), SecretStr("secret")
    secrets = {"pin": {"pin": pin}} | {n: {"username": SecretStr(n), "password": account} for n in names}
    box = {"pinSecretRef": {"name": "pin", "key": "pin"}}
    made = [manifest("Asterisk", "pbx", {})] + [
        manifest(
            "Extension",
            f"e{number}",
            {"number": number, "displayName": name, "credentialsSecretRef": {"name": number}, "voicemail": box},
        )
        for number, name in names.items()
    ]
    resources = [parse(each) for each in made]
    plan = Planner(load()).plan(Snapshot("default", {each.key: each for each in resources}, secrets))
    assert not plan.problems
    served = [o for o in plan.objects.pjsip if o.owner.kind == "Extension"]
    assert await pbx.hold(Objects(tuple(served), mailboxes=plan.objects.mailboxes)) == ()
    for number, name in names.items():
        shown = (await pbx.ami.list("PJSIPShowEndpoint", Endpoint=number))[0]["callerid"]
        if shown.endswith(f'" <{number}>'):  # Asterisk has no room to show many backslashes
            assert re.sub(r"\\(.)", r"\1", shown[1 : -len(f'" <{number}>')]) == name


async def test_a_password_never_shows(pbx: Pbx) -> None:
    await pbx.hold(Objects(extension("101", "the-old-one")))
    (found,) = await read_back(pbx.ami, Objects(extension("101", "the-new-one")))
    assert "the-" not in str(found)
    assert "the-" not in repr(found)


async def test_an_option_left_out_must_show_its_default(pbx: Pbx) -> None:
    await pbx.hold(Objects(extension("101")))
    bare = pjsip(PjsipType.AOR, "101", ("max_contacts", "2"), ("remove_existing", "yes"))
    endpoint, auth, _ = extension("101")
    assert blamed(await read_back(pbx.ami, Objects((endpoint, auth, bare)))) == {("101", "qualifytimeout")}


async def test_auths_and_aors_that_no_endpoint_names_are_found(pbx: Pbx) -> None:
    _, auth, aor = extension("301")
    assert await pbx.hold(Objects((auth, aor))) == ()


async def test_a_part_of_the_objects_is_verified_alone(pbx: Pbx) -> None:
    everything = pbx.whole(Objects((*extension("101"), *trunk("acme")))).pjsip
    await pbx.hold(Objects(everything), transports=False)
    for one in everything:
        assert await read_back(pbx.ami, Objects((one,))) == (), one


async def test_deleted_objects_are_gone_and_others_are_still_there(pbx: Pbx) -> None:
    leaving, staying = extension("101"), trunk("acme")
    await pbx.hold(Objects((*leaving, *staying)))
    await pbx.hold(Objects(staying))
    assert await gone(pbx.ami, Objects(leaving)) == ()
    left = await gone(pbx.ami, Objects(staying))
    assert {(m.object, m.field) for m in left} == {(f"{o.type} {o.id}", "") for o in staying}


async def test_a_transport_keeps_its_socket(pbx: Pbx) -> None:
    user = pjsip(PjsipType.ENDPOINT, "101", ("transport", "udp"))
    await pbx.hold(Objects((user,)))
    moved = pjsip(PjsipType.TRANSPORT, "udp", ("protocol", "udp"), ("bind", f"127.0.0.1:{pbx.asterisk.tls_port}"))
    found = await pbx.hold(Objects((user, moved)), transports=False)
    assert [(m.object, m.field, m.needs_restart) for m in found] == [("transport udp", "bind", True)]
