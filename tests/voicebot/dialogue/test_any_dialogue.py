"""Whatever a manifest says and a caller does, a dialogue waits or ends: it never raises, and never runs by itself."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.services.voicebot.dialogue.machine import MOST_STATES_AT_ONCE, Dialogue
from dialplane.services.voicebot.dialogue.steps import (
    ActionEnded,
    Answered,
    EndCall,
    FallBack,
    ModelAnswered,
    Pressed,
    Silence,
    TransferTo,
)
from tests.properties import tries
from tests.voicebot.dialogue.dialogs import TODAY, bot

NAMES = ("a", "b", "c", "d", "e")
TO = st.sampled_from(NAMES)
TEXT = st.sampled_from(["Hello.", "{caller}", "{x}{x}", "{{x}", "}{"])
CHOICES = [
    {"value": "one", "phrases": ["one", "first"], "dtmf": "1"},
    {"value": "two", "phrases": ["two"], "dtmf": "2#"},
]
COLLECT = st.sampled_from(
    [
        {"grammar": "words", "variable": "x"},
        {"grammar": "digits", "minDigits": 2, "maxDigits": 4, "variable": "x"},
        {"grammar": "yesNo"},
        {"grammar": "date", "variable": "y", "dtmf": False},
        {"grammar": "choices", "choices": CHOICES},
    ]
)
OUTCOMES = st.lists(
    st.builds(lambda name, to: {"outcome": name, "to": to}, st.sampled_from(["one", "two"]), TO),
    min_size=1,
    max_size=2,
    unique_by=lambda each: each["outcome"],
)
TRANSITION = st.one_of(
    st.builds(
        lambda how, to: {**how, "to": to},
        st.sampled_from(
            [
                {"intent": "one"},
                {"intent": "yes"},
                {"keyword": "hello"},
                {"dtmf": "1"},
                {"dtmf": "*#"},
                {"answered": True},
                {"noInput": True},
                {"noMatch": True},
            ]
        ),
        TO,
    )
)


def _model(outcomes: list[dict[str, str]], otherwise: str) -> dict[str, Any]:
    intents = [{"name": name, "description": "What they want."} for name in ("one", "two")]
    key = {"name": "model", "key": "key"}
    more = {"outcomes": outcomes, "otherwise": otherwise, "intents": intents, "maxTurns": 2}
    return {"llm": {"secretRef": key, "model": "some", "instructions": "Ask.", **more}}


ENDING = st.one_of(
    st.builds(
        lambda collect, ways: {"collect": collect, "transitions": ways}, COLLECT, st.lists(TRANSITION, min_size=1)
    ),
    st.builds(lambda to: {"next": to}, TO),
    st.builds(lambda text, to: {"action": {"setVariable": {"name": "x", "value": text}}, "next": to}, TEXT, TO),
    st.builds(lambda text, to: {"action": {"sms": {"dongle": "gsm", "text": text}}, "next": to}, TEXT, TO),
    st.builds(
        lambda outcomes, to: {
            "action": {"webhook": {"url": "https://example.com", "outcomes": outcomes, "otherwise": to}}
        },
        OUTCOMES,
        TO,
    ),
    st.builds(lambda outcomes, to: {"action": _model(outcomes, to)}, OUTCOMES, TO),
    st.just({"action": {"hangup": True}}),
    st.just({"action": {"transfer": {"to": {"hangup": True}}}}),
)
STATE = st.builds(lambda say, end: {**({"say": {"text": say}} if say else {}), **end}, st.none() | TEXT, ENDING)
SPOKEN = st.text(max_size=40) | st.sampled_from(["one", "two three", "yes", "no", "tomorrow", "may third", "9" * 40])
EVENT = st.one_of(
    st.builds(Answered, SPOKEN),
    st.builds(Pressed, st.text("0123456789*#", max_size=6)),
    st.just(Silence()),
    st.builds(
        ActionEnded, st.sampled_from(["", "one", "two"]), st.dictionaries(st.text(max_size=3), st.text(max_size=9))
    ),
    st.builds(ModelAnswered, SPOKEN),
)


@settings(max_examples=tries(40), deadline=None)
@given(st.lists(STATE, min_size=len(NAMES), max_size=len(NAMES)), st.lists(EVENT, max_size=60), st.text(max_size=20))
def test_it_waits_or_ends(states: list[dict[str, Any]], events: list[Any], caller: str) -> None:
    spec = bot(*({"name": name, **state} for name, state in zip(NAMES, states, strict=True)))
    talk = Dialogue(spec, caller, today=TODAY)
    step = talk.begin()
    for event in events:
        assert len(step.say) <= MOST_STATES_AT_ONCE
        assert step.state in NAMES
        talk.is_complete(getattr(event, "text", ""))
        ended = isinstance(step.then, TransferTo | EndCall | FallBack)
        before, step = step, talk.advance(event)
        assert not ended or (step.then == before.then and not step.say)
