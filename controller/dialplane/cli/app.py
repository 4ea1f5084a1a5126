"""All commands together, and the one place where errors become lines and exit codes."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException

from dialplane.cli.completion import keep_help_plain
from dialplane.cli.errors import CommandError, ExitCode
from dialplane.cli.help import kept
from dialplane.cli.lazy_group import LazyGroup
from dialplane.cli.output import say, warn

app = typer.Typer(
    name="dialplane",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 problems (or a difference), 2 nothing could be done. "
    "Tables and colours are for terminals; pipes get plain lines. NO_COLOR is respected.",
)


def _version(asked: bool) -> None:
    if asked:
        from dialplane.cli.commands.version import version

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
keep_help_plain()


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
