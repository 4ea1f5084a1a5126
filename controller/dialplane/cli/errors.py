"""How a command ends.

CommandError
├── Refused       exit code 1: what was asked about has problems
└── Unusable      exit code 2: the command line, a file or the network does not allow an answer

Every one of them is one line for the user; a traceback is a bug of ours.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What scripts rely on."""

    FINE = 0
    PROBLEMS = 1
    UNUSABLE = 2
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends a command with one line on standard error."""

    exit_code = ExitCode.PROBLEMS


class Refused(CommandError):
    """There are problems, which the message sums up: the user mends the manifests, or Asterisk."""


class Unusable(CommandError):
    """There is no answer: the user corrects the command line, a path, an address or a right."""

    exit_code = ExitCode.UNUSABLE
