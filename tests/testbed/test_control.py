"""The port at which peers take commands."""

import asyncio

from testbed.control import Answer, listen


async def test_a_command_is_done_though_whoever_gave_it_leaves_at_once() -> None:
    done: list[int] = []

    async def note(number: int) -> Answer:
        await asyncio.sleep(0.05)
        done.append(number)
        return {}

    server = await listen({"note": note}, 0)
    port = server.sockets[0].getsockname()[1]
    for number in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b'{"id": 1, "do": "note", "number": %d}\n' % number)
        writer.close()
    async with asyncio.timeout(10):
        while len(done) < 20:
            await asyncio.sleep(0.02)
    server.close()
    assert sorted(done) == list(range(20))
