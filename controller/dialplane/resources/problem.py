"""What is wrong with a resource, in the words its conditions carry."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Every `reason` a condition can carry. Automation matches on these: never rename one."""

    # The good ends.
    ACCEPTED = "Accepted"
    VERIFIED = "Verified"
    DISABLED = "Disabled"
    REGISTERED = "Registered"
    REACHABLE = "Reachable"
    ONLINE = "Online"
    SERVED = "Served"
    SENT = "Sent"
    DELIVERED = "Delivered"

    # The manifest must change (`Stalled` accompanies these).
    INVALID = "Invalid"
    CONFLICT = "Conflict"

    # Something the manifest refers to must appear or change; heals by itself then.
    REFERENCE_MISSING = "ReferenceMissing"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 -- a reason, not a secret
    SECRET_INVALID = "SecretInvalid"  # noqa: S105 -- a reason, not a secret

    # Asterisk says no, or says nothing.
    UNSUPPORTED_VERSION = "UnsupportedVersion"
    MODULE_MISSING = "ModuleMissing"
    REJECTED_BY_ASTERISK = "RejectedByAsterisk"
    RESTART_REQUIRED = "RestartRequired"
    WAITING_FOR_CALLS = "WaitingForCalls"
    READ_BACK_TIMEOUT = "ReadBackTimeout"
    RELOAD_FAILED = "ReloadFailed"
    ASTERISK_UNREACHABLE = "AsteriskUnreachable"
    ASTERISK_MISSING = "AsteriskMissing"
    CONFIG_DIRECTORY_UNUSABLE = "ConfigDirectoryUnusable"

    # Recordings: Asterisk cannot write them, the controller cannot delete them.
    RECORDING_FAILED = "RecordingFailed"
    RETENTION_FAILED = "RetentionFailed"

    # Voicemail by e-mail.
    MAIL_FAILED = "MailFailed"

    # A restart that was asked for.
    DRAINING = "Draining"
    RESTARTING = "Restarting"
    RESTARTED = "Restarted"
    CALLS_UP = "CallsUp"
    RESTART_FAILED = "RestartFailed"

    # Live state.
    UNREGISTERED = "Unregistered"
    REGISTRATION_REJECTED = "RegistrationRejected"
    NO_CONTACT = "NoContact"
    UNREACHABLE = "Unreachable"
    NOT_QUALIFIED = "NotQualified"

    # A modem.
    NOT_CONNECTED = "NotConnected"
    NOT_INITIALIZED = "NotInitialized"
    NOT_REGISTERED = "NotRegistered"
    STOPPED = "Stopped"

    # A device that keeps a connection, and its telephone.
    OFFLINE = "Offline"
    NEVER_CONNECTED = "NeverConnected"
    NO_TOKEN = "NoToken"  # noqa: S105 -- a reason, not a secret
    NO_GATEWAY = "NoGateway"
    TEST_CALL_RECENT = "TestCallRecent"
    TEST_CALL_OVERDUE = "TestCallOverdue"
    TWO_DEVICES = "TwoDevices"

    # A bot that speaks with callers.
    NO_BOT = "NoBot"
    MEDIA_FAILED = "MediaFailed"
    SPEECH_UNAVAILABLE = "SpeechUnavailable"

    # A text message, a notification.
    QUEUED = "Queued"
    FAILED = "Failed"
    EXPIRED = "Expired"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    STORE_UNAVAILABLE = "StoreUnavailable"

    UNKNOWN = "Unknown"


MANIFEST_MUST_CHANGE = frozenset({Reason.INVALID, Reason.CONFLICT})
"""Only these are `Stalled`: waiting would not heal them (kstatus reads Stalled as failed)."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that keeps a resource from being accepted or ready, with its cure in `message`.

    `field` is the dotted path below the manifest's root, such as `spec.inbound[0].to.extension`; empty when no
    single field is at fault. A message never contains the value of a Secret.
    """

    reason: Reason
    message: str
    field: str = ""
    partial: bool = False
    """Only this part of the resource is left out (a route to a number that does not exist): the rest is served, so that
    one deleted extension never silences a whole trunk."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message
