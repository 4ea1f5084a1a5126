"""What is found wrong with the dialogue of a bot when it is planned."""

from collections.abc import Sequence
from typing import Any

import pytest

from dialplane.plan.checks.dialogs import mistakes
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from tests.plan.office import manifest, snapshot
from tests.voicebot.dialogue.dialogs import END, act, ask, bot

STATES = "spec.dialog.states"
ANY = {"answered": True, "to": "end"}
TWO: dict[str, Any] = {
    "grammar": "choices",
    "choices": [{"value": "a", "phrases": ["a"], "dtmf": "1"}, {"value": "b", "phrases": ["b"], "dtmf": "2"}],
}
HOOK = {"url": "https://crm.example.com/hook", "otherwise": "end"}


def choices(*keys: str) -> dict[str, Any]:
    """Return a collect whose choices have these keys."""
    return {
        "grammar": "choices",
        "choices": [{"value": f"v{at}", "phrases": [f"v {at}"], "dtmf": each} for at, each in enumerate(keys)],
    }


def llm(*outcomes: str, intents: Sequence[str] = ("buy",)) -> dict[str, Any]:
    """Return a state with a language model."""
    more: dict[str, Any] = {
        "intents": [{"name": name, "description": "They do."} for name in intents],
        "outcomes": [{"outcome": name, "to": "end"} for name in outcomes],
    }
    key = {"name": "model", "key": "key"}
    return act("one", llm={"secretRef": key, "model": "some", "instructions": "Ask.", "otherwise": "end", **more})


def says(text: str) -> dict[str, Any]:
    """Return the first state, which says this."""
    return {"name": "one", "say": {"text": text}, "next": "end"}


