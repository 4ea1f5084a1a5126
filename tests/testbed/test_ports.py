import os
import socket
import subprocess
import sys

import pytest

from testbed.ports import lease


def test_two_leases_never_overlap() -> None:
    with lease(120) as one, lease(120) as two:
        assert not set(range(one.first, one.first + 120)) & set(range(two.first, two.first + 120))


def test_another_process_gets_other_ports() -> None:
    with lease() as ours:
        # The search starts where our process starts it, so it meets our lock first.
        pretend = f"import os; os.getpid = lambda: {os.getpid()}"
        script = f"{pretend}; from testbed.ports import lease; print(lease().first)"
        theirs = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        assert int(theirs) != ours.first


def test_a_block_in_which_somebody_listens_is_passed_over() -> None:
    with lease() as probe:
        first = probe.first
    with socket.create_server(("127.0.0.1", first + 3)), lease() as other:
        assert other.first != first


def test_rtp_starts_on_an_even_port_and_a_lease_has_an_end() -> None:
    with lease(10) as ports:
        ports.take()
        assert ports.take(2, even=True) % 2 == 0
        with pytest.raises(ValueError, match="does not hold"):
            ports.take(10)
