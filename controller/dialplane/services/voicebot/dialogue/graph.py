"""What is drawn of a dialogue: one card for each state, one arrow for each pair of states. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from dialplane.resources.dialog import Action, Collect, State
from dialplane.resources.dialog_graph import DialogGraph
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.dialogue.expectations import shown


class CardKind(StrEnum):
    """What a state does, for its colour."""

    ASKS = "asks"
    ACTS = "acts"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class Card:
    """A state in a picture."""

    name: str
    kind: CardKind
    says: str
    """Its words; empty where it says nothing."""
    does: str
    """What follows them, in a few words."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One state may follow another."""

    source: str
    target: str
    label: str
    """On what; several are apart by commas."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A dialogue, ready to be drawn."""

    start: str
    cards: tuple[Card, ...]
    arrows: tuple[Arrow, ...]


def picture_of(spec: VoiceBotSpec) -> Picture:
    """Return the picture of a bot's dialogue, which must have no mistakes."""
    if spec.dialog is None:
        raise ValueError("the bot has no dialogue")
    graph = DialogGraph.of(spec.dialog)
    prompts = {prompt.name: prompt.text for prompt in spec.prompts}
    labels: dict[tuple[str, str], list[str]] = {}
    for way in graph.ways:
        labels.setdefault((way.source, way.target), []).append(way.label)
    return Picture(
        graph.start,
        tuple(_card(state, prompts.get(_prompt(state), "")) for state in graph.states.values()),
        tuple(Arrow(*ends, ", ".join(filter(None, some))) for ends, some in labels.items()),
    )


def mermaid(picture: Picture) -> str:
    """Return a picture as text of Mermaid, which GitHub and GitLab draw in Markdown."""
    return "\n".join(("flowchart LR", *(f"    {line}" for line in _mermaid_lines(picture)))) + "\n"


def _mermaid_lines(picture: Picture) -> Iterator[str]:
    ids = {card.name: f"s{index}" for index, card in enumerate(picture.cards)}  # `end` is a word of Mermaid's own
    yield "call((call))"
    yield f"call --> {ids[picture.start]}"
    for card in picture.cards:
        text = "<br>".join(_quoted(part) for part in (f"<b>{card.name}</b>", card.says, card.does) if part)
        yield f'{ids[card.name]}["{text}"]:::{card.kind}'
    for arrow in picture.arrows:
        label = f'|"{_quoted(arrow.label)}"|' if arrow.label else ""
        yield f"{ids[arrow.source]} -->{label} {ids[arrow.target]}"
    yield "classDef asks fill:#e3f0fc,stroke:#3b7dbd,color:#123"
    yield "classDef acts fill:#fdf3d8,stroke:#b98a1b,color:#321"
    yield "classDef ends fill:#e2f3e4,stroke:#3f9150,color:#132"


def _quoted(text: str) -> str:
    if text.startswith("<b>"):
        return text  # a name has no character that would have to be
    return text.translate({ord(sign): f"#{ord(sign)};" for sign in '&#"<>'})


def _prompt(state: State) -> str:
    return (state.say.prompt if state.say else None) or ""


def _card(state: State, prompt: str) -> Card:
    says = (state.say.text if state.say else None) or prompt
    if state.collect is not None:
        return Card(state.name, CardKind.ASKS, says, _asked(state.collect))
    if state.action is None:
        return Card(state.name, CardKind.ACTS, says, "")
    kind = CardKind.ENDS if state.action.transfer or state.action.hangup else CardKind.ACTS
    if state.action.llm is not None:
        kind = CardKind.ASKS
    return Card(state.name, kind, says, _done(state.action))


def _asked(collect: Collect) -> str:
    least, most = collect.min_digits, collect.max_digits
    digits = f"{least} digits" if least == most else f"{least} to {most} digits"
    what = digits if collect.grammar == "digits" else {"yesNo": "yes or no"}.get(collect.grammar, collect.grammar)
    return f"asks for {what}" + (f", kept as {collect.variable}" if collect.variable else "")


def _done(action: Action) -> str:
    if action.transfer is not None:
        return f"sends the call to {shown(action.transfer.to)}"
    if action.webhook is not None:
        return f"asks {urlsplit(action.webhook.url).netloc}"
    if action.llm is not None:
        return f"lets {action.llm.model} ask"
    if action.sms is not None:
        return f"sends a text message by {action.sms.dongle}"
    if action.set_variable is not None:
        return f"sets {action.set_variable.name}"
    return "hangs up"


def wrapped(text: str, width: int, most: int) -> Sequence[str]:
    """Return a text in lines of up to `width` characters; what is beyond `most` lines is left out, with a mark."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word if len(word) <= width else f"{word[: width - 1]}…")
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1][: width - 2]} …"]
