"""Devices in lifts: thousands of them in one process, which connect to gateways as those in the field do.

``python -m testbed.devices`` has no devices at first. They are added in groups that behave alike
(:class:`testbed.devices.behaviour.Behaviour`), connect when they are asked to, send heartbeats, come back when their
connection ends, and count what happens to them: above all every command that arrived, by its id, since a physical one
must never arrive twice. Whatever a device does is real TCP (and TLS); only its cable is cut by a filter in the kernel.

Tests use it so (:class:`testbed.devices.peer.Devices`)::

    async with await Devices.start(tmp_path, "127.0.0.1:8090") as devices:
        await devices.add("lift", count=100, token="token-of-{name}", hello=["ack"])   # lift-00000 … lift-00099
        await devices.connect("lift", within=2)
        ...
        assert (await devices.counts())["repeated"] == []

Control commands (:mod:`testbed.control`), on stdin and, with ``--control PORT``, on a TCP port of loopback. A part of a
group is named by ``first`` (0) and ``count`` (all); no group is all of them.

================= =========================================================================================
command           fields (defaults) -> answer
================= =========================================================================================
``targets``       ``addresses``: where gateways listen; each connection goes to one of them by chance. ``authority``
                  (""): the file of a certificate that vouches for them; devices speak TLS then
``add``           ``group``, ``token`` (``{name}`` in it is the device's name), ``names`` or ``count`` (named
                  GROUP-00000 and so on; the same name may be in several groups), and any field of
                  :class:`testbed.devices.behaviour.Behaviour`
``behave``        ``group``, and fields as above: from now on; those that are not named are as by default
``connect``       ``within`` (0 s): they connect one after the other
``disconnect``    ``how`` close (1000), abort (RST), vanish (a cut cable: nothing arrives, nothing is acknowledged, no
                  FIN); ``back_within`` (null: they stay away): they come back by chance within so many seconds
``say``           ``message``: an object, which gets the ``device_id``; or ``text``, as it is
``garbage``       ``group``, ``frames``: so many in all, from devices that are connected; ``seed`` (1), ``pause``
                  (0.001 s after one of each) -> ``sent``
``counts``        -> ``devices``, ``open``, ``connects``, ``heartbeats``, ``pongs``, ``refused`` (by status), ``closed``
                  (by close code), ``unreachable``, ``commands``, ``repeated`` (ids that arrived more than once),
                  ``late`` (arrived after their deadline), ``other`` (messages, by type), ``cpu_seconds`` (of this
                  process)
``latency``       -> ``p50``, ``p99``: seconds until a pong; null where there was none
``arrivals``      ``since`` (0) -> ``arrivals``: each command with ``id``, ``device``, ``name``, ``at``
``devices``       ``group`` -> ``devices``: each with ``name``, ``open``, ``closed`` (codes), ``refused`` (statuses)
``forget``        counts begin anew
================= =========================================================================================
"""
