"""scrun's tables, and what it makes of words, bundles and levels without a cluster."""

import csv
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.cli import scrun, scrun_bundle, scrun_job, scrun_local, scrun_staging, scrun_state
from slurmpy.cli.errors import Stop
from slurmpy.cli.options.scrun import (
    BEFORE,
    COMMAND,
    CONTAINER_VARIABLES,
    JOB_VARIABLES,
    MORE_VARIABLES,
    NO_VARIABLES,
    OPERATIONS,
    REFUSED,
    SWITCHES_WAIT,
    behind,
)
from slurmpy.cli.scrun_log import ScrunLog

VARIABLES = Path(__file__).parents[3] / "shared/reference/options/24.11/env-scrun.tsv"
RIGHT = {"ociVersion": "1.0.2", "process": {"args": ["a"], "cwd": "/"}, "root": {"path": "rootfs"}}


def stopped(*argv, env=None):
    """(exit code, output, error) of a command line that ends before it needs a cluster."""
    with pytest.raises(Stop) as caught:
        scrun.run(argv, env or {})
    return caught.value.code, caught.value.out, caught.value.err


@pytest.mark.skipif(not VARIABLES.exists(), reason=f"no reference beside the repository: {VARIABLES}")
def test_every_input_variable_of_the_release_is_known():
    with VARIABLES.open() as stream:
        wanted = {row["name"] for row in csv.DictReader(stream, delimiter="\t") if row["direction"] == "input"}
    known = {f"SCRUN_{variable}" for variable in JOB_VARIABLES.values()} | set(MORE_VARIABLES) | set(NO_VARIABLES)
    known |= {SWITCHES_WAIT, "SCRUN_DEBUG", "SCRUN_STDERR_DEBUG", "SCRUN_FILE_DEBUG", "SCRUN_SYSLOG_DEBUG"}
    assert wanted - known == set()


@pytest.mark.skipif(not VARIABLES.exists(), reason=f"no reference beside the repository: {VARIABLES}")
def test_every_output_variable_of_the_release_is_in_the_table():
    with VARIABLES.open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    wanted = {row["name"] for row in rows if row["direction"] == "output" and row["name"].startswith("SCRUN_")}
    assert wanted == {name.removesuffix("_NAME") for name, _ in CONTAINER_VARIABLES}


def test_every_variable_is_an_option_of_srun():
    for option in (*JOB_VARIABLES, *MORE_VARIABLES.values()):
        assert option in scrun_job._ROWS


def test_options_stand_on_their_side_of_the_operation():
    before = {row.long for row in BEFORE.options}
    rest = {row.long for name in OPERATIONS for row in behind(name).options}
    assert before | rest == {row.long for row in COMMAND.options}
    assert stopped("--bundle=x", "create", "y") == (
        1,
        "",
        "scrun: unrecognized option '--bundle=x'\nTry \"scrun --help\" for more information\n",
    )
    assert stopped("create", "--root=x", "y")[0] == 1


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ((), "command not provided"),
        (("frob",), "unknown command: frob"),
        (("create",), "container-id not provided"),
        (("state", "a", "b"), "Unexpected arguments"),
        (("kill", "a", "TERM", "b"), "Unexpected arguments"),
        (("version", "a"), "Unexpected arguments"),
        (("kill", "a", "FOO"), "Invalid requested signal: FOO"),
        (("kill", "a", "0"), "Invalid requested signal: 0"),
        (("create", "--bundle=/nosuch", "a"), "unable to load /nosuch/config.json: No such file or directory"),
        (("create", "--preserve-fds=1", "a"), "--preserve-fds is not supported: descriptors do not travel to the node"),
        (("start", "../a"), 'invalid container-id "../a"'),
        (("--log-format=xml", "state", "a"), 'Invalid --log-format "xml": it must be text or json'),
        (("--log=/nosuch/log", "state", "a"), "unable to open /nosuch/log: No such file or directory"),
        *(((name, "a"), f"{name} is not supported: {why}") for name, why in REFUSED.items()),
    ],
)
def test_bad_command_lines(argv, text):
    assert stopped(*argv) == (1, "", f"scrun: fatal: {text}\n")


