"""The connection to a program that speaks in a bot's place."""

import pytest
from aiohttp import web

from dialplane.resources.voice_bot import ExternalEngine
from dialplane.services.voicebot.bot.relay import ExternalCall, ExternalEngineError
from tests.voicebot.bot.program import program


async def test_a_program_that_sends_its_call_elsewhere_is_not_followed() -> None:
    async with program() as target:

        async def redirect(_: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": target.url})

        app = web.Application()
        app.router.add_get("/", redirect)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            engine = ExternalEngine.model_validate({"url": f"http://{host}:{port}", "allowPrivateAddress": True})
            with pytest.raises(ExternalEngineError, match="HTTP 302"):
                await ExternalCall(engine, None, {"Dialplane-Caller": "+15550111"}).check()
        finally:
            await runner.cleanup()
        assert not target.calls
