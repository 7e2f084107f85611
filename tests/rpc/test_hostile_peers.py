"""Peers that break the rules lose their own connection; everybody else is served."""

import os
import socket
import struct
import threading

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmpy.auth import hello
from slurmpy.rpc import codec, server
from slurmpy.rpc.address import Address
from slurmpy.rpc.client import Client

HELLO = codec.frame((codec.HELLO, {"protocols": (1,), "name": "x", "auth": None}))


@pytest.fixture
def raw(running):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(running.path)
    connection.settimeout(10)
    yield connection
    connection.close()


def until_closed(connection):
    said = b""
    try:
        while more := connection.recv(65536):
            said += more
    except ConnectionResetError:
        pass
    return said


def still_serves(running):
    client = Client(Address(unix=running.path), running.conf)
    assert client.call("ping") == {"pong": {}}
    client.close()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", 0xFFFFFFFF) + b"x" * 100,
        struct.pack(">I", codec.MAX_HELLO + 1),
        struct.pack(">I", 4) + b"\xc1\xc1\xc1\xc1",
        struct.pack(">I", 1) + b"\x01",
        codec.frame((codec.REQUEST, 1, "ping", {})),
        codec.frame("text"),
        codec.frame(()),
        HELLO + codec.frame((codec.REQUEST, "1", "ping", {})),
        HELLO + codec.frame((codec.REQUEST, 1, "ping")),
        HELLO + codec.frame((codec.REQUEST, 1, "ping", ())),
        HELLO + codec.frame((codec.DONE, 1, None)),
        HELLO + struct.pack(">I", codec.MAX_REQUEST + 1),
        HELLO + codec.frame((codec.REQUEST, 1, "ping", {"deep": msgpack.unpackb(b"\x91" * 300 + b"\x01")})),
    ],
)
def test_a_malformed_message_ends_that_connection_only(running, raw, data):
    raw.sendall(data)
    raw.shutdown(socket.SHUT_WR)
    until_closed(raw)
    still_serves(running)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_at_all_harm_the_server(running, data):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(running.path)
    connection.settimeout(10)
    connection.sendall(HELLO + data)
    connection.shutdown(socket.SHUT_WR)
    until_closed(connection)
    connection.close()
    still_serves(running)


def test_a_version_that_the_server_does_not_speak_is_told_so(running, raw):
    raw.sendall(codec.frame((codec.HELLO, {"protocols": (99,), "name": "x", "auth": None})))
    said = until_closed(raw)
    message = codec.unpack(said[4:])
    assert message[0] == codec.ERROR
    assert "version" in message[3].lower()


def test_who_says_nothing_is_cut_off(running, monkeypatch, tmp_path):
    monkeypatch.setattr(server, "HELLO_TIMEOUT", 0.2)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(running.path)
    connection.settimeout(10)
    assert until_closed(connection) == b""
    connection.close()
    still_serves(running)


def test_a_slow_reader_holds_up_nobody_else(running, raw):
    raw.sendall(HELLO + codec.frame((codec.REQUEST, 1, "query", {"count": 100000, "size": 10000})))
    for _ in range(20):
        still_serves(running)


def test_a_recorded_tcp_hello_is_refused_the_second_time(running):
    auth, _ = hello.propose(running.conf, None)
    data = codec.frame((codec.HELLO, {"protocols": (1,), "name": "x", "auth": auth}))
    kinds = []
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(data)
            head = connection.recv(4)
            (size,) = struct.unpack(">I", head)
            kinds.append(codec.unpack(connection.recv(size))[0])
    assert kinds == [codec.HELLO, codec.ERROR]


@pytest.mark.parametrize("change", ["uid", "time", "host", "node", "nonce"])
def test_a_hello_with_one_thing_changed_is_refused(running, change):
    auth, _ = hello.propose(running.conf, None)
    values = {"uid": 1234, "time": auth["time"] - 600, "host": "other", "node": "n9", "nonce": os.urandom(24)}
    auth[change] = values[change]
    with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
        connection.sendall(codec.frame((codec.HELLO, {"protocols": (1,), "name": "x", "auth": auth})))
        (size,) = struct.unpack(">I", connection.recv(4))
        assert codec.unpack(connection.recv(size))[0] == codec.ERROR


def test_a_signed_connection_whose_frame_was_altered_or_repeated_ends(running):
    for repeat in (False, True):
        auth, secret = hello.propose(running.conf, None)
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(codec.frame((codec.HELLO, {"protocols": (1,), "name": "x", "auth": auth})))
            (size,) = struct.unpack(">I", connection.recv(4))
            welcome = codec.unpack(connection.recv(size))[1]
            seal = hello.Seal(secret, welcome["nonce"], is_server=False)
            body = seal.seal(codec.pack((codec.REQUEST, 1, "ping", {})))
            if not repeat:
                body = body[:-1] + bytes([body[-1] ^ 1])
            data = codec.LENGTH.pack(len(body)) + body
            connection.sendall(data * (2 if repeat else 1))
            connection.settimeout(10)
            said = until_closed(connection)
            assert (len(said) > 0) == repeat  # the first of two was answered, then the connection ended
    still_serves(running)


def test_connections_left_half_open_do_not_keep_the_server_from_ending(conf, tmp_path):
    from .conftest import Running

    (tmp_path / "own").mkdir()
    running = Running(conf, tmp_path / "own")
    connections = []
    for _ in range(50):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(running.path)
        connection.sendall(HELLO[:7])
        connections.append(connection)
    stopper = threading.Thread(target=running.stop)
    stopper.start()
    stopper.join(10)
    assert not running.thread.is_alive()
    for connection in connections:
        connection.close()
