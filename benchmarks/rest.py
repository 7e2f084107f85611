"""slurmrestd's speed, beside a real one in the same run where one is given.

    python benchmarks/rest.py [--real URL --real-command PREFIX] [--only NAME,...] [--scale 1.0]

URL is the real slurmrestd's (``http://127.0.0.1:6820``), PREFIX how a command of it is started; its queue must be
empty and its MaxJobCount 40,000 or more. Ours is a pocket cluster's, on TCP with a token as the real one is. Both sides
get the same requests, one side after the other. A second is a client's here, who reads and throws away; what slurmrestd
itself spends on a request is its CPU time, of all its threads.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from measure import Side
from run import BIN, Row, ours_environment, show

VERSION = "v0.0.42"
TICKS = os.sysconf("SC_CLK_TCK")


class Client:
    """One kept connection, as cheap as Python makes it: the figures are to be the server's."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._credentials = port, f"X-SLURM-USER-TOKEN: {token}\r\nX-SLURM-USER-NAME: root\r\n"
        self._socket = self._open()
        self.first = 0.0  # seconds from the request to the answer's first byte

    def _open(self) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self._port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.settimeout(300)
        return opened

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{self._credentials}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def __call__(self, request: bytes) -> int:
        """The bytes of an answer's body. Raises RuntimeError if it is no success."""
        begin = time.perf_counter()
        self._socket.sendall(request)
        data = self._socket.recv(1 << 18)
        self.first = time.perf_counter() - begin
        while (at := data.find(b"\r\n\r\n")) < 0:
            data += self._socket.recv(1 << 18) or self._broken(data)
        head, have = data[:at].lower(), len(data) - at - 4
        if b" 200 " not in head[:20]:
            self._broken(data)
        if (length := head.find(b"content-length:")) >= 0:
            size = int(head[length + 15 :].split(b"\r\n", 1)[0])
            while have < size:
                have += self._socket.recv_into(bytearray(min(size - have, 1 << 18))) or len(self._broken(data))
            if b"connection: close" in head:
                self._again()
            return size
        tail = data[-5:]
        while tail != b"0\r\n\r\n":
            piece = self._socket.recv(1 << 18) or self._broken(data)
            have, tail = have + len(piece), (tail + piece)[-5:]
        return have

    def _again(self) -> None:
        self._socket.close()
        self._socket = self._open()

    def _broken(self, data: bytes) -> bytes:
        raise RuntimeError(f"no success: {data[:300]!r}")

    def close(self) -> None:
        self._socket.close()


