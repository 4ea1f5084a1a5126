"""Everything that can go wrong between Dialplane and one Asterisk, in one tree.

AsteriskError
├── Unreachable              no usable connection
│   ├── AuthenticationRefused
│   ├── NotBooted
│   ├── ConnectionLost
│   │   └── ShuttingDown
│   └── MediaUnavailable
├── ActionTimeout
│   └── ReloadUnfinished
├── ActionRefused
│   ├── PermissionMissing
│   └── ActionUnknown
├── RequestRefused           of ARI
│   └── NotThere
├── ApplicationTaken         of ARI
└── LineRefused

They are named by what happened, as httpx names its own. No message of any of these carries a secret: they may be
logged and shown in a status.
"""

from dialplane.asterisk.message import Event


class AsteriskError(Exception):
    """Any failure to talk with Asterisk; the caller reports it and tries again with the next connection."""


class Unreachable(AsteriskError):
    """No connection: the operator checks that Asterisk runs and that host, port and TLS of `ami` are right."""


class NotConnectedYet(Unreachable):
    """Nobody has tried to connect so far: it says nothing about Asterisk."""


class AuthenticationRefused(Unreachable):
    """AMI user or secret is wrong, or `permit` excludes this host: the operator corrects `credentialsSecretRef`."""


class NotBooted(Unreachable):
    """Asterisk answers but did not say FullyBooted: it is starting, or the AMI user lacks `read = system`."""


class ConnectionLost(Unreachable):
    """The connection ended before the answer: whether the action took effect is unknown; read back, never resend."""


class ShuttingDown(ConnectionLost):
    """Asterisk says itself that it stops: it takes no call any more, though calls that are up may still go on."""


class MediaUnavailable(Unreachable):
    """The media socket of a channel cannot be opened: the caller goes on without this bot."""


class ActionTimeout(AsteriskError):
    """Asterisk did not answer within the time limit: the action may still take effect; read back before deciding."""


class ReloadUnfinished(ActionTimeout):
    """A reload did not end within its hard limit: which version of the files Asterisk runs is unknown; reload again."""


class ActionRefused(AsteriskError):
    """Asterisk answered `Response: Error`: the caller decides by `message`, which is Asterisk's own."""

    def __init__(self, action: str, message: str, items: tuple[Event, ...] = ()) -> None:
        super().__init__(f"{action}: {message}")
        self.action = action
        self.message = message
        self.items = items
        """What a list held beside the refusal; empty where all was refused."""


class PermissionMissing(ActionRefused):
    """The AMI user may not run this action: the operator adds the class to its `write =` in manager.conf."""


class ActionUnknown(ActionRefused):
    """The module that brings this action is not running: what it would list does not exist in this Asterisk."""


class RequestRefused(AsteriskError):
    """ARI answered with an error: the caller decides by `status`; the text is Asterisk's own."""

    def __init__(self, request: str, status: int, message: str) -> None:
        super().__init__(f"{request}: {status} {message}")
        self.status = status
        """The status code of HTTP."""


class NotThere(RequestRefused):
    """ARI has no such channel, bridge or application any more: mostly somebody hung up."""


class ApplicationTaken(AsteriskError):
    """Another program has opened the same ARI application: Asterisk sends this one nothing any more."""


class LineRefused(AsteriskError, ValueError):
    """A value that no AMI line can carry (line break, NUL, too long): the caller takes another way, such as a file."""
