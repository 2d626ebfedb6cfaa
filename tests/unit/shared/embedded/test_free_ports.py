import socket

from shared.embedded import process
from shared.embedded.process import free_ports, is_port_free


def test_ports_are_free_and_not_given_again() -> None:
    given = [*free_ports(3), *free_ports(2)]

    assert len(set(given)) == 5
    assert all(map(is_port_free, given))


def test_a_port_in_use_is_passed_over() -> None:
    following = process._ports[0]

    with socket.create_server(("127.0.0.1", following)):
        (given,) = free_ports(1)

    assert given != following
