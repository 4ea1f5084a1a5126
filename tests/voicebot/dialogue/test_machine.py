"""The machine of a dialogue: what each event leads to."""

from typing import Any

import pytest

from dialplane.services.voicebot.dialogue import machine
from dialplane.services.voicebot.dialogue.steps import (
    ActionEnded,
    Answered,
    AskModel,
    AskWebhook,
    DialogueEvent,
    EndCall,
    FallBack,
    Listen,
    ModelAnswered,
    Pressed,
    SendSms,
    Silence,
    Step,
    TransferTo,
)
from dialplane.services.voicebot.speech.contract import Grammar
from tests.voicebot.dialogue.dialogs import CALLER, END, act, ask, dialogue

TO_SALES = act("sales", transfer={"to": {"extension": "101"}})
CHOICES = {
    "grammar": "choices",
    "choices": [
        {"value": "sales", "phrases": ["sales", "buy something"], "dtmf": "1"},
        {"value": "support", "phrases": ["support", "help"], "dtmf": "2"},
    ],
}
MENU = ask(
    "menu",
    {"intent": "sales", "to": "sales"},
    {"dtmf": "9", "to": "end"},
    {"answered": True, "to": "end"},
    say="Sales or support?",
    **CHOICES,
)
HOOK = {"url": "https://crm.example.com/hook", "outcomes": [{"outcome": "vip", "to": "sales"}], "otherwise": "end"}
LLM = {
    "secretRef": {"name": "model", "key": "key"},
    "model": "gpt-4o-mini",
    "instructions": "Find out.",
    "maxTurns": 2,
    "intents": [{"name": "sales", "description": "They buy."}],
    "outcomes": [{"outcome": "sales", "to": "sales"}],
    "otherwise": "end",
}


def said(step: Step) -> list[str]:
    return [each.text for each in step.say]


def test_a_dialogue_greets_then_asks() -> None:
    step = dialogue(MENU, TO_SALES, END, greeting="Hello {caller}.").begin()
    assert step.state == "menu"
    assert said(step) == [f"Hello {CALLER}.", "Sales or support?"]
    assert isinstance(step.then, Listen)
    assert step.then.expected.grammar is Grammar.CHOICES
    assert step.then.expected.phrases == {"sales": ("sales", "buy something"), "support": ("support", "help")}
    assert step.then.keys.exact == {"1", "2", "9"}


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Answered("I'd like to buy something, please."), "sales"),
        (Answered("help"), "end"),  # no transition of its own: `answered` takes it
        (Pressed("1"), "sales"),
        (Pressed("1#"), "sales"),
        (Pressed("9"), "end"),
        (Answered("a pony"), "menu"),
        (Pressed("7"), "menu"),
        (Silence(), "menu"),
        (ActionEnded("sales"), "menu"),
        (ModelAnswered("hello"), "menu"),
    ],
)
def test_an_answer_leads_to_a_state(event: DialogueEvent, state: str) -> None:
    machine = dialogue(MENU, TO_SALES, END)
    machine.begin()
    assert machine.advance(event).state == state


def test_silence_is_asked_about_as_often_as_the_manifest_says() -> None:
    policy = {"say": "Hello?", "attempts": 2}
    state = {**MENU, "transitions": [*MENU["transitions"], {"noInput": True, "to": "sales"}]}
    talk = dialogue(state, TO_SALES, END, noInput=policy)
    talk.begin()
    assert said(talk.advance(Silence())) == ["Hello?", "Sales or support?"]
    assert talk.advance(Silence()).then == TransferTo("sales")
    without = dialogue(MENU, TO_SALES, END, noInput=policy)
    without.begin()
    without.advance(Silence())
    assert without.advance(Silence()).then == FallBack(machine.NO_INPUT)


def test_what_is_not_understood_is_asked_again_and_counted_apart_from_silence() -> None:
    talk = dialogue(MENU, TO_SALES, END, noMatch={"say": "Pardon?", "attempts": 2})
    talk.begin()
    talk.advance(Silence())
    assert said(talk.advance(Answered("a pony"))) == ["Pardon?", "Sales or support?"]
    assert talk.advance(Answered("a pony")).then == FallBack(machine.NO_MATCH)


def test_an_answer_is_kept_and_said_again() -> None:
    again = ask("again", {"answered": True, "to": "end"}, say="You said {number}. Right?")
    number = ask("number", {"answered": True, "to": "again"}, grammar="digits", minDigits=3, variable="number")
    talk = dialogue(number, again, END)
    talk.begin()
    assert talk.advance(Answered("seven")).state == "number"  # too short
    assert said(talk.advance(Answered("one oh one"))) == ["You said 101. Right?"]
    assert dict(talk.variables) == {"caller": CALLER, "number": "101"}


