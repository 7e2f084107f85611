"""docs/rest.md: what it has people type is what works, and its figures are those of the code."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from slurmpy.auth import token
from slurmpy.rest import connection, http, options
from slurmpy.rest.options import Settings

from .conftest import Rest

pytestmark = pytest.mark.xdist_group("rest")
TEXT = (Path(__file__).parents[2] / "docs/rest.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def shell(rest: Rest, script: str, **environment: str) -> str:
    script = script.replace("127.0.0.1:6820", f"127.0.0.1:{rest.port}").replace("curl ", "curl -sS --fail ")
    done = subprocess.run(
        ["bash", "-euc", script], env=rest.site.environment | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_blocks_are_tried() -> None:
    assert [block.split()[0] for block in BLOCKS] == ["slurmrestd", "printf", "export", "TOKEN=$(scontrol"]


def test_where_to_listen() -> None:
    found = Settings(shlex.split(BLOCKS[0])[1:], {})
    assert (found.user, found.auth) == ("restd", ("rest_auth/jwt",))
    assert found.listen == ["127.0.0.1:6820", "[::1]:6820", "unix:/run/slurm/restd.sock"]


def test_standard_input(rest: Rest) -> None:
    assert shell(rest, BLOCKS[1], SLURMRESTD_SECURITY="disable_user_check").startswith("HTTP/1.1 200 OK")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_tokens(rest: Rest) -> None:
    decoder, said = json.JSONDecoder(), shell(rest, BLOCKS[2]).strip()
    first, end = decoder.raw_decode(said)
    second = json.loads(said[end:])
    assert first["errors"] == second["errors"] == []
    said = shell(rest, BLOCKS[3].replace("username=slurm", "username=root").replace("anna", "nobody"))
    assert json.loads(said)["errors"] == []


def test_figures() -> None:
    for words in (
        f"| {http.MAX_HEAD >> 10} KiB | 400 |",
        f"| {http.MAX_BODY >> 20} MiB | 413 |",
        f"| {http.ALL_BODIES >> 20} MiB | 503 |",
        f"from its first byte | {connection.TIME:.0f} s | 408 |",
        f"| {connection.TIME:.0f} s, then {connection.SLOWEST >> 10} KiB/s on average | 408 |",
        f"kept for {connection.IDLE:.0f} idle seconds",
        f"| {options.CONNECTIONS}, {options.THREADS} at a time |",
        f"with {token.LEEWAY} seconds' leeway",
    ):
        assert words in TEXT, words
    for word in options.SECURITY:
        assert word in options.VARIABLES["SLURMRESTD_SECURITY"]
