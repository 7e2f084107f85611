"""One client and one server, over each transport."""

import asyncio
import os

import pytest

from slurmpy.auth import token
from slurmpy.core.errors import SlurmError
from slurmpy.rpc.address import Address, bind_unix
from slurmpy.rpc.aio import AsyncClient
from slurmpy.rpc.client import Client


@pytest.fixture(params=["unix", "tcp"])
def client(request, running):
    address = Address(unix=running.path) if request.param == "unix" else Address(host="127.0.0.1", port=running.port)
    client = Client(address, running.conf)
    yield client
    client.close()


def test_a_call_brings_back_what_the_handler_answers(client):
    assert client.call("ping", {"a": (1, b"x", None, "é\udcff")}) == {"pong": {"a": (1, b"x", None, "é\udcff")}}


def test_the_server_knows_who_asks(client):
    source = "unix" if client.address.unix else "key"
    assert client.call("will_run") == {"who": (os.getuid(), source), "args": {}}


def test_a_stream_comes_in_order_and_whole_though_larger_than_every_buffer(client):
    rows = [row for part in client.stream("query", {"count": 300, "size": 20000}) for row in part["rows"]]
    assert [row[0] for row in rows] == list(range(300))
    assert {len(row[1]) for row in rows} == {20000}


def test_errors_keep_number_text_and_data_and_the_connection_goes_on(client):
    with pytest.raises(SlurmError) as caught:
        client.call("kill_job")
    assert (caught.value.number, caught.value.message) == (2017, "Invalid job id specified")
    assert caught.value.data == {"a": 1}
    with pytest.raises(SlurmError) as caught:
        client.call("update_job")
    assert caught.value.name == "SLURM_ERROR"
    with pytest.raises(SlurmError):
        client.call("no_such_method")
    assert client.call("ping") == {"pong": {}}


def test_a_stream_that_is_given_up_does_not_disturb_the_next_call(client):
    for _ in client.stream("query", {"count": 50}):
        break
    assert client.call("ping", {"x": 1}) == {"pong": {"x": 1}}


def test_nobody_there_is_an_error_with_the_systems_reason(conf, tmp_path):
    with pytest.raises(SlurmError) as caught:
        Client(Address(unix=str(tmp_path / "none.sock")), conf).call("ping")
    assert caught.value.name == "SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR"
    assert caught.value.data["reason"] == "No such file or directory"


def test_roles_are_checked_before_the_handler(running, monkeypatch):
    from slurmpy.auth.peer import Peer

    stranger = Peer(4242, 4242, "unix")
    server = running.server
    assert server.may(stranger, "ping")
    assert not server.may(stranger, "reset_stats")
    running.level = "Operator"
    assert server.may(stranger, "reset_stats")
    assert not server.may(stranger, "create_partition")
    running.level = "Administrator"
    assert server.may(stranger, "create_partition")
    assert not server.may(stranger, "register_node")
    assert server.may(Peer(0, 0, "unix"), "register_node")


def test_a_token_lets_a_client_in_and_a_wrong_one_does_not(running, monkeypatch):
    address = Address(host="127.0.0.1", port=running.port)
    monkeypatch.setenv("SLURM_JWT", token.create(running.conf, "nobody", 60))
    client = Client(address, running.conf)
    import pwd

    assert client.call("will_run")["who"] == (pwd.getpwnam("nobody").pw_uid, "jwt")
    client.close()
    for wrong in (token.create(running.conf, "nobody", -60), "a.b.c", token.create(running.conf, "no such user")):
        monkeypatch.setenv("SLURM_JWT", wrong)
        client = Client(address, running.conf)
        with pytest.raises(SlurmError) as caught:
            client.call("ping")
        assert caught.value.name == "SLURM_PROTOCOL_AUTHENTICATION_ERROR"
        client.close()


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_many_calls_at_once_on_one_asynchronous_connection(running, transport):
    async def main():
        unix = transport == "unix"
        address = Address(unix=running.path) if unix else Address(host="127.0.0.1", port=running.port)
        client = AsyncClient(address, running.conf, "n1")
        answers = await asyncio.gather(*(client.call("ping", {"i": i}) for i in range(200)))
        assert [a["pong"]["i"] for a in answers] == list(range(200))
        assert [p["rows"][0][0] async for p in client.stream("query", {"count": 5})] == [0, 1, 2, 3, 4]
        with pytest.raises(SlurmError):
            await client.call("kill_job")
        client.close()
        assert (await client.call("ping"))["pong"] == {}  # it connects again
        client.close()

    asyncio.run(main())


def test_a_live_socket_is_not_taken_over_and_a_stale_one_is(running, tmp_path):
    with pytest.raises(OSError, match="in use"):
        bind_unix(running.path, 0o600)
    stale = tmp_path / "stale.sock"
    bind_unix(str(stale), 0o600).close()
    assert stale.exists()
    second = bind_unix(str(stale), 0o600)
    assert stale.stat().st_mode & 0o777 == 0o600
    second.close()


def test_a_socket_with_a_path_longer_than_sun_path(conf, tmp_path):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    listener = bind_unix(str(deep / "s.sock"), 0o600)
    from slurmpy.rpc.address import connect_unix

    connect_unix(str(deep / "s.sock"), 5).close()
    listener.close()
