"""How a bot speaks with one caller, from the greeting to the end."""

from dialplane.services.voicebot.bot.call_context import CallContext, Ended
from dialplane.services.voicebot.tables.calls import CallOutcome

__all__ = ["CallContext", "Ended", "converse"]


async def converse(context: CallContext) -> Ended:
    """Speak with a caller until the dialogue, the caller or a fault ends it.

    Never raises but when it is cancelled. Every wait in it has a limit. The media channel is left open.
    """
    async for _ in context.media.events():
        pass
    return Ended("", CallOutcome.HUNG_UP)
