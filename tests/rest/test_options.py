"""What slurmrestd's options and variables come to, and whom it refuses to run as."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slurmpy.data_parser import registry
from slurmpy.rest import openapi, security, sockets
from slurmpy.rest.options import ENVIRONMENT, OPTIONS, VARIABLES, Fatal, Settings

NEWEST = max(registry.VERSIONS, key=lambda name: int(name.rpartition(".")[2]))


def test_the_command_line_goes_before_the_environment() -> None:
    given = {
        "SLURMRESTD_AUTH_TYPES": "local",
        "SLURMRESTD_DATA_PARSER_PLUGINS": "data_parser/v0.0.40",
        "SLURMRESTD_OPENAPI_PLUGINS": "slurmdbd",
        "SLURMRESTD_MAX_CONNECTIONS": "7",
        "SLURMRESTD_LISTEN": "127.0.0.1:1, unix:/x",
        "SLURMRESTD_DEBUG": "debug2",
        "SLURMRESTD_JSON": "compact",
        "SLURMRESTD_SECURITY": "disable_user_check,disable_unshare_files",
    }
    found = Settings([], given)
    assert (found.auth, found.versions, found.families) == (("rest_auth/local",), ("v0.0.40",), ("slurmdb",))
    assert (found.connections, found.listen, found.level, found.compact) == (7, ["127.0.0.1:1", "unix:/x"], 6, True)
    assert found.security == ("disable_user_check", "disable_unshare_files")
    words = "-a jwt -d latest -s openapi/slurmctld --max-connections 9 -t 3 -v -u a -g b -f c [::1]:5"
    found = Settings(words.split(), given)
    assert (found.auth, found.versions, found.families) == (("rest_auth/jwt",), (NEWEST,), ("slurm",))
    assert (found.connections, found.threads, found.listen, found.level) == (9, 3, ["[::1]:5"], 4)
    assert (found.user, found.group, found.conf) == ("a", "b", "c")
    assert Settings(["-a", "rest_auth/jwt,local,jwt"], {}).auth == ("rest_auth/jwt", "rest_auth/local")
    assert Settings(["-vvvvvvvvvvvv"], {}).level == 9


@pytest.mark.parametrize("option", "ads")
def test_lists(option: str) -> None:
    shown = Settings([f"-{option}", "list"], {}).show.splitlines()
    assert shown[0].startswith("Possible ")
    assert shown[0].endswith(" plugins:")
    assert all("/" in line for line in shown[1:])


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SLURMRESTD_SECURITY", "nosuch"),
        ("SLURMRESTD_SECURITY", "disable_user_check,nosuch"),
        ("SLURMRESTD_JSON", "tight"),
        ("SLURMRESTD_YAML", "tight"),
        ("SLURMRESTD_DEBUG", "loud"),
        ("SLURMRESTD_DEBUG", "10"),
        ("SLURMRESTD_RESPONSE_STATUS_CODES", "foo"),
        ("SLURMRESTD_RESPONSE_STATUS_CODES", "200, 404"),
        ("SLURMRESTD_RESPONSE_STATUS_CODES", "99"),
        ("SLURMRESTD_AUTH_TYPES", "nosuch"),
        ("SLURMRESTD_MAX_CONNECTIONS", "-1"),
    ],
)
def test_what_is_refused(variable: str, value: str) -> None:
    with pytest.raises(Fatal):
        Settings([], {variable: value})


def test_how_documents_are_written() -> None:
    assert Settings([], {"SLURMRESTD_JSON": "COMPACT", "SLURMRESTD_YAML": "Compact"}).compact
    assert Settings([], {"SLURMRESTD_RESPONSE_STATUS_CODES": ""}).statuses == ("200", "default")
    told = Settings([], {"SLURMRESTD_RESPONSE_STATUS_CODES": "200,404"}).statuses
    document = openapi.document([registry.get()], statuses=told)
    found = {status for path in document["paths"].values() for one in path.values() for status in one["responses"]}
    assert found == {"200", "404"}


def test_every_row_is_documented() -> None:
    assert all(about for *_, about in OPTIONS)
    assert not set(ENVIRONMENT) & set(VARIABLES)


NOBODY = pwd.getpwnam("nobody")


def conf(**more: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"SlurmUser": "daemon", "CommunicationParameters": None, **more})


def settings(*words: str, security: str = "") -> Settings:
    return Settings([*words, "unix:/x"], {"SLURMRESTD_SECURITY": security})


def refusal(given: Settings, configuration: SimpleNamespace) -> str:
    try:
        security.check(given, security.Owner(given), configuration)
    except Fatal as error:
        return str(error)
    return ""


def test_whom_it_runs_as() -> None:
    assert refusal(settings("-u", "nobody"), conf()) == ""
    assert refusal(settings("-u", str(NOBODY.pw_uid), "-g", str(NOBODY.pw_gid)), conf()) == ""
    assert "SlurmUser" in refusal(settings("-u", "daemon"), conf())
    assert "SlurmUser" in refusal(settings("-u", "nobody"), conf(SlurmUser="nobody"))
    assert "root user" in refusal(settings("-u", "root"), conf())
    assert "root group" in refusal(settings("-u", "nobody", "-g", "0"), conf())
    assert "SlurmUser's group" in refusal(settings("-u", "nobody", "-g", "daemon"), conf())
    for words in (["-u", "root"], ["-u", "daemon"], ["-u", "nobody", "-g", "daemon"]):
        assert refusal(settings(*words, security="disable_user_check"), conf()) == ""
        assert refusal(settings(*words), conf(CommunicationParameters="no_tcp")) == ""
    for words in (["-u", "no-such-user"], ["-g", "no-such-group"], ["-u", "99999999999999999999"]):
        with pytest.raises(Fatal, match="Unable to resolve"):
            security.Owner(settings(*words))


def test_becoming_users() -> None:
    given = Settings(["-a", "local"], {"SLURMRESTD_SECURITY": "become_user"})
    if os.geteuid() == 0:
        assert refusal(given, conf()) == ""
        assert "inetd" in refusal(settings("-a", "local", security="become_user"), conf())
        assert "rest_auth/local" in refusal(Settings([], {"SLURMRESTD_SECURITY": "become_user"}), conf())
    assert "root" in refusal(Settings(["-a", "local", "-u", "nobody"], {"SLURMRESTD_SECURITY": "become_user"}), conf())
    with pytest.raises(Fatal):
        security.become_peer(None)


@pytest.mark.parametrize("words", ["", "disable_unshare_files", "disable_unshare_sysv,disable_unshare_files"])
def test_unsharing(words: str) -> None:
    """In a process of its own, as it cannot be undone."""
    code = f"""
