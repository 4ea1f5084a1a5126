"""What Asterisk refuses, skips or keeps in an old version is found, and blamed on the right resource."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.readback import read_back
from dialplane.asterisk.reload import reload
from dialplane.plan.objects import Mailbox, Objects, PjsipObject, PjsipType, Value
from dialplane.resources.key import Key
from testbed.asterisk import AsteriskInstance
from testbed.bootstrap import Settings, render
from tests.asterisk.real_asterisk import Pbx, address, blamed, context, pjsip

pytestmark = pytest.mark.asyncio(loop_scope="module")

USER = ("username", "bad")
SERVER = ("server_uri", "sip:127.0.0.1:1")
CLIENT = ("client_uri", "sip:x@127.0.0.1:1")


def site(*more: PjsipObject, revision: str = "1") -> Objects:
    """A good endpoint `good` with auth and aor, and then some."""
    good = (
        pjsip(PjsipType.ENDPOINT, "good", ("auth", "good"), ("aors", "good"), ("set_var", f"REVISION={revision}")),
        pjsip(PjsipType.AUTH, "good", ("auth_type", "digest"), ("username", "good"), ("password", SecretStr(revision))),
        pjsip(PjsipType.AOR, "good", ("max_contacts", "1")),
    )
    return Objects((*good, *more))


REFUSED: list[tuple[PjsipType, tuple[tuple[str, Value], ...]]] = [
    (PjsipType.ENDPOINT, (("nosuchoption", "1"),)),
    (PjsipType.ENDPOINT, (("disallow", "all"), ("allow", "nosuchcodec"))),
    (PjsipType.ENDPOINT, (("dtmf_mode", "banana"),)),
    (PjsipType.ENDPOINT, (("permit", "banana"),)),
    (PjsipType.ENDPOINT, (("set_var", "NOEQUALS"),)),
    (PjsipType.ENDPOINT, (("media_encryption", "banana"),)),
    (PjsipType.ENDPOINT, (("max_audio_streams", "banana"),)),
    (PjsipType.AUTH, (("auth_type", "banana"), ("username", "x"))),
    (PjsipType.AUTH, (("auth_type", "userpass"), ("username", "x"))),
    (PjsipType.AUTH, (("auth_type", "md5"), ("username", "x"), ("md5_cred", "short"))),
    (PjsipType.AUTH, (("auth_type", "userpass"), ("nonce_lifetime", "banana"), ("password", "x"))),
    (PjsipType.AOR, (("max_contacts", "banana"),)),
    (PjsipType.AOR, (("contact", "not a uri"),)),
    (PjsipType.AOR, (("qualify_frequency", "5000000"),)),
    (PjsipType.IDENTIFY, (("endpoint", "good"), ("match", "no-such-host.invalid"))),
    (PjsipType.IDENTIFY, (("endpoint", "good"), ("match", "10.0.0.0/99"))),
    (PjsipType.IDENTIFY, (("match", "10.0.0.1"),)),
    (PjsipType.REGISTRATION, (("server_uri", "not a uri"), CLIENT)),
    (PjsipType.REGISTRATION, (CLIENT,)),
    (PjsipType.REGISTRATION, (SERVER, CLIENT, ("expiration", "banana"))),
    (PjsipType.REGISTRATION, (SERVER, CLIENT, ("line", "yes"))),
]
"""Each is refused on its first load, with a line in the log and Reload status 0."""


@pytest.mark.parametrize(("kind", "options"), REFUSED)
async def test_a_refused_object_is_missing(pbx: Pbx, kind: PjsipType, options: tuple[tuple[str, Value], ...]) -> None:
    bad = pjsip(kind, "bad", *options)
    (found,) = await pbx.hold(site(bad))
    assert (found.owner, found.object, found.missing) == (Key("Test", "bad"), f"{kind} bad", True)


KEPT: list[tuple[PjsipType, tuple[tuple[str, Value], ...], tuple[tuple[str, Value], ...]]] = [
    (PjsipType.ENDPOINT, (("set_var", "REVISION=1"),), (("set_var", "REVISION=2"), ("dtmf_mode", "banana"))),
    (
        PjsipType.AUTH,
        (USER, ("password", SecretStr("one"))),
        (USER, ("password", SecretStr("two")), ("nonce_lifetime", "banana")),
    ),
    (PjsipType.AUTH, (USER, ("password", SecretStr("one"))), (USER,)),
    (PjsipType.AOR, (("max_contacts", "1"),), (("max_contacts", "banana"),)),
    (PjsipType.AOR, (("support_path", "yes"),), (("contact", "not a uri"),)),
    (
        PjsipType.IDENTIFY,
        (("endpoint", "good"), ("match", "10.0.0.1")),
        (("endpoint", "good"), ("match", "10.0.0.1"), ("match", "10.0.0.0/99")),
    ),
    (PjsipType.REGISTRATION, (SERVER, CLIENT), (SERVER, CLIENT, ("line", "yes"))),
]
"""A first version that is taken, and a second that is refused: Asterisk goes on with the first."""


@pytest.mark.parametrize(("kind", "first", "second"), KEPT)
async def test_an_old_version_that_asterisk_kept_is_noticed(
    pbx: Pbx, kind: PjsipType, first: tuple[tuple[str, Value], ...], second: tuple[tuple[str, Value], ...]
) -> None:
    assert await pbx.hold(site(pjsip(kind, "bad", *first))) == ()
    found = await pbx.hold(site(pjsip(kind, "bad", *second)))
    assert {m.owner for m in found} == {Key("Test", "bad")}
    assert not any(m.missing for m in found)


async def test_an_endpoint_with_a_new_revision_does_not_hide_its_refused_auth(pbx: Pbx) -> None:
    assert await pbx.hold(site()) == ()
    endpoint, auth, aor = site(revision="2").pjsip
    bad = pjsip(PjsipType.AUTH, "good", *auth.options, ("nonce_lifetime", "banana"))
    found = await pbx.hold(Objects((endpoint, bad, aor)))
    assert ("auth good", "password") in {(m.object, m.field) for m in found}
    assert {m.object for m in found} == {"auth good"}


async def test_a_duplicate_id_drops_the_whole_file(pbx: Pbx) -> None:
    assert await pbx.hold(site()) == ()
    twice = pjsip(PjsipType.AUTH, "good", ("password", SecretStr("x")))
    found = await pbx.hold(site(twice, pjsip(PjsipType.AUTH, "new", ("password", SecretStr("x")))))
    assert {m.object for m in found} == {"auth good", "auth new"}


async def test_a_file_with_a_broken_section_is_noticed(pbx: Pbx) -> None:
    assert await pbx.hold(site()) == ()
    await pbx.write({"pjsip_endpoint.conf": "[good\ntype = endpoint\n"})
    assert {m.object for m in await read_back(pbx.ami, site(revision="2"))} == {"endpoint good", "auth good"}


async def test_an_endpoint_whose_transport_is_not_there_is_refused(pbx: Pbx) -> None:
    lost = pjsip(PjsipType.ENDPOINT, "lost", ("transport", "nosuch"))
    (found,) = await pbx.hold(site(lost))
    assert (found.owner, found.field) == (Key("Test", "lost"), "transport")
    assert "nosuch" in found.message


async def test_a_transport_whose_port_is_taken_is_missing(pbx: Pbx) -> None:
    second = pjsip(PjsipType.TRANSPORT, "second", *pbx.udp.options)
    user = pjsip(PjsipType.ENDPOINT, "user", ("transport", "second"))
    found = await pbx.hold(site(second, user))
    assert {m.object for m in found} == {"transport second", "endpoint user"}


async def test_a_dialplan_is_verified_entry_by_entry(pbx: Pbx) -> None:
    contexts = (
        context(
            "internal",
            ("101", 1, "NoOp", 'hello, "x" ${EXTEN}'),
            ("101", 2, "Dial", "PJSIP/101,30,tT"),
            ("_1XXXXX", "hint", "PJSIP/${EXTEN}", ""),
            ("_[1-5]0-0", 1, "Gosub", "routine,${EXTEN},1(a,b)"),
            ("h", 1, "Hangup", ""),
            includes=("outbound", "late"),
        ),
        context("late"),
        context("outbound", ("9", 1, "Answer", "")),
        context("routine", ("_.", 1, "Return", "")),
    )
    assert await pbx.hold(Objects(contexts=contexts, globals={"DIALPLANE_REVISION": "r1", "EMPTY": ""})) == ()


@pytest.mark.parametrize(
    ("entry", "field", "missing"),
    [
        (("102", 0, "NoOp", ""), "102,0", True),
        (("103", 1, "NoSuchApplication", "x"), "103,1", False),
        (("105", 1, "DAHDISendKeypadFacility", "x"), "105,1", False),
    ],
)
async def test_a_line_that_cannot_work_is_blamed_on_its_owner(
    pbx: Pbx, entry: tuple[str, int, str, str], field: str, missing: bool
) -> None:
    good = ("101", 1, "NoOp", "")
    found = await pbx.hold(Objects(contexts=(context("internal", good, entry),)))
    assert {(m.owner, m.field, m.missing) for m in found} == {(Key("Test", entry[0]), field, missing)}


async def test_an_old_dialplan_is_noticed(pbx: Pbx) -> None:
    old = context("internal", ("101", 1, "NoOp", "one"), ("199", 1, "NoOp", ""))
    await pbx.hold(Objects(contexts=(old,), globals={"DIALPLANE_REVISION": "r1"}))
    new = context("internal", ("101", 1, "NoOp", "two"), includes=("more",))
    found = await read_back(pbx.ami, Objects(contexts=(new, context("more")), globals={"DIALPLANE_REVISION": "r2"}))
    assert blamed(found) == {
        ("101", "101,1"),
        ("internal", "include"),
        ("internal", "199,1"),
        ("more", ""),
        ("", "DIALPLANE_REVISION"),
    }


async def test_mailboxes_are_verified_all_but_the_pin(pbx: Pbx) -> None:
    def mailbox(number: str, name: str, email: str, *options: tuple[str, str]) -> Mailbox:
        return Mailbox(number, SecretStr("1234"), name, email, options, Key("Test", number))

    first = mailbox("101", "Jörg Müller", "j@example.com", ("attach", "no"), ("delete", "yes"), ("tz", "eu"))
    second = mailbox("102", "Bob", "", ("saycid", "yes"), ("envelope", "no"), ("language", "de"))
    assert await pbx.hold(Objects(mailboxes=(first, second))) == ()
    other = mailbox("101", "Other", "j@example.com", ("attach", "yes"), ("delete", "yes"), ("tz", "eu"))
    missing = mailbox("103", "X", "")
    found = await read_back(pbx.ami, Objects(mailboxes=(other, second, missing)))
    assert blamed(found) == {("101", "fullName"), ("101", "attach"), ("103", "")}


async def test_a_broken_extensions_conf_takes_the_whole_dialplan_away(pbx: Pbx) -> None:
    # Asterisk reports status 3 and keeps the old dialplan only where the main file is broken, not an included one.
    site = Objects(contexts=(context("internal", ("101", 1, "NoOp", "")),), globals={"DIALPLANE_REVISION": "r1"})
    assert await pbx.hold(site) == ()
    await pbx.write({"extensions.conf": "[internal\nexten => 101,1,NoOp()\n"})
    found = await read_back(pbx.ami, site)
    # The revision mark stays what it was: a reload clears no global variable.
    assert [(m.object, m.missing) for m in found] == [("context internal", True)]


async def test_what_a_module_that_does_not_run_would_hold_is_missing(tmp_path: Path) -> None:
    def without(settings: Settings) -> dict[str, str]:
        files = render(settings)
        lines = "noload = app_voicemail.so\nnoload = res_pjsip_outbound_registration.so\n"
        return files | {"modules.conf": f"{files['modules.conf']}\n[modules](+)\n{lines}"}

    async with AsteriskInstance(tmp_path, bootstrap_files=without) as asterisk, Ami.connect(address(asterisk)) as ami:
        registration = pjsip(PjsipType.REGISTRATION, "r", SERVER, CLIENT)
        mailbox = Mailbox("101", SecretStr("1"), "x", "", (), Key("Test", "101"))
        dialplan = context("internal", ("101", 1, "VoiceMail", "101"))
        asterisk.write("dialplane/extensions.conf", "[internal]\nexten => 101,1,VoiceMail(101)\n")
        await reload(ami, "pbx_config.so")
        found = await read_back(ami, Objects((registration,), (dialplan,), mailboxes=(mailbox,)))
        assert {m.object for m in found} == {"registration r", "mailbox 101", "context internal"}
        assert "app_voicemail.so, which is not running" in next(m.message for m in found if m.object.startswith("con"))
