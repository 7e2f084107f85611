"""The environment of a user's login."""

import os
import pwd

from slurmpy.cli import login_environment


def test_what_a_login_gives():
    found = login_environment.of(os.getuid(), "0")
    assert found["HOME"] == pwd.getpwuid(os.getuid()).pw_dir
    assert found["PATH"]
    assert "SHLVL" not in found


def test_noise_before_the_mark_is_no_variable():
    assert login_environment.read(b"Welcome=x\n\n\0\0A=1\0B=two\nlines\0junk\0", {"H": "h"}) == {
        "H": "h",
        "A": "1",
        "B": "two\nlines",
    }
    assert login_environment.read(b"A=1", {"H": "h"}) == {}


def test_no_such_user_and_no_time():
    assert login_environment.of(4_000_000_000, "0") == {}


def test_commands(monkeypatch):
    user = pwd.struct_passwd(("anna", "x", 5001, 5000, "", "/home/anna", "/bin/bash"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert login_environment.command(user, login=True)[:4] == ["su", "-", "anna", "-c"]
    assert login_environment.command(user, login=False)[:3] == ["su", "anna", "-c"]
    monkeypatch.setattr(os, "geteuid", lambda: 5001)
    assert login_environment.command(user, login=True)[:3] == ["/bin/bash", "-l", "-c"]
