"""The commands' side of a connection: synchronous, because it starts fast and a command waits anyway."""

from __future__ import annotations

import os

from slurmpy.core.errors import SlurmError

from . import codec
from .address import Address, connect_unix

TYPE_CHECKING = False  # as typing's, whose import would cost every command some milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket
    from typing import Any

    from slurmpy.auth.hello import Seal, Signer

CONNECT_TIMEOUT = 10.0


class Client:
    """One connection to one daemon, made when it is first needed. Not for several threads."""

    def __init__(
        self, address: Address, conf: object, timeout: float | None = 60.0, name: str = "", signer: Signer | None = None
    ) -> None:
        self.address, self.conf, self.timeout, self.name, self.signer = address, conf, timeout, name, signer
        self.server: dict[str, Any] = {}
        self._socket: socket | None = None
        self._seal: Seal | None = None
        self._buffer = b""
        self._next = 0
        self._greeted = False

    # -- connecting ----------------------------------------------------------------------------------------------

    def _unreachable(self, reason: str) -> SlurmError:
        if self.address.what == "slurmctld":
            return SlurmError("SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR", data={"reason": reason})
        return SlurmError("SLURM_COMMUNICATIONS_CONNECTION_ERROR", data={"reason": reason})

    def connect(self) -> None:
        """Connects; raises SlurmError ...CONNECTION_ERROR whose data["reason"] is the system's text."""
        address = self.address
        reason = "Connection refused"
        if address.unix:
            try:
                self._socket = connect_unix(address.unix, CONNECT_TIMEOUT)
                self._check_server(self._socket)
                if os.environ.get("SLURM_JWT"):
                    self._show_token()
            except OSError as error:
                reason = error.strerror or str(error)
        if self._socket is None and address.port:
            import socket

            try:
                self._socket = socket.create_connection((address.host or "localhost", address.port), CONNECT_TIMEOUT)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                self._greet_tcp()
        if self._socket is None:
            raise self._unreachable(reason)
        self._socket.settimeout(self.timeout)

    def _check_server(self, connection: socket) -> None:
        """Nobody but root, SlurmUser or we ourselves may answer on the cluster's socket."""
        from slurmpy.auth.peer import of_unix_socket
        from slurmpy.conf.run_dir import slurm_user_id

        if of_unix_socket(connection).uid not in (0, os.geteuid(), slurm_user_id(self.conf)):
            connection.close()
            self._socket = None
            raise SlurmError("ESLURM_AUTH_CRED_INVALID", f"{self.address.unix} is answered by somebody else")

    def _hello(self, auth: dict[str, Any] | None) -> bytes:
        return codec.frame((codec.HELLO, {"protocols": codec.PROTOCOLS, "name": self.name, "auth": auth}))

    def _show_token(self) -> None:
        """On a unix socket, too, we are who SLURM_JWT says. Not where a cluster has nothing but unix sockets: it needs
        no tokens, and one for another cluster shall do no harm there."""
        from slurmpy.auth.hello import token_of_environment
        from slurmpy.conf.run_dir import without_tcp

        assert self._socket is not None
        auth = None if without_tcp(self.conf) else token_of_environment()
        if auth is not None:
            self._socket.sendall(self._hello(auth))
            self._welcome(self._read_frame(codec.MAX_HELLO))

    def _greet_tcp(self) -> None:
        from slurmpy.auth.hello import Seal, propose
        from slurmpy.conf.run_dir import slurm_user_id

        assert self._socket is not None
        auth, secret = propose(self.conf, self.signer, slurm_user=slurm_user_id(self.conf))
        self._socket.sendall(self._hello(auth))
        reply = self._welcome(self._read_frame(codec.MAX_HELLO))
        if secret is not None:
            self._seal = Seal(secret, reply["nonce"], is_server=False)

    def _welcome(self, data: bytes | memoryview) -> dict[str, Any]:
        message = codec.expect(codec.unpack(data), codec.HELLO, codec.ERROR)
        if message[0] == codec.ERROR:
            self.close()
            raise SlurmError.from_number(message[2], message[3], message[4])
        self.server = message[1]
        self._greeted = True
        return self.server

    # -- frames --------------------------------------------------------------------------------------------------

    def _read_frame(self, limit: int = codec.MAX_REPLY) -> bytes | memoryview:
        assert self._socket is not None
        buffer = self._buffer
        try:
            while len(buffer) < 4:
                more = self._socket.recv(262144)
                if not more:
                    raise ConnectionResetError(104, "Connection reset by peer")
                buffer += more
            (size,) = codec.LENGTH.unpack_from(buffer)
            if size > limit:
                raise SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR", "oversized message")
            end = size + 4
            if len(buffer) < end:
                whole, have = bytearray(end), len(buffer)
                whole[:have] = buffer
                room = memoryview(whole)
                while have < end:
                    more_bytes = self._socket.recv_into(room[have:])
                    if not more_bytes:
                        raise ConnectionResetError(104, "Connection reset by peer")
                    have += more_bytes
                self._buffer = b""
                return self._seal.open(room[4:]) if self._seal else room[4:]
        except TimeoutError as error:
            self.close()
            raise SlurmError("SLURM_COMMUNICATIONS_RECEIVE_ERROR", "Socket timed out on send/recv operation") from error
        except OSError as error:
            self.close()
            raise self._lost(error.strerror or str(error)) from error
        self._buffer = buffer[end:]
        data = buffer[4:end]
        return self._seal.open(data) if self._seal else data

    def _lost(self, reason: str) -> SlurmError:
        name = "SLURMCTLD_COMMUNICATIONS_RECEIVE_ERROR" if self.address.what == "slurmctld" else None
        return SlurmError(name or "SLURM_COMMUNICATIONS_RECEIVE_ERROR", data={"reason": reason})

    def _send(self, method: str, args: dict[str, Any]) -> int:
        fresh = self._socket is None
        if fresh:
            self.connect()
        assert self._socket is not None
        self._next += 1
        body = codec.pack((codec.REQUEST, self._next, method, args))
        if self._seal:
            body = self._seal.seal(body)
        data = codec.LENGTH.pack(len(body)) + body
        if fresh and not self._greeted:  # on a unix socket the kernel vouches for us: say hello and ask in one go
            data = self._hello(None) + data
        try:
            self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise self._lost(error.strerror or str(error)) from error
        return self._next

    def _answers(self, number: int) -> Iterator[tuple[int, Any]]:
        """(PART or DONE, value) of request `number`, until DONE. Raises SlurmError on ERROR."""
        while True:
            data = self._read_frame()
            if not self._greeted:
                self._welcome(data)
                continue
            message = codec.expect(codec.unpack(data), codec.PART, codec.DONE, codec.ERROR)
            if message[0] == codec.ERROR:
                raise SlurmError.from_number(message[2], message[3], message[4])
            if message[1] != number:
                continue  # of a stream that was given up
            yield message[0], message[2]
            if message[0] == codec.DONE:
                return

    # -- calls ---------------------------------------------------------------------------------------------------

    def call(self, method: str, args: dict[str, Any] | None = None) -> Any:
        """One request, one answer. Raises SlurmError with the daemon's number, message and data."""
        *_, (_, value) = self._answers(self._send(method, args or {}))
        return value

    def stream(self, method: str, args: dict[str, Any] | None = None) -> Iterator[Any]:
        """The parts of a stream as they come; it is asked for with the first."""
        yield from self._parts(self._send(method, args or {}))

    def subscribe(self, method: str, args: dict[str, Any] | None = None) -> Iterator[Any]:
        """A stream that is asked for at once, whose parts may come any time later."""
        number = self._send(method, args or {})
        assert self._socket is not None
        self._socket.settimeout(None)
        return self._parts(number)

    def _parts(self, number: int) -> Iterator[Any]:
        for kind, value in self._answers(number):
            if kind == codec.PART:
                yield value
        if self._socket is not None:
            self._socket.settimeout(self.timeout)

    def fileno(self) -> int:
        """The connection's descriptor, to wait on; -1 if there is none."""
        return self._socket.fileno() if self._socket else -1

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._seal, self._buffer, self._greeted = None, None, b"", False
