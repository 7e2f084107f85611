"""Tokens through the daemons: who may make which, what every command does with one, and that none is ever logged."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from .site import Site

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="acts as several users"),
    pytest.mark.xdist_group("tokens"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("tokens"), "SlurmctldDebug=debug5\nSlurmdDebug=debug5")
    with (site.base / "slurmdbd.conf").open("a") as file:
        file.write("DebugLevel=debug5\n")
    site.up()
    yield site
    site.down()


def claims(line: str) -> dict[str, object]:
    assert line.startswith("SLURM_JWT=")
    body = line.strip().partition("=")[2].split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def configure(site: Site, words: str, key: bool = True) -> None:
    lines = Path(site.conf).read_text().splitlines()
    word = "AuthAltParameters=" + ",".join([f"jwt_key={site.base}/jwt.key"] * key + [words] * bool(words))
    Path(site.conf).write_text("\n".join(word if one.startswith("AuthAltP") else one for one in lines) + "\n")
    site.ok("scontrol", "reconfigure")


def test_who_may_make_which(site: Site) -> None:
    told = claims(site.ok("scontrol", "token", user="nobody"))
    assert (told["sun"], told["exp"] - told["iat"]) == ("nobody", 1800)  # type: ignore[operator]
    told = claims(site.ok("scontrol", "token", "username=daemon", "lifespan=60"))
    assert (told["sun"], told["exp"] - told["iat"]) == ("daemon", 60)  # type: ignore[operator]
    told = claims(site.ok("scontrol", "token", "lifespan=infinite"))
    assert told["exp"] - told["iat"] == 0x7FFFFFFE  # type: ignore[operator]
    done = site.run("scontrol", "token", "username=root", user="nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "scontrol: error: slurm_fetch_token: error with request: Invalid user id\n"
    for value in ("0", "-1", "x", "5:00", ""):
        done = site.run("scontrol", "token", f"lifespan={value}")
        assert (done.returncode, done.stderr) == (
            1,
            f'scontrol: error: Invalid numeric value "{value}" for lifespan.\n',
        )
    done = site.run("scontrol", "token", "lifespan=99999999999")
    assert done.stderr == "scontrol: error: Numeric argument (99999999999) too large for lifespan.\n"


def test_limits_of_the_configuration(site: Site) -> None:
    said = "scontrol: error: slurm_fetch_token: error with request: "
    try:
        configure(site, "disable_token_creation")
        done = site.run("scontrol", "token", user="nobody")
        assert (done.returncode, done.stderr) == (1, said + "Access/permission denied\n")
        assert claims(site.ok("scontrol", "token", "username=nobody"))["sun"] == "nobody"
        configure(site, "max_token_lifespan=100")
        told = claims(site.ok("scontrol", "token", user="nobody"))
        assert told["exp"] - told["iat"] == 100  # type: ignore[operator]
        for value in ("101", "infinite"):
            done = site.run("scontrol", "token", f"lifespan={value}", user="nobody")
            reason = "Requested time limit is invalid (missing or exceeds some limit)\n"
            assert (done.returncode, done.stderr) == (1, said + reason)
        claims(site.ok("scontrol", "token", "lifespan=100", user="nobody"))
        claims(site.ok("scontrol", "token", "lifespan=101"))
        (site.base / "jwks.json").write_text('{"keys": []}')
        configure(site, f"jwks={site.base}/jwks.json", key=False)
        done = site.run("scontrol", "token")
        assert (done.returncode, done.stderr) == (1, said + "Token Generation failed.\n")
    finally:
        configure(site, "")


#: a command of each kind that asks a daemon, and (of those that read) what is written to stdout as root
COMMANDS = [
    ["squeue"],
    ["sinfo"],
    ["scontrol", "show", "config"],
    ["scontrol", "ping"],
    ["sacct"],
    ["sacctmgr", "show", "qos"],
    ["sbatch", "--wrap", "true"],
    ["srun", "true"],
    ["salloc", "true"],
    ["scancel", "-u", "nobody"],
    ["sprio"],
    ["sshare"],
    ["sdiag"],
    ["sreport", "cluster", "utilization"],
    ["scrontab", "-l"],
]


def test_every_command_shows_it_and_none_is_logged(site: Site) -> None:
    good = site.ok("scontrol", "token", "lifespan=600").strip().partition("=")[2]
    key = (site.base / "jwt.key").read_bytes()
    now = int(time.time())
    bad = [
        jwt.encode({"exp": now - 60, "sun": "root"}, key, algorithm="HS256"),
        jwt.encode({"exp": now + 60, "sun": "root"}, os.urandom(32), algorithm="HS256"),
        jwt.encode({"exp": now + 60, "sun": "root"}, None, algorithm="none"),
        "secret-nonsense-that-is-no-token",
    ]
    shown = []
    for command in COMMANDS:
        verbose = [command[0], *(["-vvv"] if command[0] in ("sbatch", "srun", "salloc", "sinfo", "squeue") else [])]
        for token in (bad[0], bad[3]):
            done = site.run(*verbose, *command[1:], env={"SLURM_JWT": token})
            said = done.stdout + done.stderr
            if command[:2] != ["scontrol", "ping"]:
                assert done.returncode != 0, (command, done)
            assert "authentication" in said or "Access" in said or "DOWN" in said, (command, done)
            assert "Traceback" not in said
            shown.append(said)
        if command[0] not in ("srun", "salloc", "scrontab"):
            done = site.run(*verbose, *command[1:], env={"SLURM_JWT": good})
            assert done.returncode == 0, (command, done)
            shown.append(done.stdout + done.stderr)
    for token in bad:
        site.run("squeue", env={"SLURM_JWT": token})
    logs = [path.read_text(errors="replace") for path in site.base.glob("*.log")]
    assert len(logs) >= 4
    assert any("refused a connection" in text for text in logs)
    for text in (*shown, *logs):
        for token in (good, *bad):
            assert not any(part in text for part in token.split(".") if len(part) > 10)
            assert token not in text


def test_what_a_token_changes(site: Site) -> None:
    token = site.ok("scontrol", "token", "username=nobody").strip().partition("=")[2]
    number = site.ok("sbatch", "-H", "--parsable", "--wrap", "true", env={"SLURM_JWT": token}).strip()
    assert site.ok("squeue", "-h", "-j", number, "-o", "%u").strip() == "nobody"
    other = site.ok("sbatch", "-H", "--parsable", "--wrap", "true").strip()
    done = site.run("scancel", other, env={"SLURM_JWT": token})
    assert "Access/permission denied" in done.stderr
    site.ok("scancel", number, env={"SLURM_JWT": token})
    site.ok("scancel", other)
