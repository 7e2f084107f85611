"""Senseless requests to slurmrestd for as long as you like: none may bring it, or a daemon behind it, out of step.

    python benchmarks/fuzz_rest.py [--minutes 10] [--seed N] [--versions v0.0.42,v0.0.38]

Bytes that are nearly HTTP, and requests that are HTTP but whose paths, queries and bodies are made from the served
OpenAPI document and then spoilt. The cluster is a real slurmctld and slurmdbd on loopback without a slurmd, so that
nothing that is submitted ever runs. What must hold is in `Target.judge`; hypothesis makes the requests and shrinks the
one that fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.site import Site
from tests.hostile.values import NUL, VALUES
from tests.rest.conftest import Rest

#: MiB that slurmrestd may grow by over all requests
GROWTH = 100
LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d) ")
NUMBERS = (0, -1, 1, 2**31, 2**32 - 2, 2**63, 2**64, -(2**63), 10**400, 1e308, -0.0, 0.5)
#: texts of JSON that no value of Python's is written as
ODD_JSON = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "01",
    "'a'",
    '"\\ud800"',
    "[" * 2000,
    '{"a":' * 2000,
    "{,}",
    "\ufeff{}",
)
TEXT = st.one_of(
    st.sampled_from((*VALUES.values(), *NUL.values())).filter(lambda text: "/" not in text),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/"), max_size=40),
)
ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), TEXT),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


class Target:
    def __init__(self, site: Site, rest: Rest) -> None:
        self.site, self.rest = site, rest
        self.document = rest("GET", "/openapi/v3").document
        self.head = f"X-SLURM-USER-TOKEN: {rest.token()}\r\nX-SLURM-USER-NAME: root\r\n".encode()
        self.sizes = {path: path.stat().st_size for path in site.base.glob("*.log")}
        self.said = len(rest.said())
        self.begin = self.memory()
        self.done = 0
        self.statuses: dict[str, int] = {}

    def memory(self) -> float:
        status = Path(f"/proc/{self.rest.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def send(self, data: bytes) -> bytes:
        """All that comes back until the connection ends; this side has said all it has to say at once."""
        with socket.create_connection(("127.0.0.1", self.rest.port), 20) as link:
            try:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it did not want to hear more
            pieces = []
            try:
                while piece := link.recv(1 << 18):
                    pieces.append(piece)
            except ConnectionResetError:
                pass
        return b"".join(pieces)

    def judge(self, answer: bytes, must: bool) -> None:
        """A status of HTTP, never an internal error or a trace; errors where it is none; all processes alive."""
        self.done += 1
        found = LINE.match(answer)
        status = found[1].decode() if found else "none"
        self.statuses[status] = self.statuses.get(status, 0) + 1
        assert found or not must, "no answer"
        assert found or not answer, f"no HTTP: {answer[:200]!r}"
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"Internal error" not in body, answer[:2000]
        assert b"Traceback" not in body, answer[:2000]
        if status >= "500" and must:
            assert b"json" in head, answer[:2000]
            assert json.loads(body)["errors"], answer[:2000]
        said = self.rest.said()
        assert "Traceback" not in said[self.said :], said[self.said :][-3000:]
        self.said = len(said)
        assert self.rest.process.poll() is None, "slurmrestd has ended"
        if self.done % 50 == 0:
            self.look()

    def look(self) -> None:
        for path, size in self.sizes.items():
            with path.open("rb") as file:
                file.seek(size)
                more = file.read()
            assert b"Traceback" not in more, more[-3000:]
            self.sizes[path] = size + len(more)
        assert self.rest("GET", "/slurm/v0.0.42/ping").status == 200
        assert self.rest("GET", "/slurmdb/v0.0.42/ping").status == 200
        assert self.memory() < self.begin + GROWTH, f"{self.begin:.0f} -> {self.memory():.0f} MiB"

    def operations(self, versions: list[str]) -> list[tuple[str, str, dict[str, Any]]]:
        return [
            (method.upper(), path, operation)
            for path, item in self.document["paths"].items()
            if not versions or any(version in path for version in versions)
            for method, operation in item.items()
        ]


# -- requests --------------------------------------------------------------------------------------------------------


class Maker:
    """Requests from the document; `draw` is hypothesis's."""

    def __init__(self, target: Target, draw: Any) -> None:
        self.target, self.draw = target, draw

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.target.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """Mostly what the schema says, now and then anything."""
        if self.draw(st.integers(0, 7)) == 7:
            return self.draw(ANY)
        schema = self.schema(schema)
        kind = schema.get("type")
        if "enum" in schema:
            return self.draw(st.sampled_from(schema["enum"]))
        if kind == "object" and depth < 6:
            known = schema.get("properties", {})
            names = self.draw(st.lists(st.sampled_from(sorted(known)), max_size=4, unique=True)) if known else []
            names += [name for name in schema.get("required", ()) if name not in names and name in known]
            return {name: self.value(known[name], depth + 1) for name in names}
        if kind == "array" and depth < 6:
            return [self.value(schema["items"], depth + 1) for _ in range(self.draw(st.integers(0, 2)))]
        if kind == "integer":
            return self.draw(st.one_of(st.integers(0, 9), st.sampled_from(NUMBERS)))
        if kind == "number":
            return self.draw(st.one_of(st.floats(), st.sampled_from(NUMBERS)))
        if kind == "boolean":
            return self.draw(st.booleans())
        return self.draw(TEXT)

    def word(self, schema: dict[str, Any]) -> str:
        value = self.value(schema)
        text = value if isinstance(value, str) else json.dumps(value)
        return quote(text.encode("utf-8", "surrogatepass"), safe=self.draw(st.sampled_from(("", "~,[]:*"))))

    def target_line(self, path: str, operation: dict[str, Any]) -> str:
        query = []
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                known = self.draw(st.sampled_from(("1", "n1", "root", "debug", "normal", "site")))
                word = known if self.draw(st.booleans()) else self.word(parameter["schema"])
                path = path.replace("{" + parameter["name"] + "}", word)
            elif self.draw(st.integers(0, 3)) == 0:
                query.append(f"{parameter['name']}={self.word(parameter['schema'])}")
        return path + ("?" + "&".join(query) if query else "")

    def body(self, operation: dict[str, Any]) -> tuple[str, bytes]:
        content = operation.get("requestBody", {}).get("content", {})
        if not content:
            return "application/json", b""
        value = self.value(content["application/json"]["schema"])
        text = json.dumps(value, ensure_ascii=self.draw(st.booleans()))
        if self.draw(st.integers(0, 9)) == 0:
            at = self.draw(st.integers(0, len(text)))
            text = text[:at] + self.draw(st.sampled_from(ODD_JSON)) + text[at:]
        kind = self.draw(
            st.sampled_from(("application/json",) * 8 + ("application/yaml", "application/x-www-form-urlencoded"))
        )
        return kind, text.encode("utf-8", "surrogatepass")

    def request(self, versions: list[str]) -> bytes:
        method, path, operation = self.draw(st.sampled_from(self.target.operations(versions)))
        kind, body = self.body(operation)
        line = f"{method} {self.target_line(path, operation)} HTTP/1.1\r\n".encode()
        head = f"Content-Type: {kind}\r\nAccept: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return line + self.target.head + head + body

    def spoilt(self, request: bytes) -> bytes:
        """The request after some blows to its bytes."""
        for _ in range(self.draw(st.integers(1, 4))):
            at = self.draw(st.integers(0, len(request)))
            end = min(at + self.draw(st.sampled_from((0, 1, 2, 8, 64))), len(request))
            piece = self.draw(
                st.one_of(
                    st.binary(max_size=8),
                    st.sampled_from(
                        (b"\r\n", b"\n", b"\0", b": ", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 9\r\n")
                    ),
                    st.sampled_from(
                        (b"ffffffffffffffff\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"a" * 90000)
                    ),
                    st.just(request[at:end] * 2),
                )
            )
            request = request[:at] + piece + request[end:]
        return request


def run(target: Target, number: int, examples: int, versions: list[str]) -> None:
    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, phases=(Phase.generate, Phase.shrink),
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def requests(data: st.DataObject) -> None:
        maker = Maker(target, data.draw)
        request = maker.request(versions)
        whole = data.draw(st.integers(0, 3)) > 0
        request = request if whole else maker.spoilt(request)
        try:
            target.judge(target.send(request), whole)
        except BaseException:
            print(f"{request.replace(target.head, b'<credentials>')[:3000]!r}", file=sys.stderr)
            raise

    requests()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--versions", default="", help="those alone, with commas; otherwise all")
    options = parser.parse_args()
    end = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="fuzz-") as directory:
        site = Site(Path(directory))
        os.chdir(directory)  # where senseless names of files would go
        rest = None
        try:
            site.ok("slurmdbd")
            site.ok("slurmctld")
            rest = Rest(site)
            target = Target(site, rest)
            number = options.seed
            while time.monotonic() < end:
                run(target, number, 300, [version for version in options.versions.split(",") if version])
                number += 1
                if sys.stderr.isatty():
                    print(f"\r{target.done} requests, {target.memory():.0f} MiB", end="", file=sys.stderr)
            target.look()
            counts = ", ".join(f"{status}: {count}" for status, count in sorted(target.statuses.items()))
            print(f"{target.done} requests, seeds {options.seed} to {number - 1}: all holds; statuses {counts}; "
                  f"slurmrestd {target.begin:.0f} -> {target.memory():.0f} MiB")  # fmt: skip
        finally:
            if rest is not None:
                rest.process.terminate()
                rest.process.wait()
            site.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
