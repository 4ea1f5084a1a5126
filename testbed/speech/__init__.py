"""The speech providers' side: ElevenLabs, OpenAI Realtime, Doubao and chat completions, each a process of its own.

``python -m testbed.speech.elevenlabs --listen 127.0.0.1:PORT`` (``openai``, ``doubao``, ``chat``) speaks the provider's
documented protocol: it checks the key (``SPEECH_KEY`` in its environment), the settings of a session and every
message, hears when a caller is loud and when they are silent again, and answers what a test scripted. Tones stand for
speech; how long one is follows the text. What it was sent is kept, without audio and without the key.

Tests use it so (:class:`testbed.speech.peer.SpeechPeer`)::

    async with await SpeechPeer.start("elevenlabs", tmp_path, key="key-of-the-test") as peer:
        recognizer = ElevenLabsRecognizer(SpeechToText(..., url=peer.url), SecretStr("key-of-the-test"))
        await peer.script("my account number is four seven")     # the next thing that a caller will have said
        await peer.behave("cut", at="answer")

Control commands (:mod:`testbed.control`), on stdin and, with ``--control PORT``, on a TCP port of loopback:

============ ===========================================================================================
command      fields (defaults) -> answer
============ ===========================================================================================
``script``   ``texts``: what callers will have said, one after the other; the last one stays (STT, realtime)
``replies``  ``replies``: what the model answers, one after the other; the last one stays. Each has ``text``, or
             ``choose`` (a function, an intent; of doubao ``hangup``); ``pace`` (0): seconds for each 100 ms of audio
``behave``   ``answer``: serve, refuse, quota, cut, silent, garbage, slow, broken (5xx), unknown (no such model or
             voice); ``at``: connect, begin (of a session), answer; ``after`` (0 s; of slow); ``times`` (0: always)
``forget``   all of these, and ``messages``
``messages`` ``since`` (0) -> ``messages``: what it was sent; audio as ``audio_ms``
``counts``   -> ``connections``, ``open``, ``requests``
``listening`` ``on``: false closes the port and every connection, true opens it again
============ ===========================================================================================
"""