@pytest.mark.parametrize(
    ("states", "spec", "found"),
    [
        pytest.param([ask("one", ANY), END], {}, {}, id="fine"),
        pytest.param([ask("one", ANY), END], {"start": "on"}, {"spec.dialog.start": "there is no state 'on': did you mean 'one'?"}, id="start"),
        pytest.param([ask("one", {"answered": True, "to": "edn"}, ANY), END], {}, {f"{STATES}[0].transitions[0].to": "did you mean 'end'?", f"{STATES}[0].transitions[1]": "never taken"}, id="transition"),
        pytest.param([{"name": "one", "next": "nowhere"}], {}, {f"{STATES}[0].next": "there is no state 'nowhere': name a state of this dialogue"}, id="next"),
        pytest.param([act("one", webhook={**HOOK, "outcomes": [{"outcome": "x", "to": "y"}], "otherwise": "z"})], {}, {f"{STATES}[0].action.webhook.outcomes[0].to": "'y'", f"{STATES}[0].action.webhook.otherwise": "'z'"}, id="webhook"),
        pytest.param([END, act("lost", hangup=True)], {}, {f"{STATES}[1].name": "no call can come to state 'lost': let another state lead to it, or take it out"}, id="unreached"),
        pytest.param([END, {"name": "a", "next": "b"}, {"name": "b", "next": "a"}], {}, {f"{STATES}[1].name": "no call", f"{STATES}[2].name": "no call"}, id="unreached-loop"),
        pytest.param([{"name": "one", "next": "two"}, {"name": "two", "next": "one"}], {}, {f"{STATES}[0].name": "here the dialogue goes round for ever ('one', 'two') and asks nobody"}, id="loop"),
        pytest.param([ask("one", {"answered": True, "to": "one"}, say="?")], {}, {f"{STATES}[0].name": "from here ('one') no state transfers the call or hangs up: add a way to one that does"}, id="dead-end"),
        pytest.param([ask("one", ANY, {"noInput": True, "to": "two"}), {"name": "two", "next": "two"}, END], {}, {f"{STATES}[1].name": "here the dialogue goes round for ever ('two')"}, id="loop-aside"),
        pytest.param([act("one", webhook={**HOOK, "outcomes": [{"outcome": "wait", "to": "one"}]}), END], {}, {}, id="loop-with-an-exit"),
        pytest.param([ask("one", {"intent": "c", "to": "end"}, ANY, **TWO), END], {}, {f"{STATES}[0].transitions[0].intent": "'c' is no answer here: they are 'a', 'b'"}, id="intent"),
        pytest.param([ask("one", {"intent": "maybe", "to": "end"}, ANY), END], {}, {f"{STATES}[0].transitions[0].intent": "they are 'yes', 'no'"}, id="intent-of-yes-no"),
        pytest.param([ask("one", {"intent": "x", "to": "end"}, ANY, grammar="digits"), END], {}, {f"{STATES}[0].transitions[0].intent": "answers of the grammar digits have no intents: use answered"}, id="intent-of-digits"),
        pytest.param([ask("one", {"keyword": "x", "to": "end"}, ANY, **TWO), END], {}, {f"{STATES}[0].transitions[0].keyword": "keywords are of the grammar words, not of choices: use intent"}, id="keyword"),
        pytest.param([ask("one", {"intent": "a", "to": "end"}, **TWO), END], {}, {f"{STATES}[0].transitions": "no transition takes the answer 'b', which would be asked for again"}, id="missing-choice"),
        pytest.param([ask("one", {"intent": "yes", "to": "end"}), END], {}, {f"{STATES}[0].transitions": "the answer 'no'"}, id="missing-no"),
        pytest.param([ask("one", {"noInput": True, "to": "end"}, grammar="date"), END], {}, {f"{STATES}[0].transitions": "no transition takes an answer: add one of answered"}, id="missing-answered"),
        pytest.param([ask("one", {"keyword": "bill", "to": "end"}, grammar="words"), END], {}, {}, id="keywords-are-enough"),
        pytest.param([ask("one", {"keyword": "bill", "to": "end"}, {"keyword": "my Bill", "to": "end"}, grammar="words"), END], {}, {f"{STATES}[0].transitions[1]": "never taken, for transitions[0] takes the same"}, id="never-taken"),
        pytest.param([llm("buy", "sell"), END], {}, {f"{STATES}[0].action.llm.outcomes[1].outcome": "'sell' is none of its intents: they are 'buy'"}, id="outcome"),
        pytest.param([llm("buy", intents=("buy", "sell")), END], {}, {f"{STATES}[0].action.llm.intents[1]": "the intent 'sell' leads nowhere: add an outcome of it"}, id="intent-without-outcome"),
        pytest.param([ask("one", ANY, **choices("1", "1")), END], {}, {f"{STATES}[0].collect.choices[1].dtmf": "1 is 1, which is at collect.choices[0].dtmf: choose others"}, id="same-keys"),
        pytest.param([ask("one", ANY, **choices("12", "1#")), END], {}, {f"{STATES}[0].collect.choices[1].dtmf": "1# begins like 12"}, id="keys-that-begin-others"),
        pytest.param([ask("one", {"dtmf": "2", "to": "end"}, ANY, **TWO), END], {}, {f"{STATES}[0].transitions[0].dtmf": "2 is 2, which is at collect.choices[1].dtmf"}, id="keys-of-a-choice"),
        pytest.param([ask("one", {"dtmf": "1", "to": "end"}, ANY), END], {}, {f"{STATES}[0].transitions[0].dtmf": "'yes' of yesNo"}, id="keys-of-yes"),
        pytest.param([ask("one", {"dtmf": "1", "to": "end"}, ANY, dtmf=False), END], {}, {}, id="keys-without-those-of-yes"),
        pytest.param([ask("one", ANY, dtmf=False, **choices("1")), END], {}, {f"{STATES}[0].collect.choices[0].dtmf": "has no effect, for collect.dtmf is false"}, id="keys-without-effect"),
        pytest.param([ask("one", {"dtmf": "0", "to": "end"}, ANY, grammar="digits"), END], {}, {f"{STATES}[0].transitions[0].dtmf": "0 may as well begin the digits that are asked for: use keys with * or #"}, id="keys-among-digits"),
        pytest.param([ask("one", {"dtmf": "*", "to": "end"}, {"dtmf": "#", "to": "end"}, ANY, grammar="digits"), END], {}, {}, id="keys-beside-digits"),
        pytest.param([{"name": "one", "say": {"prompt": "by"}, "next": "end"}, END], {"prompts": [{"name": "bye", "text": "Bye."}]}, {f"{STATES}[0].say.prompt": "there is no prompt 'by': did you mean 'bye'?"}, id="prompt"),
        pytest.param([says("{calller} {x}"), END], {}, {f"{STATES}[0].say.text": "nothing has set the variable 'x' when this is said: collect or set it in a state before"}, id="variable"),
        pytest.param([ask("one", ANY, say="{x}", variable="x"), END], {}, {f"{STATES}[0].say.text": "'x'"}, id="variable-too-early"),
        pytest.param([ask("one", {"answered": True, "to": "two"}, variable="x"), {"name": "two", "say": {"text": "{x} of {caller}"}, "next": "end"}, END], {"noMatch": {"say": "Not {x}?"}}, {}, id="variable-set-before"),
        pytest.param([act("one", "end", setVariable={"name": "x", "value": "{y}"}), END], {}, {f"{STATES}[0].action.setVariable.value": "'y'"}, id="variable-in-a-value"),
        pytest.param([act("one", "end", sms={"dongle": "gsm", "text": "{y}"}), END], {}, {f"{STATES}[0].action.sms.text": "'y'"}, id="variable-in-a-message"),
        pytest.param([act("one", webhook={**HOOK, "otherwise": "two"}), {"name": "two", "say": {"text": "{whatever}"}, "next": "end"}, END], {}, {}, id="variable-of-a-program"),
        pytest.param([{"name": "one", "say": {"prompt": "p"}, "next": "end"}, END], {"prompts": [{"name": "p", "text": "{x}"}]}, {"spec.prompts[0].text": "'x'"}, id="variable-in-a-prompt"),
        pytest.param([ask("one", ANY, variable="x"), END], {"greeting": "{x}"}, {"spec.greeting": "'x'"}, id="variable-in-the-greeting"),
        pytest.param([ask("one", ANY), END], {"recording": {"consent": "{caller}"}}, {"spec.recording.consent": "'caller'"}, id="variable-in-the-consent"),
        pytest.param([ask("one", ANY, variable="caller"), END], {}, {f"{STATES}[0].collect.variable": "'caller' is the number that calls, and cannot be set"}, id="variable-that-is-there"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_at_its_field(
    states: list[dict[str, Any]], spec: dict[str, Any], found: dict[str, str]
) -> None:
    got = list(mistakes(bot(*states, **spec)))
    fields = [field for field, _ in got]
    assert sorted(set(fields)) == sorted(found), got
    for field, message in got:
        assert found[field] in message or field.endswith("say.text"), message
    assert all(any(part in message for _, message in got) for part in found.values()), got


def test_a_bot_with_a_mistake_is_not_served() -> None:
    good = bot(ask("one", ANY), END).model_dump(mode="json", by_alias=True, exclude_none=True)
    bad = bot(ask("one", ANY), END, start="two").model_dump(mode="json", by_alias=True, exclude_none=True)
    manifests = [manifest("Asterisk", "pbx", {}), manifest("VoiceBot", "good", good), manifest("VoiceBot", "bad", bad)]
    plan = Planner(load()).plan(snapshot(manifests))
    own = [(p.reason, p.field) for p in plan.problems[Key("VoiceBot", "bad")] if p.field.startswith("spec.dialog")]
    assert own == [(Reason.INVALID, "spec.dialog.start")]
    assert Key("VoiceBot", "bad") not in plan.versions


def test_the_largest_dialogue_is_looked_at() -> None:
    names = [f"s{number}" for number in range(127)]
    states = [
        ask(
            name,
            *({"keyword": f"k{way}", "to": names[(at + way + 1) % 127]} for way in range(63)),
            ANY,
            grammar="words",
        )
        for at, name in enumerate(names)
    ]
    assert list(mistakes(bot(*states, END))) == []


def test_free_speech_needs_a_recogniser_that_understands_it() -> None:
    states = [ask("one", {"answered": True, "to": "two"}, grammar="words"), llm("buy"), END]
    states[1]["name"] = "two"
    spec = bot(*states).model_dump(mode="json", by_alias=True, exclude_none=True)
    key = {"speech": {"key": "k"}, "model": {"key": "k"}}
    heard = {**spec, "speechToText": {"provider": "elevenlabs", "secretRef": {"name": "speech", "key": "key"}}}
    manifests = [manifest("Asterisk", "pbx", {}), manifest("VoiceBot", "deaf", spec), manifest("VoiceBot", "ok", heard)]
    problems = Planner(load()).plan(snapshot(manifests, key)).problems
    found = {name: [p.field for p in problems.get(Key("VoiceBot", name), ())] for name in ("deaf", "ok")}
    expected = [f"{STATES}[0].collect.grammar", f"{STATES}[1].action.llm"]
    assert [field for field in found["deaf"] if field.startswith(STATES)] == expected
    assert [field for field in found["ok"] if field.startswith(STATES)] == []


@pytest.mark.parametrize(
    ("language", "fields"), [("en_GB", []), ("de", ["spec.language"]), ("de-AT", ["spec.language"])]
)
def test_offline_understands_english_alone(language: str, fields: list[str]) -> None:
    spec = bot(ask("one", ANY), END, language=language).model_dump(mode="json", by_alias=True, exclude_none=True)
    silent = bot(END, start="end", language=language).model_dump(mode="json", by_alias=True, exclude_none=True)
    manifests = [manifest("VoiceBot", "asks", spec), manifest("VoiceBot", "says", silent)]
    problems = Planner(load()).plan(snapshot([manifest("Asterisk", "pbx", {}), *manifests])).problems
    found = {name: [p.field for p in problems.get(Key("VoiceBot", name), ())] for name in ("asks", "says")}
    assert [field for field in found["asks"] if field == "spec.language"] == fields
    assert "spec.language" not in found["says"]
