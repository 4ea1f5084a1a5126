"""`dialplane bot chat`: a talk with a bot in the terminal."""

import shlex
import sys
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dialplane.cli.bot.bot_files import Bot, Paths, bot_of
from dialplane.cli.bot.caller_number import plain_number
from dialplane.cli.errors import Unusable
from dialplane.cli.output import say
from dialplane.cli.plain_text import harmless

if TYPE_CHECKING:
    from dialplane.services.voicebot.dialogue.rehearsal import Rehearsal, Scene
    from dialplane.services.voicebot.dialogue.steps import DialogueEvent, Then

Caller = Annotated[str, typer.Option("--caller", metavar="NUMBER", help="The number that calls; '' hides it.")]
Today = Annotated[
    str,
    typer.Option("--today", metavar="DATE", help="The date, such as 2026-12-31. [default: today]", show_default=False),
]


def chat(name: Bot, paths: Paths, caller: Caller = "+15550100", today: Today = "") -> None:
    r"""Talk with a bot in the terminal: you type what the caller says.

    It needs nothing but the manifests: no Asterisk, no speech, no network. So it shows what the dialogue makes of
    words, not what a recogniser makes of voices. What you type:

        sales, please         the caller says this
        #12                   the caller presses 1 and 2; ## is the key #
        (an empty line)       the caller says nothing

    Where the bot asks a webhook or a language model, you are that, too; it says what to type then. Text messages are
    shown, and not sent. Ctrl-D hangs up.

    Exit code 0: the talk is over. 1: something is wrong with the bot. 2: there is no such bot.

    Examples:
        dialplane bot chat receptionist -f examples/voice-bot
        printf 'support\n\n' | dialplane bot chat receptionist -f site/ --caller +15550123
    """
    from dialplane.cli.inputs import read_input
    from dialplane.services.voicebot.dialogue.rehearsal import Rehearsal

    spec = bot_of(read_input(paths, None), name)
    rehearsal = Rehearsal(spec, plain_number(caller) if caller else "", _date(today))
    scene = rehearsal.begin()
    _show(rehearsal, scene)
    for line in () if scene.is_over else _lines():
        if not sys.stdin.isatty():
            say(harmless(f"you:  {line}"))
        scene = rehearsal.play(_event(line, scene.then))
        _show(rehearsal, scene)
        if scene.is_over:
            break


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text) if text else datetime.now().astimezone().date()
    except ValueError:
        raise Unusable(f"--today {text}: it must be a date, such as 2026-12-31") from None


def _lines() -> Iterator[str]:
    """Yield what is typed, without its end, until the input ends."""
    if not sys.stdin.isatty():
        yield from (line.rstrip("\r\n") for line in sys.stdin)
        return
    import readline  # noqa: F401 -- makes `input` edit lines

    while True:
        try:
            yield input("you:  ")
        except EOFError:
            say()
            return


def _event(line: str, then: "Then") -> "DialogueEvent":
    from dialplane.services.voicebot.dialogue import steps

    words = line.split()
    match then:
        case steps.AskWebhook():
            words = _words(line)
            values = dict(word.split("=", 1) for word in words if "=" in word)
            return steps.ActionEnded(next((word for word in words if "=" not in word), ""), values)
        case steps.AskModel():
            return (
                steps.ActionEnded(line[1:].strip()) if line.startswith("=") or not words else steps.ModelAnswered(line)
            )
    if line.startswith("#"):
        return steps.Pressed(line[1:].strip())
    return steps.Answered(line) if words else steps.Silence()


def _words(line: str) -> list[str]:
    """Split as a shell does, so that a value may have blanks; at blanks alone where a quote has no end."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _show(rehearsal: "Rehearsal", scene: "Scene") -> None:
    from dialplane.services.voicebot.dialogue import steps
    from dialplane.services.voicebot.dialogue.expectations import shown

    for text in scene.said:
        say(harmless(f"bot:  {text}"), "cyan")
    for message in scene.messages:
        say(harmless(f"      sends a text message to {message.to or 'nobody'}: {message.text}"), "magenta")
    values = " ".join(f"{name}={value}" for name, value in scene.values.items())
    say(harmless(f"      [{scene.state}] {values}"), "dim")
    match scene.then:
        case steps.AskWebhook(webhook=webhook):
            names = ", ".join(each.outcome for each in webhook.outcomes) or "any"
            wanted = f'type its outcome ({names}), variables as NAME="TEXT"'
            note = f"asks {webhook.url}: {wanted}; an empty line: it fails"
        case steps.AskModel(llm=llm):
            names = ", ".join(each.name for each in llm.intents)
            note = f"asks the language model: type what it says, or =INTENT ({names}); an empty line: it fails"
        case steps.TransferTo():
            state = rehearsal.state(scene)
            to = state.action.transfer.to if state and state.action and state.action.transfer else None
            note = f"sends the call on: {shown(to) if to else scene.state}"
        case steps.EndCall():
            note = "hangs up"
        case steps.FallBack(reason=reason):
            note = f"gives up: {reason}; the call goes to the fallback"
        case _:
            return
    say(harmless(f"      {note}"), "yellow")
