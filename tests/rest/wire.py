"""Raw requests to slurmrestd, and a connection that they go over."""

from __future__ import annotations

import socket
import subprocess
import sys

from .conftest import Rest

PING = "/slurm/v0.0.42/ping/"


def request(
    rest: Rest, path: str = PING, method: str = "GET", more: str = "", body: bytes = b"", version: str = "1.1"
) -> bytes:
    """Without a Host, as in the manual page's own example."""
    head = f"{method} {path} HTTP/{version}\r\nX-SLURM-USER-TOKEN: {rest.token()}\r\nX-SLURM-USER-NAME: root\r\n{more}"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode("latin-1") + b"\r\n" + body


class Wire:
    def __init__(self, rest: Rest) -> None:
        self.socket = socket.create_connection(("127.0.0.1", rest.port), timeout=20)
        self.held = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Wire:
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # it may have had enough before it has seen all
        return self

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body); status 0 once the connection has ended."""
        while b"\r\n\r\n" not in self.held:
            piece = self.socket.recv(65536)
            if not piece:
                assert self.held == b""
                return 0, {}, b""
            self.held += piece
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("Content-Length", 0))
        while len(self.held) < length:
            piece = self.socket.recv(65536)
            assert piece
            self.held += piece
        body, self.held = self.held[:length], self.held[length:]
        return int(first.split()[1]), headers, body

    def status(self) -> int:
        return self.answer()[0]


def run(
    rest: Rest, *words: str, data: bytes = b"", stdin: object = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    code = "from slurmpy.rest.main import main; main()"
    env = rest.site.environment | {"SLURMRESTD_SECURITY": "disable_user_check"} | environment
    given = {"stdin": stdin} if stdin is not None else {"input": data}
    return subprocess.run([sys.executable, "-c", code, *words], env=env, timeout=60, capture_output=True, **given)  # type: ignore