@pytest.mark.parametrize(
    ("grammar", "text", "complete"),
    [
        ({"grammar": "yesNo"}, "yes", True),  # `yes please` means the same
        ({"grammar": "yesNo"}, "yes please", True),
        ({"grammar": "yesNo"}, "well", False),
        ({"grammar": "digits", "minDigits": 3, "maxDigits": 3}, "one two", False),
        ({"grammar": "digits", "minDigits": 3, "maxDigits": 3}, "one two three", True),
        ({"grammar": "digits"}, "one two three", False),
        ({"grammar": "date"}, "tomorrow", True),
        ({"grammar": "date"}, "the third of may", True),
        ({"grammar": "date"}, "the third of", False),
        ({"grammar": "date"}, "the third", False),
        ({"grammar": "date"}, "may twenty", False),
        ({"grammar": "words"}, "whatever I like", False),
        (CHOICES, "sales", True),
        (CHOICES, "buy", False),
    ],
)
def test_a_complete_answer_is_noticed_before_its_end(grammar: dict[str, Any], text: str, complete: bool) -> None:
    talk = dialogue(ask("question", {"answered": True, "to": "end"}, **grammar), END)
    talk.begin()
    assert talk.is_complete(text) is complete


def test_keywords_are_whole_words_and_the_first_transition_that_fits_counts() -> None:
    words = ask(
        "words",
        {"keyword": "bill", "to": "sales"},
        {"keyword": "my bill", "to": "end"},
        {"answered": True, "to": "end"},
        grammar="words",
    )
    for text, state in {"It's about my Bill!": "sales", "Billy is here": "end"}.items():
        talk = dialogue(words, TO_SALES, END)
        talk.begin()
        assert talk.advance(Answered(text)).state == state


def test_a_program_is_asked_and_its_answer_selects_the_state() -> None:
    for answer, state in ((ActionEnded("vip", {"name": "Ada"}), "sales"), (ActionEnded("other"), "end")):
        talk = dialogue(act("hook", webhook=HOOK), TO_SALES, END)
        step = talk.begin()
        assert isinstance(step.then, AskWebhook)
        assert step.then.variables == {"caller": CALLER}
        assert talk.advance(answer).state == state
        assert talk.variables.get("name") == answer.variables.get("name")


def test_a_program_can_set_neither_the_caller_nor_names_that_are_none_nor_fill_the_memory() -> None:
    talk = dialogue(act("hook", webhook=HOOK), TO_SALES, END)
    talk.begin()
    many = {f"v{number}": "x" * 10_000 for number in range(1000)}
    talk.advance(ActionEnded("vip", {"caller": "0", "A-b": "x", "line": "a\r\nb", **many}))
    assert talk.variables["caller"] == CALLER
    assert talk.variables["line"] == "a b"
    assert len(talk.variables) == 64
    assert max(map(len, talk.variables.values())) == 500


def test_variables_are_set_and_a_message_is_sent() -> None:
    talk = dialogue(
        act("set", "text", setVariable={"name": "order", "value": "A-{caller}"}),
        act("text", "end", sms={"dongle": "gsm", "text": "Order {order} of {nobody}."}),
        END,
    )
    step = talk.begin()
    assert isinstance(step.then, SendSms)
    assert (step.then.to, step.then.text) == (CALLER, f"Order A-{CALLER} of .")
    assert talk.advance(ActionEnded()).then == EndCall()


def test_a_language_model_talks_until_it_names_an_intent() -> None:
    talk = dialogue({"name": "model", "say": {"text": "How can I help?"}, "action": {"llm": LLM}}, TO_SALES, END)
    step = talk.begin()
    assert (said(step), type(step.then)) == (["How can I help?"], Listen)
    step = talk.advance(Answered("I want a car"))
    assert isinstance(step.then, AskModel)
    assert step.then.said == (("bot", "How can I help?"), ("caller", "I want a car"))
    step = talk.advance(ModelAnswered("Which {caller} one?"))
    assert (said(step), type(step.then)) == (["Which {caller} one?"], Listen)  # a model reads no variables
    assert said(talk.advance(Silence())) == ["I did not hear anything.", "Which {caller} one?"]
    talk.advance(Answered("a red one"))
    assert talk.advance(ActionEnded("sales")).then == TransferTo("sales")


@pytest.mark.parametrize(
    "answer", [ActionEnded(), ActionEnded("nothing of ours"), ModelAnswered("Go on."), ModelAnswered(" ")]
)
def test_a_language_model_that_comes_to_nothing_leads_on(answer: DialogueEvent) -> None:
    talk = dialogue(act("model", llm={**LLM, "maxTurns": 1}), TO_SALES, END)
    assert talk.begin().then == AskModel(talk.begin().then.llm, ())  # type: ignore[union-attr]
    talk.advance(ModelAnswered("Hello?"))
    talk.advance(Answered("well"))
    assert talk.advance(answer).state == "end"


def test_a_loop_that_asks_nobody_falls_back() -> None:
    talk = dialogue(
        {"name": "one", "say": {"text": "again"}, "next": "two"},
        act("two", webhook={**HOOK, "outcomes": [], "otherwise": "one"}),
    )
    step = talk.begin()
    for _ in range(60):
        step = talk.advance(ActionEnded())
    assert step.then == FallBack(machine.LOOP)


def test_language_and_barge_in_are_those_of_the_state_else_of_the_bot() -> None:
    prompts = [{"name": "bye", "text": "Tschüss", "language": "de"}]
    talk = dialogue(
        {"name": "first", "say": {"text": "Hi", "language": "fr"}, "bargeIn": False, "next": "second"},
        {"name": "second", "say": {"prompt": "bye"}, "action": {"hangup": True}},
        greeting="Hello",
        prompts=prompts,
    )
    assert [(each.text, each.language, each.barge_in) for each in talk.begin().say] == [
        ("Hello", "en", True),
        ("Hi", "fr", False),
        ("Tschüss", "de", True),
    ]
