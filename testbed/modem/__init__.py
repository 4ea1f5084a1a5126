"""The modem peer: chan_dongle or chan_quectel without a modem, between a controller and a real Asterisk.

``python -m testbed.modem --listen 127.0.0.1:PORT --asterisk HOST:PORT --ari URL --config FILE`` is an AMI man in the
middle. What the module would add to that Asterisk it adds on the way: the driver's actions (answered in order with
Asterisk's own answers, under the rights of Asterisk's own accounts), its events, ``ModuleCheck``. Everything else
passes byte for byte, too long lines included, which Asterisk itself refuses. For each message, report and call that
comes in, the *real* dialplan runs (``Local/sms@CONTEXT`` and so on, started over ARI).

The account for ARI stands in the environment: ``MODEM_ARI_USERNAME`` and ``MODEM_ARI_PASSWORD``. Tests use
:class:`testbed.modem.peer.ModemPeer`.

Control commands (:mod:`testbed.control`), on stdin and, with ``--control PORT``, on a TCP port of loopback:

================= =========================================================================================
command           fields (defaults) -> answer
================= =========================================================================================
``plug``          ``imei``, ``imsi``; ``audio``, ``data``, ``provider``, ``number``, ``rssi`` (20),
                  ``registration`` (home), ``model``, ``firmware``, ``manufacturer``, ``send_seconds`` (0),
                  ``reset_heals`` (true) -> ``device`` that took it, or null
``unplug``        ``imei``
``network``       ``imei``; ``registration`` none, home, searching, denied, unknown, roaming; ``rssi`` (0-31, 99),
                  ``provider``
``stuck``         ``imei``; ``on`` (true): takes messages, sends and reports nothing; State stays
``pace``          ``imei``, ``seconds`` the modem works on one outgoing message
``deliver``       ``device`` or ``imsi`` (the network keeps it until such a card can take it), ``sender``; ``text``
                  or ``base64``; ``repeat`` (1), ``every`` (0 s), ``delay`` (0 s), ``duplicate`` (false: events
                  once). ``{n}`` in ``text`` is the number of the repetition if ``repeat`` > 1
                  -> ``waiting``: not taken by the dialplan yet
``call``          ``device``, ``number``; ``exten`` (the modem's number, else the file's) -> ``call``
``hangup``        ``device``, ``call``: the caller hangs up
``refuse``        ``count`` (1), ``error`` (Queue error): the next sends are refused with the driver's text
``delay_answers`` ``seconds``, ``count`` (1): the driver's next answers take so long; all after them wait
``lose_answer``   ``count`` (1): next accepted sends get no answer, the line is cut instead
``drop``          ``after_bytes`` (0: now), ``user`` (all): cut every open line
``cut``           ``offsets`` ([]), ``characters`` (false), ``pause`` (0.005 s): packets of all that is sent to
                  clients; no fields: as it comes
``outcome``       ``imei`` (all, and those to come), ``name`` delivered, failed, unsent, expired, never;
                  ``after`` (0.05 s)
``sent``          ``since`` (0) -> ``sent``: every message accepted, from that index on
``lines``         -> ``lines``: user, whether it hears events, how many it was sent
``devices``       -> ``devices``: every field of the device entries
``counts``        -> ``accepted``, ``delivered`` (dialplan runs), ``waiting``, ``reloads``, ``lines``,
                  ``connections`` (ever), ``refused`` (Asterisk's words), ``complaints`` (about the file)
``module``        ``on``: false takes the module away: Asterisk itself answers its actions, no events
``emit``          ``name`` without the driver's prefix, ``fields`` (object): any event, as it is
================= =========================================================================================
"""
