"""The dialogue of one call as a finite-state machine: events in, steps out. Pure.

Guarantees: it never raises, whatever events come; each step is an answer to wait for or the end of the dialogue; and no
dialogue goes through more than `MOST_STATES_AT_ONCE` states before it asks the caller again.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from dialplane.resources.dialog import Action, Collect, Llm, Outcome, State, Transition
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.dialogue import grammar
from dialplane.services.voicebot.dialogue.steps import (
    ActionEnded,
    Answered,
    AskModel,
    AskWebhook,
    DialogueEvent,
    EndCall,
    ExpectedKeys,
    FallBack,
    Listen,
    ModelAnswered,
    Pressed,
    SendSms,
    Silence,
    Step,
    Then,
    TransferTo,
    Utterance,
)
from dialplane.services.voicebot.dialogue.variables import Variables
from dialplane.services.voicebot.speech.contract import Expected, Grammar

MOST_STATES_AT_ONCE: Final = 50
"""States that are gone through without an answer of the caller; after that the call falls back."""

NO_INPUT: Final = "the caller said nothing"
NO_MATCH: Final = "the caller was not understood"
LOOP: Final = f"the dialogue went through {MOST_STATES_AT_ONCE} states without asking the caller"
NO_STATE: Final = "the dialogue names a state that it does not have"
"""Reasons of a fallback."""


class Dialogue:
    """One call's way through the states of a VoiceBot."""

    def __init__(self, spec: VoiceBotSpec, caller: str, *, today: date) -> None:
        """Begin before the first state.

        Args:
            spec: of a bot that has `dialog`.
            caller: the number that calls; empty where it is withheld.
            today: the date where the bot is.
        """
        self.variables = Variables(caller)
        """What the call has come to know."""
        self._spec = spec
        self._today = today
        self._states = {state.name: state for state in spec.dialog.states} if spec.dialog else {}
        self._prompts = {prompt.name: prompt for prompt in spec.prompts}
        self._entered = 0
        self._unheard = 0
        self._misunderstood = 0
        self._words: list[tuple[str, str]] = []
        self._state: State | None = None
        self._step = Step("", (), FallBack(NO_STATE))

    def begin(self) -> Step:
        """Return the first step: the greeting, and what the first states say and do."""
        greeting = self._spec.greeting
        say = (self._utterance(greeting),) if greeting else ()
        start = self._spec.dialog.start if self._spec.dialog else ""
        return self._take(self._enter(start, say))

    def advance(self, event: DialogueEvent) -> Step:
        """Return the step that follows an event. One that the last step did not ask for changes nothing."""
        respond = _RESPONSES.get((type(self._step.then), type(event)))
        if respond is None or self._state is None:
            return Step(self._step.state, (), self._step.then)
        if isinstance(event, Answered | Pressed | Silence):
            self._entered = 0
        return self._take(respond(self, self._state, event))

    def is_complete(self, text: str) -> bool:
        """Return whether what was said so far answers the question, so that there is no need to wait for more."""
        collect = self._state.collect if self._state else None
        return (
            collect is not None
            and isinstance(self._step.then, Listen)
            and grammar.is_complete(collect, text, self._spec.language, self._today)
        )

    def _take(self, step: Step) -> Step:
        self._step = step
        return step

    def _enter(self, name: str, say: tuple[Utterance, ...] = ()) -> Step:
        while True:
            state = self._states.get(name)
            if state is None:
                return Step(name, say, FallBack(NO_STATE))
            self._state = state
            self._entered += 1
            if self._entered > MOST_STATES_AT_ONCE:
                return Step(name, (), FallBack(LOOP))
            self._unheard = self._misunderstood = 0
            say += self._says(state)
            if state.next is not None and (state.action is None or state.action.set_variable is not None):
                if state.action is not None and state.action.set_variable is not None:
                    self.variables.set(
                        state.action.set_variable.name, self.variables.fill(state.action.set_variable.value)
                    )
                name = state.next
                continue
            return Step(name, say, self._then(state))

    def _then(self, state: State) -> Then:
        if state.collect is not None:
            return self._listen(state, state.collect)
        match state.action:
            case Action(transfer=transfer) if transfer is not None:
                return TransferTo(state.name)
            case Action(webhook=webhook) if webhook is not None:
                return AskWebhook(webhook, dict(self.variables))
            case Action(sms=sms) if sms is not None:
                return SendSms(sms, sms.to or self.variables["caller"], self.variables.fill(sms.text))
            case Action(llm=llm) if llm is not None:
                self._words = [("bot", each.text) for each in self._says(state)]
                return self._listen_freely() if state.say is not None else AskModel(llm, ())
            case _:
                return EndCall()

    def _listen(self, state: State, collect: Collect) -> Listen:
        transitions = {each.dtmf for each in state.transitions if each.dtmf is not None}
        own = grammar.expected_keys(collect) if collect.dtmf else ExpectedKeys()
        return Listen(
            grammar.expected(collect, self._spec.language),
            dtmf=bool(collect.dtmf or transitions),
            end_of_turn_seconds=collect.end_of_turn_seconds,
            no_input_seconds=self._spec.no_input.after_seconds,
            keys=ExpectedKeys(own.exact | transitions, own.max_digits),
        )

    def _listen_freely(self) -> Listen:
        return Listen(
            Expected(Grammar.WORDS),
            dtmf=False,
            end_of_turn_seconds=Collect.model_fields["end_of_turn_seconds"].default,
            no_input_seconds=self._spec.no_input.after_seconds,
        )

    def _answered(self, state: State, event: Answered) -> Step:
        if state.collect is None:
            return self._said_to_model(state, event)
        value = grammar.understood(state.collect, event.text, self._spec.language, self._today)
        if value is None:
            return self._not_matched(state)
        return self._follow(state, value, lambda each: _fits(each, value, event.text))

    def _pressed(self, state: State, event: Pressed) -> Step:
        if state.collect is None:
            return self._not_matched(state)
        keys = event.keys if event.keys in {each.dtmf for each in state.transitions} else event.keys.rstrip("#")
        for each in state.transitions:
            if each.dtmf is not None and each.dtmf == keys:
                return self._enter(each.to)
        value = grammar.pressed(state.collect, event.keys) if state.collect.dtmf else None
        if value is None:
            return self._not_matched(state)
        return self._follow(state, value, lambda each: _fits(each, value, ""))

    def _follow(self, state: State, value: str, fits: Callable[[Transition], bool]) -> Step:
        taken = next((each for each in state.transitions if fits(each)), None)
        taken = taken or next((each for each in state.transitions if each.answered), None)
        if taken is None:
            return self._not_matched(state)
        if state.collect is not None and state.collect.variable is not None:
            self.variables.set(state.collect.variable, value)
        return self._enter(taken.to)

    def _silent(self, state: State, _: Silence) -> Step:
        self._unheard += 1
        if self._unheard < self._spec.no_input.attempts:
            return self._ask_again(state, self._spec.no_input.say)
        return self._give_up(state, NO_INPUT)

    def _not_matched(self, state: State) -> Step:
        self._misunderstood += 1
        if self._misunderstood < self._spec.no_match.attempts:
            return self._ask_again(state, self._spec.no_match.say)
        return self._give_up(state, NO_MATCH)

    def _ask_again(self, state: State, apology: str) -> Step:
        again = self._says(state)
        if _model(state) is not None:
            again = tuple(self._utterance(text, state, fill=False) for _, text in self._words[-1:])
        return Step(state.name, (self._utterance(apology), *again), self._step.then)

    def _give_up(self, state: State, reason: str) -> Step:
        for each in state.transitions:
            if (reason == NO_INPUT and each.no_input) or (reason == NO_MATCH and each.no_match):
                return self._enter(each.to)
        if state.action is not None and state.action.llm is not None:
            return self._enter(state.action.llm.otherwise)
        return Step(state.name, (), FallBack(reason))

    def _webhook_ended(self, state: State, event: ActionEnded) -> Step:
        webhook = state.action.webhook if state.action else None
        if webhook is None:
            return Step(state.name, (), FallBack(NO_STATE))
        for name, value in event.variables.items():
            self.variables.set(name, value)
        return self._enter(_outcome(webhook.outcomes, event.outcome) or webhook.otherwise)

    def _sms_ended(self, state: State, _: ActionEnded) -> Step:
        return self._enter(state.next or "")

    def _said_to_model(self, state: State, event: Answered) -> Step:
        llm = _model(state)
        if llm is None or not event.text.strip():
            return self._not_matched(state)
        self._words.append(("caller", event.text))
        self._unheard = 0
        return Step(state.name, (), AskModel(llm, tuple(self._words)))

    def _model_answered(self, state: State, event: ModelAnswered) -> Step:
        llm = _model(state)
        turns = sum(speaker == "caller" for speaker, _ in self._words)
        if llm is None or turns >= llm.max_turns or not event.text.strip():
            return self._enter(llm.otherwise if llm else "")
        self._words.append(("bot", event.text))
        return Step(state.name, (self._utterance(event.text, state, fill=False),), self._listen_freely())

    def _model_ended(self, state: State, event: ActionEnded) -> Step:
        llm = _model(state)
        if llm is None:
            return Step(state.name, (), FallBack(NO_STATE))
        return self._enter(_outcome(llm.outcomes, event.outcome) or llm.otherwise)

    def _says(self, state: State) -> tuple[Utterance, ...]:
        if state.say is None:
            return ()
        language = state.say.language
        text = state.say.text
        if state.say.prompt is not None:
            prompt = self._prompts.get(state.say.prompt)
            text = prompt.text if prompt else None
            language = language or (prompt.language if prompt else None)
        return (self._utterance(text, state, language),) if text else ()

    def _utterance(
        self, text: str, state: State | None = None, language: str | None = None, *, fill: bool = True
    ) -> Utterance:
        barge_in = self._spec.barge_in if state is None or state.barge_in is None else state.barge_in
        return Utterance(self.variables.fill(text) if fill else text, language or self._spec.language, barge_in)


def _fits(transition: Transition, value: str, text: str) -> bool:
    if transition.intent is not None:
        return transition.intent == value
    return transition.keyword is not None and grammar.has_words(text, transition.keyword)


def _outcome(outcomes: tuple[Outcome, ...], name: str) -> str | None:
    return next((each.to for each in outcomes if each.outcome == name), None)


def _model(state: State) -> Llm | None:
    return state.action.llm if state.action else None


_RESPONSES: Final[Mapping[tuple[type, type], Callable[[Dialogue, State, Any], Step]]] = {
    (Listen, Answered): Dialogue._answered,  # noqa: SLF001 -- the table of the machine
    (Listen, Pressed): Dialogue._pressed,  # noqa: SLF001
    (Listen, Silence): Dialogue._silent,  # noqa: SLF001
    (AskWebhook, ActionEnded): Dialogue._webhook_ended,  # noqa: SLF001
    (SendSms, ActionEnded): Dialogue._sms_ended,  # noqa: SLF001
    (AskModel, ActionEnded): Dialogue._model_ended,  # noqa: SLF001
    (AskModel, ModelAnswered): Dialogue._model_answered,  # noqa: SLF001
}
