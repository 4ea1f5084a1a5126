"""The provider peer: the Infinity platform's side of outbound calls, as a process of its own.

``python -m testbed.infinity --listen 127.0.0.1:PORT`` answers ``POST`` of a form with
``service=App.Sip_Call.MakeCall`` as the platform's documentation says, checks every field and the token, plays each
call it takes to its end, and tells the account's callback address of it, signed (`resources/infinity_tenant.py`,
``Callback``); what is not answered 2xx it tells again, three times in all. Whom it serves stands in the environment,
``INFINITY_ACCOUNTS``: a JSON list of objects with the fields of ``account`` below. It records every request, never a
token.

With ``--asterisk HOST:PORT`` (and an AMI account in ``INFINITY_AMI_USERNAME`` and ``INFINITY_AMI_PASSWORD``, which may
originate calls and reads their events: the test bed's ``calls``) it *really rings*: ``PJSIP/EXTNUMBER`` first, and when
that answers, ``--customer`` (``PJSIP/{number}``; or ``Local/{number}@CONTEXT/n``). Both legs carry the call's
``memberid`` as ``Linkedid``; callbacks tell what really happened.

Tests use it so (:class:`testbed.infinity.peer.InfinityPeer`)::

    account = Account(token="...", tenant="1", company="42", secret="...", url="http://127.0.0.1:PORT/api/v1/...")
    async with await InfinityPeer.start(tmp_path, account) as peer:
        api_url = peer.url                                   # goes into the manifest as apiUrl
        await peer.behave(destination="99", outcome="busy")  # numbers that end in 99
        await peer.behave(times=1, answer="cut", takes=True) # the next one: rings, and nobody hears of it
        await peer.account(url="http://...")                 # the callback's address, where it is known later
        ...
        assert (await peer.counts())["asked_twice"] == 0

Control commands (:mod:`testbed.control`), on stdin and, with ``--control PORT``, on a TCP port of loopback. Events are
``request`` (``memberid``, ``extnumber``, ``destnumber``, ``verdict``), ``call`` (``memberid``, ``state`` ringing,
answered, ended) and ``callback`` (``memberid``, ``tells`` answered or ended, ``code``, ``attempt``).

================= =========================================================================================
command           fields (defaults) -> answer
================= =========================================================================================
``account``       ``tenant`` (of the only one); changes or adds one: ``token``, ``company``, ``url`` (where callbacks
                  go; empty: nowhere), ``authentication`` (Hmac; SharedSecret), ``secret``, ``progress`` (false: no
                  word when a call is answered), ``numbers`` (ranges, such as 8001-8050; [] any)
``behave``        what happens to calls from now on; later rules come first. ``destination`` (""): numbers that end
                  so; ``times`` (0: always): so often; and any field of
                  :class:`testbed.infinity.script.Script`.
                  The request: ``answer`` accept; refuse (``ret`` = ``code``); status (``status`` = ``code``); error
                  (HTTP ``code``); garbage; half (of a body); cut (the connection, after the request came); silent;
                  redirect; endless. ``code`` (by the answer), ``words``, ``after`` (0 s): until the answer. ``takes``
                  (accept alone): whether the call is placed.
                  The call: ``outcome`` answered, busy, no_answer, rejected, agent_no_answer; ``agent_seconds`` (0.02),
                  ``ring_seconds`` (0.05), ``talk_seconds`` (0.1; null: until ``hang_up``).
                  Its callbacks: ``callback`` normal, never, first (told before the request is answered), reversed
                  (of the answer, after the end); ``late`` (0 s), ``repeat`` (1): how often the end is told; ``wrong``
                  secret, timestamp, company, extension, destination, memberid
``forget``        all rules, calls, requests and figures; accounts stay
``probe``         ``code`` (200), ``after`` (0 s): what a GET is answered
``listening``     ``on``: false closes the port and every connection, true opens it again
``cut``           ``connections`` (1): the next ones are closed as they come, before a byte is read
``hang_up``       ``memberid``; ``direction`` (customer; agent)
``call_back``     ``memberid``; ``tells`` (ended), ``wrong``, any further field of the record as it shall be -> ``code``
``requests``      ``since`` (0) -> ``requests``: each with its fields, ``account``, ``verdict``, ``at``
``calls``         -> ``calls``: every call that it took, and how it is
``callbacks``     ``since`` (0) -> ``callbacks``: every attempt, with ``body`` and ``code``
``counts``        -> ``connections``, ``requests``, ``probes``, ``taken``, ``refused``, ``live``, ``ended``,
                  ``callbacks``, ``asked_twice`` (memberids that came again), ``collisions`` (calls over an extension
                  that is in one), ``most_live``
================= =========================================================================================
"""
