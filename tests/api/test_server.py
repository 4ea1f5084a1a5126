"""The socket that the API listens on."""

import socket

from dialplane.api import server


def test_an_answer_in_two_pieces_waits_for_nobody() -> None:
    with (
        server.listen("127.0.0.1:0") as listening,
        socket.create_connection(listening.getsockname(), timeout=10),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
