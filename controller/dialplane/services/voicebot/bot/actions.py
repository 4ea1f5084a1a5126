"""What bots do in calls beside speaking: they ask programs and language models, and have text messages sent.

A failure is logged without what the caller said, and is an answer like any other: the dialogue knows what follows.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from dialplane.resources.dialog import Llm
from dialplane.resources.secret_ref import SecretKeyRef
from dialplane.services.contract import QueueText, SecretSource, TextMessage
from dialplane.services.voicebot.bot import metrics
from dialplane.services.voicebot.bot.webhooks import WebhookFailed, Webhooks
from dialplane.services.voicebot.dialogue.steps import ActionEnded, AskModel, AskWebhook, ModelAnswered, SendSms
from dialplane.services.voicebot.speech.contract import SpeechError
from dialplane.services.voicebot.speech.language_model import LanguageModel
from dialplane.store import Store, StoreError

log = structlog.get_logger(__name__)

MESSAGES_PER_CALL: Final = 5
"""Text messages of one call; more are not sent."""
SMS_SECONDS: Final = 2.0
_QUEUED: Final = ActionEnded("queued")
_FAILED: Final = ActionEnded()
_NUMBER: Final = re.compile(r"[+]?[0-9]{3,20}\Z")


@dataclass(slots=True)
class ActionPool:
    """What the calls of a replica share: connections, and the way into the store."""

    store: Store
    site: str
    secrets: SecretSource
    queue_text: QueueText | None = None
    """Queues text messages; None where the site sends none."""
    _webhooks: Webhooks = field(default_factory=Webhooks)
    _models: dict[tuple[Llm, bytes], LanguageModel] = field(default_factory=dict)

    def of_call(self, bot: str, call_id: str, caller: str) -> "CallActions":
        """Return the actions of one call.

        Args:
            bot: its name.
            call_id: as in `BotCall.id`.
            caller: the number; empty where it is hidden.
        """
        return CallActions(self, bot, call_id, caller)

    async def close(self) -> None:
        """Close all connections. Never raises."""
        await self._webhooks.close()
        models, self._models = self._models, {}
        for model in models.values():
            await model.close()

    @property
    def webhooks(self) -> Webhooks:
        """Where programs are asked."""
        return self._webhooks

    def secret(self, ref: SecretKeyRef) -> SecretStr | None:
        """Return the value of a Secret as it is now; None where there is none."""
        return self.secrets.value(ref.name, ref.key)

    def model(self, llm: Llm, key: SecretStr) -> LanguageModel:
        """Return the language model of a state; those of one manifest and key share their connections."""
        digest = hashlib.sha256(key.get_secret_value().encode("utf-8", "surrogateescape")).digest()
        if (llm, digest) not in self._models:
            self._models[llm, digest] = LanguageModel(llm, key)
        return self._models[llm, digest]


class CallActions:
    """The actions of one call; implements `BotActions`."""

    def __init__(self, pool: ActionPool, bot: str, call_id: str, caller: str) -> None:
        """See `ActionPool.of_call`."""
        self._pool = pool
        self._bot = bot
        self._call_id = call_id
        self._caller = caller
        self._messages = 0

    async def webhook(self, ask: AskWebhook) -> ActionEnded:
        """See `BotActions.webhook`."""
        webhook = ask.webhook
        secret = self._pool.secret(webhook.secret_ref) if webhook.secret_ref else None
        if webhook.secret_ref is not None and secret is None:
            return self._failed("webhook", f"Secret {webhook.secret_ref.name} has no key {webhook.secret_ref.key}")
        body = {
            "bot": self._bot,
            "call": self._call_id,
            "caller": self._caller,
            "variables": {name: value for name, value in ask.variables.items() if name != "caller"},
        }
        try:
            return await self._pool.webhooks.ask(webhook, secret, body, datetime.now(UTC))
        except WebhookFailed as error:
            return self._failed("webhook", str(error), host=urlsplit(webhook.url).netloc)

    async def ask_model(self, ask: AskModel) -> ModelAnswered | ActionEnded:
        """See `BotActions.ask_model`."""
        llm = ask.llm
        key = self._pool.secret(llm.secret_ref)
        if key is None:
            return self._failed("llm", f"Secret {llm.secret_ref.name} has no key {llm.secret_ref.key}")
        try:
            async with asyncio.timeout(llm.timeout_seconds):
                return await self._pool.model(llm, key).ask(ask.said)
        except TimeoutError:
            return self._failed("llm", f"no answer within {llm.timeout_seconds} s")
        except SpeechError as error:
            metrics.count_fault("llm", error.fault)
            return self._failed("llm", str(error))

    async def sms(self, send: SendSms) -> ActionEnded:
        """See `BotActions.sms`."""
        if self._pool.queue_text is None:
            return self._failed("sms", "no service sends text messages here")
        if not _NUMBER.match(send.to):
            return self._failed("sms", "the caller hides the number")
        if self._messages >= MESSAGES_PER_CALL:
            return self._failed("sms", f"this call has sent {MESSAGES_PER_CALL} messages already")
        self._messages += 1
        uid = f"{self._call_id}/{self._messages}"
        message = TextMessage("bot", uid, send.sms.dongle, send.to, send.text)
        try:
            async with asyncio.timeout(SMS_SECONDS):
                await self._pool.store.call(self._pool.queue_text, self._pool.site, message, datetime.now(UTC))
        except TimeoutError:
            return self._failed("sms", f"not queued within {SMS_SECONDS:g} s; it may be sent all the same")
        except (StoreError, ValueError) as error:
            return self._failed("sms", str(error) if isinstance(error, StoreError) else "the text cannot be sent")
        return _QUEUED

    def _failed(self, action: str, reason: str, **more: str) -> ActionEnded:
        log.warning(
            "an action of a bot failed", bot=self._bot, call=self._call_id, action=action, reason=reason, **more
        )
        return _FAILED
