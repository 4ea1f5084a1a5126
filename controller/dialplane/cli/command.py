"""How every command of ours reads its command line: an option that counts only once is not taken twice in silence.

Of two values the last would win. Where the option says which site is meant, the other one's telephones would go.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.models import CommandInfo

from dialplane.cli.errors import Unusable


class OnceCommand(TyperCommand):
    """A command that refuses an option given twice, unless it takes several values or means the same twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words after the command's name.

        Raises:
            Unusable: an option that counts once stands there twice.
        """
        _refuse_repeated(self, ctx, args)
        return super().parse_args(ctx, args)


class OnceGroup(TyperGroup):
    """A group whose own options count once, too: it does something where no command of it is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words after the group's name.

        Raises:
            Unusable: an option that counts once stands there twice.
        """
        _refuse_repeated(self, ctx, args)
        return super().parse_args(ctx, args)


def _refuse_repeated(command: Any, ctx: Any, args: list[str]) -> None:
    if ctx.resilient_parsing:
        return
    _, _, order = command.make_parser(ctx).parse_args(args=list(args))
    for parameter, times in Counter(order).items():
        if times > 1 and counts_once(parameter):
            name = max(parameter.opts, key=len)
            raise Unusable(f"{name} stands there {times} times, and counts only once: leave one (see --help)")


def counts_once(parameter: Any) -> bool:
    """Whether of two uses of a parameter one would be without effect."""
    if not isinstance(parameter, TyperOption) or parameter.multiple or parameter.count:
        return False
    return not parameter.is_flag or bool(parameter.secondary_opts)


def read_options_once(app: typer.Typer) -> None:
    """Make all commands of `app`, and of the apps in it, such commands."""
    for command in _commands(app):
        command.cls = OnceCommand


def _commands(app: typer.Typer) -> Iterator[CommandInfo]:
    yield from app.registered_commands
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from _commands(group.typer_instance)
