"""The commands by name, each imported when it is used: `--help` and the shell's completion of names need none."""

import gc
import sys
from collections import UserDict
from importlib import import_module
from types import ModuleType
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from dialplane.cli.command import read_options_once
from dialplane.cli.help import kept

SUMMARIES: Final = {
    "validate": "Check manifests: each by itself and all together, as the controller would.",
    "render": "Write the files that Asterisk would read, exactly as the controller would, or show them.",
    "diff": "Show the Asterisk lines that a change would touch, and the live objects behind them.",
    "explain": "Explain a kind or one of its fields, as kubectl explain does, without a cluster.",
    "run": "Make Asterisk run the manifests, verify it, and go on watching.",
    "operator": "Run as the operator of one namespace; the Helm chart does this.",
    "gateway": "Run one of several replicas that devices and programs connect to.",
    "bot": "Speak with callers: run a replica for the calls of all bots; with a COMMAND, look at bots and "
    "their dialogues.",
    "get": "Show resources and what the running Asterisk makes of them; written by `dialplane run`.",
    "bootstrap": "Write the base files that Asterisk 22 needs to boot and to read what Dialplane renders.",
    "doctor": "Check the wiring: AMI, rights, version, modules, includes, recordings, ARI, bots, clock, ports, folder, "
    "names.",
    "ami": "Run any AMI action and show its answer; passwords in it are hidden.",
    "crds": "Print the CustomResourceDefinitions, or write them.",
    "docs": "Write the reference into the page of every kind; what a person wrote above it stays.",
    "version": "Show which version of dialplane this is.",
    "sms": "Text messages: what came in, and what goes out.",
    "notifications": "Notifications: what was told, waits, or was given up.",
    "pool": "Pools of extensions: who holds which, since when.",
    "call": "Calls over leased extensions: place one and watch it, or look at those there were.",
    "device": "Devices in lifts: which are online, what is sent to them, what they say, and their alarms.",
    "campaign": "Campaigns: lists of people who are called one after the other.",
    "do-not-call": "Numbers that nobody calls: no campaign, no program, and nobody with `dialplane call`.",
}
"""Each command's name, in the order of the help, and the first sentence of its own help."""


class LazyGroup(TyperGroup):
    """The group of all commands. Lists show `SUMMARIES`; only the command that is run is imported."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(dict.fromkeys(SUMMARIES))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 -- typer's signature
        """The names, in the order of the help."""
        return list(SUMMARIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 -- typer's signature
        """The command as lists show it; None where there is none of that name."""
        return TyperCommand(name=cmd_name, help=SUMMARIES[cmd_name]) if cmd_name in SUMMARIES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The name that the first word gives, its command, imported, and the other words."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else self.commands[name], rest


class _Commands(UserDict[str, Any]):
    """The commands by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data[name] = _imported(name)
        return self.data[name]


def _imported(name: str) -> Any:
    """The command of `dialplane.cli.commands`: a group where its module has an `app`, else its function."""
    word = name.replace("-", "_")
    module = _module(f"dialplane.cli.commands.{word}")
    around = typer.Typer(rich_markup_mode=None)
    if hasattr(module, "app"):
        around.add_typer(module.app, name=name)
    else:
        function = getattr(module, word)
        around.command(name, help=kept(function.__doc__))(function)
    read_options_once(around)
    return get_group(around).commands[name]


def _module(name: str) -> ModuleType:
    """The module of that name. What is imported stays: no garbage collection looks through it, now or later."""
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()