def test_help_and_versions(capsys):
    assert stopped("--version") == (0, "scrun version 24.11.5\nspec: 1.0.0\n", "")
    assert scrun.run(["version"], {}) == 0
    assert capsys.readouterr().out == "scrun version 24.11.5\nspec: 1.0.0\n"
    assert stopped("create", "--help") == stopped("--help")
    assert all(name in stopped("--help")[1] for name in OPERATIONS)


@given(st.text(max_size=300))
def test_ids_are_names_of_files(text):
    try:
        scrun_state.check_id(text)
    except Stop:
        return
    assert "/" not in text
    assert not text.startswith(".")
    assert 0 < len(text.encode()) < 256


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ("ociVersion", "root", "process", "path", "args", "env", "cwd", "terminal", "annotations")
                ),
                inner,
            )
        ),
    )
)
def test_no_config_breaks_the_reader(config):
    """Whatever passes the check can be read."""
    if scrun_bundle.fault(config) == "":
        scrun_bundle.Bundle("/b", config)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, ""),
        ({"ociVersion": ""}, "ociVersion: must be a string"),
        ({"ociVersion": "2.0.0"}, "ociVersion: 2.0.0 is not supported"),
        ({"root": None}, "root.path: must be a string"),
        ({"process": {"args": [], "cwd": "/"}}, "process.args: must be a list of at least one string"),
        ({"process": {"args": ["a\0"], "cwd": "/"}}, "process.args: must be a list of at least one string"),
        ({"process": {"args": ["a"], "cwd": "x"}}, "process.cwd: must be an absolute path"),
        ({"process": {"args": ["a"], "cwd": "/", "env": "A=1"}}, "process.env: must be a list of strings"),
        ({"process": {"args": ["a"], "cwd": "/", "terminal": 1}}, "process.terminal: must be true or false"),
        ({"annotations": {"a": 1}}, "annotations: must be an object of strings"),
    ],
)
def test_what_is_wrong_with_a_config(change, text):
    assert scrun_bundle.fault({**RIGHT, **change}) == text


def test_job_options_and_who_wins():
    env = {"SCRUN_NTASKS": "2", "SCRUN_REQ_SWITCH": "1", "SCRUN_WAIT4SWITCH": "5", "SCRUN_EXACT": "no", "OTHER": "x"}
    options = scrun_job.options_of(env, {"slurm.ntasks": "3", "slurm.exclusive": "user", "else": "x"})
    assert options.get("ntasks") == 3
    assert options.get("switches")[0] == 1
    assert options.get("exclusive") == "user"
    assert "exact" not in options
    for variable, text in (("SCRUN_THREADS", "without threads"), ("SCRUN_POWER", "no power management")):
        with pytest.raises(Stop) as caught:
            scrun_job.options_of({variable: "1"}, {})
        assert f"{variable} is not supported: " in caught.value.err
        assert text in caught.value.err


def test_options_of_the_site():
    options = scrun_job.options_of({"SCRUN_NTASKS": "2"}, {}, ("--ntasks=4", "--comment", "all"))
    assert options.get("ntasks") == 2
    assert options.get("comment") == "all"
    for arguments, text in (
        (("hostname",), "SrunArgs of oci.conf: hostname: not an option"),
        (("--pty",), "SrunArgs of oci.conf: --pty cannot be given for containers of scrun"),
        (("--nosuch",), "unrecognized option '--nosuch'"),
    ):
        with pytest.raises(Stop) as caught:
            scrun_job.options_of({}, {}, arguments)
        assert text in caught.value.err