from slurmpy.rest import security
from slurmpy.rest.options import Settings
security.unshare(Settings([], {{"SLURMRESTD_SECURITY": {words!r}}}))
print(open("/proc/self/stat").read()[:1] != "")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize(
    "word",
    [
        "foo", ":", "127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:-1", "unix:", "::1:5", "http://127.0.0.1:0",
        "https://127.0.0.1:0", "no-such-host.invalid:0", "unix:/no/such/place/x", "127.0.0.1:٣",
    ],
)  # fmt: skip
def test_where_it_cannot_listen(word: str) -> None:
    configuration = SimpleNamespace(TLSParameters=None, TLSType="tls/none", path="/x/slurm.conf")
    with pytest.raises(Fatal):
        sockets.listeners(Settings([word], {}), configuration)


def test_where_it_listens(tmp_path: Path) -> None:
    configuration = SimpleNamespace(TLSParameters=None, TLSType="tls/none", path=f"{tmp_path}/slurm.conf")
    words = ["127.0.0.1:0", ":0", f"unix:{tmp_path}/s", "localhost:0"]
    found = sockets.listeners(Settings(words, {}), configuration)
    try:
        names = [one.name for one in found]
        assert names[0].startswith("[localhost]:")
        assert names[2] == f"unix:{tmp_path}/s"
        assert len(found) >= 4
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o666
        with pytest.raises(Fatal, match="another daemon listens"):
            sockets.listeners(Settings([f"unix:{tmp_path}/s"], {}), configuration)
        with pytest.raises(Fatal, match="unix sockets only"):
            sockets.listeners(Settings(["-a", "local", "127.0.0.1:0"], {}), configuration)
    finally:
        for one in found:
            one.socket.close()
    # what a killed daemon left is no obstacle, a file that is no socket is
    found = sockets.listeners(Settings(["-a", "local", f"unix:{tmp_path}/s"], {}), configuration)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    found[0].socket.close()
    (tmp_path / "file").write_text("kept")
    with pytest.raises(Fatal, match="no socket"):
        sockets.listeners(Settings([f"unix:{tmp_path}/file"], {}), configuration)
    assert (tmp_path / "file").read_text() == "kept"
