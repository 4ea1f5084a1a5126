"""How a command ends.

CommandError
├── Refused         exit code 1: what was asked about has problems
├── Unusable        exit code 2: the command line, a file or the network does not allow an answer
│   └── NoAnswer    nobody answers there, or not now
├── NotAnswered     exit code 3: a call that nobody took
├── NotSent         exit code 4: a call that nobody was rung for; it may be tried again
├── OutcomeUnknown  exit code 5: a call of which nobody knows how it ended
└── Exhausted       exit code 6: a call that no extension is free for

Every one of them is one line for the user; a traceback is a bug of ours.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What scripts rely on."""

    FINE = 0
    PROBLEMS = 1
    UNUSABLE = 2
    NOT_ANSWERED = 3
    NOT_SENT = 4
    OUTCOME_UNKNOWN = 5
    EXHAUSTED = 6
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends a command with one line on standard error."""

    exit_code = ExitCode.PROBLEMS


class Refused(CommandError):
    """There are problems, which the message sums up: the user mends the manifests, or Asterisk."""


class Unusable(CommandError):
    """There is no answer: the user corrects the command line, a path, an address or a right."""

    exit_code = ExitCode.UNUSABLE


class NoAnswer(Unusable):
    """Nobody answers at that address, or not now: the user has it served, or tries again later."""

    def __init__(self, message: str, *, heard: bool = False) -> None:
        super().__init__(message)
        self.heard = heard
        """The request may have got there all the same."""


class NotAnswered(CommandError):
    """Nobody took the call: the user tries again another time."""

    exit_code = ExitCode.NOT_ANSWERED


class NotSent(CommandError):
    """Nobody was rung, since the platform could not be asked: the user may try again at once."""

    exit_code = ExitCode.NOT_SENT


class OutcomeUnknown(CommandError):
    """Nobody knows how the call ended: the user looks before trying again, lest the customer be rung twice."""

    exit_code = ExitCode.OUTCOME_UNKNOWN


class Exhausted(CommandError):
    """No extension is free: the user waits (`--wait`), or tries again."""

    exit_code = ExitCode.EXHAUSTED
