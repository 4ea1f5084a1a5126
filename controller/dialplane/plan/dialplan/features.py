"""Features: what a phone can dial besides numbers. Pick-up (`*8`) is in features.conf."""

from dialplane.plan.dialplan.contexts import FEATURES, context
from dialplane.plan.dialplan.routine import routine
from dialplane.plan.objects import DialplanContext
from dialplane.plan.site import Site

OWN_MAILBOX = routine(
    "own_mailbox",
    (),
    """
          GotoIf($["${VM_INFO(${CHANNEL(endpoint)}@default,exists)}" = "1"]?:none)
          VoiceMailMain(${CHANNEL(endpoint)}@default)
          Hangup()
    none: Hangup(1)
    """,
)
"""Asks for the PIN; 404 where the extension has no box."""

ANY_MAILBOX = routine(
    "any_mailbox",
    (),
    """
          VoiceMailMain(@default)
          Hangup()
    """,
)
"""Asks for box and PIN."""

ECHO = routine(
    "echo",
    (),
    """
          Set(TIMEOUT(absolute)=600)
          Answer()
          Playback(demo-echotest)
          Echo()
          Hangup()
    """,
)
"""Says back what it hears, for ten minutes at most."""

OWN_MAILBOX_CODE = "*97"
CODES = {"*43": ECHO, OWN_MAILBOX_CODE: OWN_MAILBOX, "*98": ANY_MAILBOX}
ROUTINES = (ECHO, OWN_MAILBOX, ANY_MAILBOX)


def features(site: Site) -> DialplanContext:
    """The feature codes, for everyone who may call internally."""
    return context(FEATURES, site.asterisk_key, [r.entry(code, site.asterisk_key) for code, r in CODES.items()])
