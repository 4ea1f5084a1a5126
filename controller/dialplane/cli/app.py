"""All commands together, and the one place where errors become lines and exit codes."""

import os
import sys
from importlib.metadata import version as installed
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException

from dialplane.cli.command import read_options_once
from dialplane.cli.commands.ami import ami
from dialplane.cli.commands.bootstrap import bootstrap
from dialplane.cli.commands.call import app as call
from dialplane.cli.commands.campaign import app as campaign
from dialplane.cli.commands.crds import crds
from dialplane.cli.commands.diff import diff
from dialplane.cli.commands.do_not_call import app as do_not_call
from dialplane.cli.commands.docs import docs
from dialplane.cli.commands.doctor import doctor
from dialplane.cli.commands.explain import explain
from dialplane.cli.commands.get import get
from dialplane.cli.commands.notifications import app as notifications
from dialplane.cli.commands.operator import operator
from dialplane.cli.commands.pool import app as pool
from dialplane.cli.commands.render import render
from dialplane.cli.commands.run import run
from dialplane.cli.commands.sms import app as sms
from dialplane.cli.commands.validate import validate
from dialplane.cli.errors import CommandError, ExitCode
from dialplane.cli.help import kept
from dialplane.cli.output import say, warn

app = typer.Typer(
    name="dialplane",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 problems (or a difference), 2 nothing could be done. "
    "Tables and colours are for terminals; pipes get plain lines. NO_COLOR is respected.",
)


def version() -> None:
    """Show which version of dialplane this is."""
    say(f"dialplane {installed('dialplane')}")


def _version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


def root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """A GitOps control plane for Asterisk: telephony as YAML, reconciled and verified.

    A first round, with the example:

        dialplane validate -f examples/office     is it right?
        dialplane render -f examples/office --show extensions.conf
        dialplane diff -f new/ --against old/     what would change in Asterisk?
        dialplane run -f examples/office          make it so, and keep it so
        dialplane get                             what Asterisk makes of it
        dialplane doctor                          what stands in the way
    """


app.callback(help=kept(root.__doc__))(root)
for _command in (validate, render, diff, explain, run, operator, get, bootstrap, doctor, ami, crds, docs, version):
    app.command(help=kept(_command.__doc__))(_command)
app.add_typer(sms, name="sms")
app.add_typer(notifications, name="notifications")
app.add_typer(pool, name="pool")
app.add_typer(call, name="call")
app.add_typer(campaign, name="campaign")
app.add_typer(do_not_call, name="do-not-call")
read_options_once(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    try:
        code = _ended(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (`head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FINE
    sys.exit(code)


def _ended(arguments: list[str] | None) -> int:
    try:
        result: Any = app(arguments, prog_name="dialplane", standalone_mode=False)
    except CommandError as error:
        warn(f"dialplane: {error}", "red")
        return error.exit_code
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            say(error.format_message())
            return ExitCode.UNUSABLE
        warn(f"dialplane: {error.format_message()} (see --help)", "red")
        return ExitCode.UNUSABLE
    except (Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("DIALPLANE_DEBUG"):
            raise
        said = f"{type(error).__name__}: {error}"
        warn(f"dialplane: a bug of ours, please report it: {said} (DIALPLANE_DEBUG=1 shows where)")
        return ExitCode.UNUSABLE
    return result if isinstance(result, int) else ExitCode.FINE
