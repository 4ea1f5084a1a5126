"""What a dialogue asks of others, and how they answer."""

from typing import Protocol

from dialplane.services.voicebot.dialogue.steps import ActionEnded, AskModel, AskWebhook, ModelAnswered, SendSms


class BotActions(Protocol):
    """What a bot does beside speaking. Each ends within the limit that its manifest sets, and raises nothing.

    A failure is an `ActionEnded` without an outcome.
    """

    async def webhook(self, ask: AskWebhook) -> ActionEnded:
        """Ask a program."""

    async def ask_model(self, ask: AskModel) -> ModelAnswered | ActionEnded:
        """Ask a language model."""

    async def sms(self, send: SendSms) -> ActionEnded:
        """Queue a text message; the call does not wait until it is sent. The outcome is `queued`."""
