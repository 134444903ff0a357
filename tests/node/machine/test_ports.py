"""Free and taken ports."""

import os
import socket
import threading

import pytest

from strongroom.node.machine import ports


def test_a_taken_port_is_named_with_the_pid_that_holds_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ports.PortTaken) as caught:
            ports.check_free(port)
    assert (caught.value.port, caught.value.pid) == (port, os.getpid())
    assert f"port {port} is in use by pid {os.getpid()}" in str(caught.value)


def test_free_ports_are_distinct_and_below_the_range_of_outgoing_connections() -> None:
    reservation = ports.reserve_free(8)
    try:
        assert len(set(reservation.ports)) == 8
        assert max(reservation.ports) < 30_000
    finally:
        reservation.release()


def test_a_reserved_port_is_not_given_twice() -> None:
    reservation = ports.reserve_free(1)
    try:
        with pytest.raises(ports.PortTaken):
            ports.check_free(reservation.ports[0], seconds=0.0)
    finally:
        reservation.release()
    ports.check_free(reservation_port := reservation_free())
    assert reservation_port


def reservation_free() -> int:
    reservation = ports.reserve_free(1)
    port = reservation.ports[0]
    reservation.release()
    return port


def test_when_one_port_is_taken_the_others_are_let_go() -> None:
    free = reservation_free()
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(ports.PortTaken):
            ports.reserve([free, server.getsockname()[1]])
        ports.check_free(free)


def test_a_port_that_a_connection_has_just_left_counts_as_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the listening side closes first: its address stays in TIME_WAIT
            assert client.recv(1) == b""
    ports.check_free(port)


def test_a_port_that_the_kernel_still_takes_from_a_killed_process_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "holder_of", lambda port: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ports.PortTaken):
            ports.check_free(port, seconds=0.0)
        closing = threading.Timer(0.1, server.close)
        closing.start()
        ports.check_free(port, seconds=30.0)
        closing.join()


def test_a_port_of_another_clusters_node_is_told_with_the_command_that_frees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = ["python", "-P", "-m", *ports.NODE_COMMAND, "/home/a b/data/n0/node.toml"]
    monkeypatch.setattr(ports, "arguments_of", lambda pid: line)
    text = str(ports.PortTaken(7400, 4711))
    assert "port 7400 belongs to n0 of the cluster in /home/a b/data (pid 4711)" in text
    assert "`strongroom cluster down --dir '/home/a b/data'`" in text