def test_levels_of_messages(tmp_path, capsys):
    log = ScrunLog({}, str(tmp_path / "log"), "json")
    log.error("one")
    log.info("two")
    assert capsys.readouterr().err == "scrun: error: one\n"
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["msg"] == "one"
    assert json.loads(line)["level"] == "error"
    log = ScrunLog({"SCRUN_DEBUG": "quiet", "SCRUN_FILE_DEBUG": "debug"}, str(tmp_path / "text"))
    log.error('say "this"')
    log.debug("that")
    assert capsys.readouterr().err == ""
    first, second = (tmp_path / "text").read_text().splitlines()
    assert first.endswith('level=error msg="say \\"this\\""')
    assert second.endswith('level=debug msg="that"')
    with pytest.raises(Stop):
        ScrunLog({"SCRUN_DEBUG": "loud"})


def test_a_config_for_a_node_without_privileges():
    config = json.loads(json.dumps(RIGHT)) | {
        "mounts": [{"destination": "/sys/fs/cgroup", "type": "cgroup"}, {"destination": "/x", "options": ["uid=4"]}],
        "linux": {"resources": {"devices": []}},
    }
    scrun_local.portable(config, 1000, 1001)
    assert config["mounts"] == [{"destination": "/x"}]
    assert config["linux"] == {
        "namespaces": [{"type": "user"}],
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": 1001, "size": 1}],
    }


def test_scrun_py_beside_slurm_conf(tmp_path):
    conf = tmp_path / "slurm.conf"
    assert scrun_staging.find(None, str(conf)) is scrun_staging.NONE
    file = tmp_path / "scrun.py"
    file.write_text("def stage_in(container):\n    return 7\n")
    found = scrun_staging.find(None, str(conf))
    assert found.name == str(file)
    with pytest.raises(Stop) as caught:
        found.run("stage_in", None)
    assert caught.value.err == f"scrun: error: stage_in of {file} failed: 7\n"
    found.run("stage_out", None)
    assert scrun_staging.find("none", str(conf)) is scrun_staging.NONE
    assert scrun_staging.find("local", str(conf)).functions is scrun_local
    for text, why in (("x = 1\n", "has neither stage_in nor stage_out"), ("x =", "SyntaxError")):
        file.write_text(text)
        with pytest.raises(Stop) as caught:
            scrun_staging.find(None, str(conf))
        assert why in caught.value.err


def test_what_a_killed_create_leaves(tmp_path, capsys):
    """It had no anchor yet, or that was killed, too."""
    root = str(tmp_path / "root")
    place = scrun_state.Place(scrun_state.open_root(root, make=True), "left")
    record = {
        "id": "left", "status": "creating", "pid": 0, "bundle": "/b", "submission_bundle": "/b", "oci_version": "1.0.0",
        "annotations": {}, "job_id": 0, "job_over": False, "conf": "", "staged_in": False, "staged_out": False,
        "staging": "",
    }  # fmt: skip
    lock = place.make(record)
    assert place.is_held()
    with pytest.raises(Stop, match="1"):
        place.make(record)
    os.close(lock)
    assert scrun.run([f"--root={root}", "state", "left"], {}) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "stopped"
    assert scrun.run([f"--root={root}", "delete", "left"], {}) == 0
    assert os.listdir(root) == []


def test_what_is_half_done_is_swept_away(tmp_path):
    root = scrun_state.open_root(str(tmp_path / "root"), make=True)
    for name in (".new-999999999-aa", ".new-x-bb"):
        (tmp_path / "root" / name).mkdir()
    place = scrun_state.Place(root, "next")
    os.close(place.make({"id": "next"}))
    assert os.listdir(root) == ["next"]
    place.remove()
    assert os.listdir(root) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"id": 3}'])
def test_a_record_that_is_none(tmp_path, text):
    place = scrun_state.Place(scrun_state.open_root(str(tmp_path), make=True), "odd")
    os.mkdir(place.path)
    assert place.read() is None
    (tmp_path / "odd/state.json").write_text(text)
    with pytest.raises(Stop) as caught:
        place.read()
    assert caught.value.err == f"scrun: fatal: unable to parse {place.path}/state.json\n"
