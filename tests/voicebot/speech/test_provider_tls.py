"""Providers over TLS: one that this machine trusts is used, over HTTP and WebSockets alike; another one is named."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from dialplane.services.voicebot.speech import provider_tls
from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault
from dialplane.services.voicebot.speech.elevenlabs_recognizer import ElevenLabsRecognizer
from dialplane.services.voicebot.speech.elevenlabs_synthesizer import ElevenLabsSynthesizer
from testbed.certificates import Authority
from testbed.speech.peer import SpeechPeer
from tests.voicebot.speech.providers import KEY, PATIENT, secret, speech_to_text, text_to_speech


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("of the test bed")


@pytest.fixture(autouse=True)
def _settings_of_this_test_alone() -> Iterator[None]:
    provider_tls._context.cache_clear()
    yield
    provider_tls._context.cache_clear()


@pytest_asyncio.fixture
async def peer(tmp_path: Path, authority: Authority) -> AsyncIterator[SpeechPeer]:
    pair = authority.vouch("IP:127.0.0.1")
    (tmp_path / "peer.pem").write_text(pair.certificate + pair.key)
    certificate = tmp_path / "peer.pem"
    async with await SpeechPeer.start("elevenlabs", tmp_path, key=KEY, certificate=certificate) as started:
        yield started


async def _check_both(peer: SpeechPeer) -> None:
    recognizer = ElevenLabsRecognizer(speech_to_text(peer.url), secret(), PATIENT)
    synthesizer = ElevenLabsSynthesizer(text_to_speech(peer.url), secret(), PATIENT)
    try:
        await recognizer.check()
        await synthesizer.check()
    finally:
        await recognizer.close()
        await synthesizer.close()


async def test_a_certificate_that_this_machine_trusts_serves(
    peer: SpeechPeer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "authority.pem").write_text(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    await _check_both(peer)


async def test_another_certificate_is_named_and_gets_no_key(peer: SpeechPeer) -> None:
    for each in (
        ElevenLabsRecognizer(speech_to_text(peer.url), secret(), PATIENT),
        ElevenLabsSynthesizer(text_to_speech(peer.url), secret(), PATIENT),
    ):
        with pytest.raises(SpeechError, match="certificate is not trusted") as caught:
            await each.check()
        assert caught.value.fault is SpeechFault.UNAVAILABLE
        await each.close()
    assert (await peer.counts())["requests"] == 0