class Server:
    """A slurmrestd that listens on `port`: its process is found by its socket."""

    def __init__(self, side: Side, port: int) -> None:
        self.side, self.port = side, port
        self.token = side.run("scontrol", "token", "lifespan=7200").out.decode().strip().partition("=")[2]
        self.pid = listener(port)

    def client(self) -> Client:
        return Client(self.port, self.token)

    @property
    def cpu(self) -> float:
        with open(f"/proc/{self.pid}/stat") as file:
            words = file.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def forget_peak(self) -> None:
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")

    @property
    def peak(self) -> float:
        """The largest resident size, MiB."""
        with open(f"/proc/{self.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024


def listener(port: int) -> int:
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    inode = next(row[9] for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{name}") == f"socket:[{inode}]":
                    return int(pid)
        except OSError:
            continue
    raise RuntimeError(f"nobody listens on port {port}")


# -- what is measured ----------------------------------------------------------------------------------------------


def fill(server: Server, jobs: int) -> float:
    """Held jobs until there are that many, by job/submit on four connections; how many a second it took."""
    have = len(server.side.run("squeue", "-h", "-r", "-o", "%i").out.split())
    body = (
        b'{"script":"#!/bin/sh\\ntrue\\n","job":{"name":"bench","hold":true,"current_working_directory":"/tmp",'
        b'"environment":["PATH=/bin:/usr/bin"],"memory_per_node":{"set":true,"number":10}}}'
    )

    def submit(count: int) -> None:
        client = server.client()
        request = client.request("POST", f"/slurm/{VERSION}/job/submit", body)
        for _ in range(count):
            client(request)
        client.close()

    begin, more = time.perf_counter(), max(jobs - have, 0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(submit, [more // 4 + (number < more % 4) for number in range(4)]))
    return more / (time.perf_counter() - begin)


def bench_submit(servers: list[Server], scale: float) -> list[Row]:
    rates = [fill(server, int(3000 * scale)) for server in servers]
    return [row("job/submit, four connections", "300/s", rates, "{:.0f}/s".format)]


def bench_jobs(servers: list[Server], scale: float) -> list[Row]:
    rows = []
    for jobs in (int(3000 * scale), int(30000 * scale)):
        rates, firsts, texts = [], [], []
        for server in servers:
            fill(server, jobs)
            client = server.client()
            request = client.request("GET", f"/slurm/{VERSION}/jobs")
            size = client(request)
            server.forget_peak()
            before, took, first = server.cpu, [], []
            for _ in range(3):
                begin = time.perf_counter()
                client(request)
                took.append(time.perf_counter() - begin)
                first.append(client.first)
            client.close()
            rates.append(jobs / statistics.median(took))
            firsts.append(statistics.median(first) * 1000)
            texts.append(f"{rates[-1]:.0f} jobs/s, {size >> 10} KiB, {server.peak:.0f} MiB, "
                         f"{(server.cpu - before) / 3:.2f} s CPU")  # fmt: skip
        rows.append(row(f"GET jobs, {jobs} jobs", ">= 10 x, < 150 MB", rates, texts=texts))
        rows.append(row(f"the first byte of {jobs} jobs", "50 ms", firsts, "{:.0f} ms".format, less=True))
    return rows


def bench_small(servers: list[Server], scale: float) -> list[Row]:
    rows = []
    for server in servers:
        fill(server, 1)
    for name, connections in (("ping", 1), ("ping", 8), ("job/{id}", 1), ("job/{id}", 8)):
        rates, texts = [], []
        for server in servers:
            job = server.side.run("squeue", "-h", "-o", "%i").out.split()[-1].decode()
            path = f"/slurm/{VERSION}/" + ("ping" if name == "ping" else f"job/{job}")
            rate, cpu = hammer(server, path, connections, max(int(2000 * scale), 40))
            rates.append(rate)
            texts.append(f"{rate:.0f}/s, {cpu * 1e6:.0f} us CPU")
        rows.append(row(f"{name}, connections: {connections}", "500/s on one core", rates, texts=texts))
    return rows


def hammer(server: Server, path: str, connections: int, requests: int) -> tuple[float, float]:
    """Requests a second, and slurmrestd's CPU seconds for one."""

    def run(client: Client) -> None:
        request = client.request("GET", path)
        for _ in range(requests // connections):
            client(request)

    clients = [server.client() for _ in range(connections)]
    for client in clients:
        client(client.request("GET", path))
    before, begin = server.cpu, time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(run, clients))
    took, cpu, done = time.perf_counter() - begin, server.cpu - before, requests // connections * connections
    for client in clients:
        client.close()
    return done / took, cpu / done


def bench_idle(servers: list[Server], scale: float) -> list[Row]:
    """A thousand connections that have asked once and say no more. The real one lets in 124 and the others wait."""
    ours, count = servers[0], int(1000 * scale)
    path = f"/slurm/{VERSION}/ping"
    alone, _ = hammer(ours, path, 1, 1000)
    idle = []
    ours.forget_peak()
    before = ours.peak
    for _ in range(count):
        idle.append(ours.client())
        idle[-1](idle[-1].request("GET", path))
    with_them, _ = hammer(ours, path, 1, 1000)
    still = sum(client(client.request("GET", path)) > 0 for client in idle)
    for client in idle:
        client.close()
    text = f"ping {alone:.0f}/s -> {with_them:.0f}/s, {ours.peak - before:+.0f} MiB, {still} of them answered after it"
    return [Row(f"{count} idle connections", "nobody is harmed", text, "-", "-")]


def row(
    name: str,
    promise: str,
    values: list[float],
    form: Callable[[float], str] = str,
    *,
    texts: list[str] | None = None,
    less: bool = False,
) -> Row:
    shown = texts or [form(value) for value in values]
    if len(values) == 1:
        return Row(name, promise, shown[0], "-", "-")
    ratio = values[1] / values[0] if less else values[0] / values[1]
    return Row(name, promise, shown[0], shown[1], f"{ratio:.1f}")


BENCHES: dict[str, Callable[[list[Server], float], list[Row]]] = {
    "submit": bench_submit,
    "small": bench_small,
    "idle": bench_idle,
    "jobs": bench_jobs,
}


@contextmanager
def ours(directory: str) -> Iterator[Server]:
    side = Side("slurmpy", environment=ours_environment(directory))
    command = [f"{BIN}/slurmpy", "up", "--nodes=1", "--cpus=32", "--memory=16000M"]
    subprocess.run(command, env=side.environment, check=True)
    try:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        argv = [f"{BIN}/slurmrestd", "-a", "rest_auth/jwt", f"127.0.0.1:{port}"]
        environment = side.environment | {"SLURMRESTD_SECURITY": "disable_user_check"}
        process = subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE)
        assert process.stderr is not None
        process.stderr.readline()  # it says when it listens
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield Server(side, port)
        finally:
            process.terminate()
            process.wait()
    finally:
        subprocess.run([f"{BIN}/slurmpy", "down"], env=side.environment, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", metavar="URL", help="the real slurmrestd's")
    parser.add_argument("--real-command", metavar="PREFIX", default="", help="how a command of it is started")
    parser.add_argument("--only", default=",".join(BENCHES), help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--scale", type=float, default=1.0, help="of all numbers")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="bench-")
    rows: list[Row] = []
    try:
        with ours(directory) as server:
            servers = [server]
            if options.real:
                servers.append(Server(Side("real", options.real_command), int(options.real.rpartition(":")[2])))
            for name in options.only.split(","):
                rows += BENCHES[name](servers, options.scale)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
