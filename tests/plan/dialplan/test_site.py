import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplane.plan.dialplan import ROUTINES, dialplan
from dialplane.plan.dialplan.endpoints import extension_context
from dialplane.plan.dialplan.recording import PROOF_ROUTINES
from dialplane.plan.dialplan.voicemail import mailbox
from dialplane.plan.objects import Objects
from dialplane.plan.render import Renderer
from dialplane.plan.site import Site
from dialplane.reconcile.template_dir import load
from tests.plan.dialplan.sites import BOX, contexts, extension, lines, schedule, site, trunk

GOLDEN = Path(__file__).with_name("small_site.conf")


def small_site() -> Site:
    policy = {"format": "e164", "countryCode": "49"}
    group = {"members": ["101", "102"], "ringSeconds": 20, "noAnswer": {"voicemail": "101"}}
    inbound = [
        {"did": "+49301000", "to": {"schedule": "office"}},
        {"did": "+49301001", "to": {"extension": "101"}},
        {"did": "*", "to": {"ringGroup": group}},
    ]
    outbound = [
        {"pattern": "_0X.", "strip": 1, "prepend": "+49", "permission": "national"},
        {"pattern": "_00X.", "strip": 2, "prepend": "+"},
    ]
    routes = {"inbound": inbound, "outbound": outbound}
    hours = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}
    ways = {"whenOpen": {"ringGroup": group}, "whenClosed": {"voicemail": "101"}}
    everything = ["internal", "local", "national", "international"]
    return site(
        [
            extension("101", permissions=everything, voicemail=BOX, callerId="+49301001", maxContacts=2),
            extension("102", callWaiting=False, forward={"busy": "101"}, record="always"),
            extension("2001", permissions=[]),
        ],
        [
            trunk("carrier", maxChannels=10, callerId="+49301000", callerIdPolicy=policy, **routes),
            trunk("spare", outbound=[{"pattern": "_0X.", "permission": "national", "priority": 200}]),
        ],
        [schedule("office", open=[hours], holidays=["12-25", "2026-04-03"], **ways)],
        emergency={"numbers": ["112"], "trunks": ["carrier", "spare"], "callerId": "+49301000"},
        timeZone="Europe/Berlin",
    )


def rendered(of: Site) -> str:
    return Renderer(load()).files(Objects(contexts=dialplan(of)))[0]["extensions.conf"]


def test_a_small_site_renders_as_in_the_golden_file() -> None:
    text = rendered(small_site())
    if not GOLDEN.exists():  # to renew it: delete it, run this, read the difference
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_resources_does_not_matter(shuffle: random.Random) -> None:
    of = small_site()
    parts = [list(part) for part in (of.extensions, of.trunks, of.schedules)]
    for part in parts:
        shuffle.shuffle(part)
    extensions, trunks, schedules = (tuple(part) for part in parts)
    other = Site(of.namespace, of.asterisk_key, of.asterisk, extensions, trunks, schedules, of.secrets)
    assert dialplan(other) == dialplan(of)


def test_entries_of_the_site_have_one_priority_each() -> None:
    routines = {routine.context for routine in (*ROUTINES, *PROOF_ROUTINES)}
    for name, context in contexts(small_site()).items():
        extensions = [entry.extension for entry in context.entries]
        assert name in routines or len(extensions) == len(set(extensions))
        assert name in routines or {entry.priority for entry in context.entries} <= {1, "hint"}


def test_every_context_that_is_named_is_there() -> None:
    found = contexts(small_site())
    for context in found.values():
        assert set(context.includes) <= found.keys()
    for _, spec in small_site().extensions:
        assert extension_context(spec) in found


def test_a_change_of_one_extension_changes_one_line() -> None:
    before = rendered(small_site()).splitlines()
    of = small_site()
    changed = (extension("102", callWaiting=True, forward={"busy": "101"}, record="always"), *of.extensions[::2])
    after = rendered(Site(of.namespace, of.asterisk_key, of.asterisk, changed, of.trunks, of.schedules, of.secrets))
    assert sum(a != b for a, b in zip(before, after.splitlines(), strict=True)) == 1


@pytest.mark.parametrize(
    ("numbers", "patterns"),
    [
        ([], []),
        (["101"], ["101"]),
        (["101", "102"], ["_10X"]),
        (["101", "150", "2001", "2050", "99"], ["99", "_1XX", "_20XX"]),
    ],
)
def test_hints_are_one_pattern_per_length_and_first_digit(numbers: list[str], patterns: list[str]) -> None:
    assert list(lines(site([extension(number) for number in numbers]), "dp-hints")) == patterns


def test_a_lone_number_is_named_because_asterisk_replaces_its_variable_while_loading() -> None:
    assert lines(site([extension("101")]), "dp-hints") == {"101": "PJSIP/101()"}
    assert lines(site([extension("101"), extension("102")]), "dp-hints") == {"_10X": "PJSIP/${EXTEN}()"}


@pytest.mark.parametrize("code", ["", "*67", "*31#*67"])
def test_a_forward_to_an_emergency_number_is_left_out(code: str) -> None:
    emergency = {"numbers": ["112"], "trunks": ["a"]}
    of = site(
        [extension("101", forward={"unconditional": f"{code}112", "busy": "102"})], [trunk("a")], emergency=emergency
    )
    expected = "Gosub(dp-extension,s,1(101,30,yes,never,no,,102,,dp-cos-internal,,no))"
    assert lines(of, "dp-internal")["101"] == expected


def test_a_mailbox_names_the_zone_of_the_site() -> None:
    of = small_site()
    box = mailbox(of, *of.extensions[0])
    assert (box.number, box.full_name, box.options[-1]) == ("101", "101", ("tz", "site"))
    assert box.pin.get_secret_value() == "4711"


def test_an_extension_more_is_one_line_more() -> None:
    many = [extension(str(number)) for number in range(10_000, 12_000)]
    small = rendered(site([extension("10000")])).count("\n")
    assert rendered(site(many)).count("\n") - small == len(many) - 1
