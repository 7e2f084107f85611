"""Operations of the runtime: what they say, how long they may take, what they leave."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.node.oci import calls
from slurmpy.node.oci.calls import Outcome
from tests.node.conftest import processes_with, wait_for

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_is_said_and_how_it_ends():
    before = descriptors()
    outcome = calls.call("echo out; echo err >&2; exit 3", ENVIRONMENT)
    assert (outcome.status, outcome.text, outcome.told) == (3 << 8, "out\nerr\n", "exit code 3: out err")
    assert outcome.refused
    outcome = calls.call("kill -9 $$", ENVIRONMENT)
    assert (outcome.status, outcome.told, outcome.refused) == (9, "signal 9", False)
    assert calls.call("cat", ENVIRONMENT).status == 0, "there is nothing to read"
    assert descriptors() == before


def test_what_is_said_is_one_line_that_can_be_shown():
    assert calls.call(r"printf 'a\n\033[2Jb\377'", ENVIRONMENT).told == "exit code 0: a \\x1b[2Jb\ufffd"


def test_only_the_last_of_much_is_kept():
    outcome = calls.call("head -c 3000000 /dev/zero | tr '\\0' x; echo end", ENVIRONMENT)
    assert len(outcome.text) == calls.MAX_OUTPUT
    assert outcome.text.endswith("xend\n")
    assert len(outcome.told) < 900


@pytest.mark.parametrize(("text", "told"), [
    ("/no/such/program a", "exit code 127: /no/such/program: No such file or directory"),
    ("/etc/passwd a", "exit code 127: /etc/passwd: Permission denied"),
    ("/usr a", "exit code 127: /usr: Permission denied"),
    ("no-such-program-at-all", "exit code 127: "),
])  # fmt: skip
def test_a_program_that_cannot_be_run(text, told):
    before = descriptors()
    outcome = calls.call(text, ENVIRONMENT)
    assert outcome.told.startswith(told)
    assert not outcome.refused, "it is not the runtime that says so"
    assert descriptors() == before


def test_what_the_shell_knows_itself():
    assert calls.call("exit 7", ENVIRONMENT).status == 7 << 8
    assert calls.call("umask 077", ENVIRONMENT).status == 0
    assert calls.call("exec echo a", ENVIRONMENT).text == "a\n"


def test_the_path_is_the_environments(tmp_path):
    (tmp_path / "runtime").write_text("#!/bin/sh\necho mine $A\n")
    (tmp_path / "runtime").chmod(0o755)
    assert calls.call("runtime", {"PATH": f"{tmp_path}:/bin:/usr/bin", "A": "b"}).text == "mine b\n"


def test_who_hangs_is_ended_with_all_below():
    began = time.monotonic()
    outcome = calls.call("echo so far; sleep 87001 | cat; true", ENVIRONMENT, seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert outcome.told == "signal 9: it took longer than 0 s so far"
    assert wait_for(lambda: not processes_with("sleep\x0087001"))


def test_who_leaves_a_child_with_the_pipe_does_not_hold_us():
    began = time.monotonic()
    try:
        assert calls.call("sleep 87002 & echo done", ENVIRONMENT).text == "done\n"
        assert time.monotonic() - began < 5
    finally:
        for pid in processes_with("sleep\x0087002"):
            os.kill(pid, 9)


# ---------------------------------------------------------------- what a query says


@pytest.mark.parametrize(("text", "state"), [
    ('{"status": "running", "pid": 7}', ("running", 7)),
    ('warning: x\n{"status": "stopped", "pid": 0}\nmore', ("stopped", 0)),
    ('{"status": "created"}', ("created", 0)),
    ('{"status": "running", "pid": true}', ("running", 0)),
    ('{"status": "running", "pid": 1e3}', ("running", 0)),
    ('{"status": "running", "pid": 99999999999999999999}', ("running", 0)),
    ('{"status": "running", "pid": -5}', ("running", 0)),
    ("[]", None), ("", None), ("{", None), ("nothing", None), ("{" * 100000, None),
])  # fmt: skip
def test_states(text, state):
    found = calls.state_of(Outcome(0, text))
    assert (found and (found.status, found.pid)) == state
    assert calls.state_of(Outcome(1 << 8, text)) is None


@given(st.text(max_size=30) | st.text('{}[]":,1e-pidstau ', max_size=40))
def test_any_answer_is_a_state_or_none(text):
    found = calls.state_of(Outcome(0, text))
    assert found is None or 0 <= found.pid < 1 << 31


# ---------------------------------------------------------------- removal


@pytest.fixture
def runtime(tmp_path):
    """A runtime whose one container is a file; each operation is noted, and may be given something else to do."""

    class Runtime:
        def __init__(self):
            self.state, self.log = tmp_path / "state", tmp_path / "log"
            self.log.touch()
            self.does = {
                "query": f"cat {self.state}",
                "kill": f"""echo '{{"status": "stopped"}}' > {self.state}""",
                "delete": f"rm {self.state}",
            }

        def remove(self, **more):
            lines = [f"echo {name} >> {self.log}; {self.does[name]}" for name in ("query", "kill", "delete")]
            return calls.remove(*lines, ENVIRONMENT, **more)

        def called(self):
            return self.log.read_text().split()

    return Runtime()


def test_nothing_is_there(runtime):
    assert runtime.remove() is None
    assert runtime.called() == ["query"]
    assert runtime.remove(aborted=True) is None
    assert runtime.called() == ["query", "query", "delete"]


def test_a_running_one_is_killed_and_deleted(runtime):
    runtime.state.write_text('{"status": "running", "pid": 5}')
    assert runtime.remove() is None
    assert runtime.called() == ["query", "kill", "query", "delete"]
    assert not runtime.state.exists()


def test_a_stopped_one_is_deleted(runtime):
    runtime.state.write_text('{"status": "stopped"}')
    assert runtime.remove() is None
    assert runtime.called() == ["query", "delete"]


@pytest.mark.parametrize("query", ["kill -9 $$", "echo no json", "exit 127", "sleep 87003"])
def test_a_query_that_does_not_answer(runtime, query):
    """Nobody knows whether there is a container: it must not be left."""
    runtime.state.write_text("x")
    runtime.does["query"] = query
    problem = runtime.remove(seconds=0.3)
    assert problem.startswith("RunTimeQuery failed with ")
    assert runtime.called() == ["query", "kill", "delete"]
    assert not runtime.state.exists()
    assert wait_for(lambda: not processes_with("sleep\x0087003"))


def test_kill_that_fails(runtime):
    runtime.state.write_text('{"status": "running"}')
    runtime.does["kill"] = "echo never; exit 4"
    assert runtime.remove() == "RunTimeKill failed with exit code 4: never"
    assert not runtime.state.exists()


def test_delete_that_fails(runtime):
    runtime.state.write_text('{"status": "stopped"}')
    runtime.does["delete"] = "echo busy; exit 5"
    assert runtime.remove() == "RunTimeDelete failed with exit code 5: busy"


def test_all_together_is_bounded(runtime):
    runtime.state.write_text('{"status": "running"}')
    runtime.does = dict.fromkeys(runtime.does, "sleep 87004")
    began = time.monotonic()
    assert "RunTimeQuery failed with signal 9: it took longer than 1 s" in runtime.remove(until=began)
    assert time.monotonic() - began < 10
    assert wait_for(lambda: not processes_with("sleep\x0087004"))


# ---------------------------------------------------------------- environments


def test_what_is_left_out():
    found = calls.environment_without({"A": "1", "AB": "2", "C": "x\ny"}, "^(A=|C=.*y$)")
    assert found == {"AB": "2"}
    assert calls.environment_without({"A": "1"}, None) == {"A": "1"}
