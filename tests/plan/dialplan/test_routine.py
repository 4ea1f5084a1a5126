import re
from pathlib import Path

import pytest

from dialplane.asterisk.applications import functions_in, module_of
from dialplane.plan.dialplan import (
    ROUTINES,
    applications_used,
    cabins,
    dialplan,
    modules_used,
    recording,
    retained,
    voice_bots,
)
from dialplane.plan.dialplan.routine import Trusted, listed, routine
from dialplane.plan.dialplan.used import MODULES
from dialplane.plan.escape import Unrenderable
from dialplane.resources.key import Key
from tests.plan.dialplan.sites import extension, schedule, site, trunk

KEY = Key("Asterisk", "pbx")
MODULES_CONF = Path(__file__).parents[3] / "templates" / "bootstrap" / "modules.conf.j2"
EVERY = (*ROUTINES, *recording.PROOF_ROUTINES, *cabins.ROUTINES, *voice_bots.ROUTINES)
"""Those of sites with something special, too."""
ONE = routine("one", ("number",), "again: Dial(PJSIP/<number>)\nGoto(again)")


def test_a_routine_reads_as_dialplan() -> None:
    rendered = ONE.rendered(KEY)
    assert rendered.name == ONE.context
    assert [(e.extension, e.priority, e.label, e.application, e.arguments) for e in rendered.entries] == [
        ("s", 1, "again", "Dial", "PJSIP/${ARG1}"),
        ("s", 2, "", "Goto", "again"),
    ]


def test_another_text_is_another_context_and_so_is_that_of_its_callers() -> None:
    other = routine("one", ("number",), "again: Dial(PJSIP/<number>,20)\nGoto(again)")
    callers = [routine("two", (), "Gosub(<one>,s,1(101))", calls=(each,)) for each in (ONE, other)]
    assert other.context != ONE.context
    assert callers[0].context != callers[1].context
    assert ONE.context in callers[0].steps[0][2]


@pytest.mark.parametrize("text", ["Dial PJSIP", "Dial(<nobody>)", "two words: Dial()"])
def test_a_mistake_in_a_routine_is_found_at_import(text: str) -> None:
    with pytest.raises(ValueError, match="routine bad"):
        routine("bad", (), text)


def test_a_call_whose_time_is_over_goes_on_where_the_routine_says() -> None:
    mindful = routine("one", (), "Wait(1)\nlate: Hangup(16)", overdue="late")
    last = mindful.rendered(KEY).entries[-1]
    assert (last.extension, last.priority, last.application, last.arguments) == ("T", 1, "Goto", "s,late")
    assert mindful.context != routine("one", (), "Wait(1)\nlate: Hangup(16)").context
    with pytest.raises(ValueError, match="no line has the label 'gone'"):
        routine("one", (), "Wait(1)", overdue="gone")


@pytest.mark.parametrize("value", ["1,s", "${EVIL}", "a b", "1)", "a&b", '"', "ü", "1;2", "$[1]", "1\n2"])
def test_an_argument_cannot_be_read_as_anything_else(value: str) -> None:
    with pytest.raises(Unrenderable):
        ONE.gosub(value)
    with pytest.raises(Unrenderable):
        listed(["101", value])


def test_an_argument_beyond_what_asterisk_expands_is_refused() -> None:
    with pytest.raises(Unrenderable):
        ONE.gosub(Trusted("1" * 4_001))


def test_a_routine_takes_its_arguments_and_no_others() -> None:
    with pytest.raises(TypeError):
        ONE.gosub("1", "2")


def test_every_jump_in_every_routine_has_its_label() -> None:
    for each in EVERY:
        labels = {label for label, _, _ in each.steps}
        for _, application, arguments in each.steps:
            if application == "Goto" and "," not in arguments:
                assert arguments in labels
            if application == "GotoIf":
                yes, _, no = arguments.rpartition("?")[2].partition(":")
                assert {yes, no} - {""} <= labels


def test_no_routine_needs_a_module_that_the_base_files_keep_out() -> None:
    """One that starts calls or programs of its own: it would be missing at every site, in silence."""
    kept_out = set(re.findall(r"^noload = (\S+)$", MODULES_CONF.read_text(), re.MULTILINE))
    steps = [f"{app}({arguments})" for each in EVERY for _, app, arguments in each.steps]
    names = {name for step in steps for name in re.findall(r"\b([A-Z]\w+)\(", step)}
    assert not kept_out & {f"{module_of(name)}.so" for name in names if module_of(name)}
    assert not kept_out & {f"{module}.so" for step in steps for module in functions_in(step)}


def test_every_application_and_function_is_known() -> None:
    of = site([extension("101")], [trunk("a")], [schedule("s")])
    contexts = dialplan(of)
    core = {"Answer", "Goto", "GotoIf", "Hangup", "Set"}
    assert applications_used(contexts) - MODULES.keys() == core
    assert {"app_dial.so", "app_voicemail.so", "func_strings.so"} <= modules_used(contexts)


OLD = """\
[globals]
X = 1

[dp-internal]
exten => 101,1,Gosub(dp-call_aaaaaaaa,s,1(101))

[dp-call_aaaaaaaa]
exten => s,1,Gosub(dp-record_aaaaaaaa,s,1())
exten => s,2,Dial(PJSIP/101)

[dp-record_aaaaaaaa]
exten => s,1,Return()

[dp-echo_aaaaaaaa]
exten => s,1,Echo()
"""


@pytest.mark.parametrize(
    ("live", "wanted", "kept"),
    [
        ((), (), []),
        (("dp-internal",), (), []),
        (("dp-call_aaaaaaaa",), (), ["dp-call_aaaaaaaa", "dp-record_aaaaaaaa"]),
        (("dp-record_aaaaaaaa",), (), ["dp-call_aaaaaaaa", "dp-record_aaaaaaaa"]),
        (("dp-call_aaaaaaaa",), ("dp-record_aaaaaaaa",), ["dp-call_aaaaaaaa"]),
        (("dp-call_aaaaaaaa",), ("dp-call_aaaaaaaa", "dp-record_aaaaaaaa"), []),
        (("dp-echo_aaaaaaaa", "dp-gone_bbbbbbbb"), (), ["dp-echo_aaaaaaaa"]),
    ],
)
def test_what_a_live_call_may_still_need_is_kept(
    live: tuple[str, ...], wanted: tuple[str, ...], kept: list[str]
) -> None:
    text = retained(OLD, live, wanted)
    assert [line.strip("[]") for line in text.splitlines() if line.startswith("[")] == kept
    assert all(line in OLD for line in text.splitlines())


def test_what_was_kept_once_can_be_kept_again() -> None:
    kept = retained(OLD, {"dp-echo_aaaaaaaa"}, ())
    assert retained("[globals]\n\n" + kept, {"dp-echo_aaaaaaaa"}, ()) == kept
