"""Slurm's getopt behaviour over an option table."""

import getopt as python_getopt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.cli.command import Command, Option
from slurmpy.cli.errors import Stop, guarded

OPTIONS = (
    Option("--cluster", argument="required", alias="clusters"),
    Option("--clusters", "-M", argument="required"),
    Option("--json", argument="optional"),
    Option("--network", argument="required"),
    Option("--nice", argument="optional"),
    Option("--no-kill", "-k", argument="optional"),
    Option("--nodes", "-N", argument="required", metavar="N", env="TEST_NODES", help="How many nodes."),
    Option("--noheader", "-h"),
    Option("--old", argument="required", reject="it went with the old days"),
    Option("--quiet", "-Q", env="TEST_QUIET"),
    Option("--verbose", "-v", count=True, env="TEST_DEBUG"),
)
COMMAND = Command("test", OPTIONS, usage="[OPTIONS] [FILE]", about="A test.\n\nOf options.", usage_code=255)
SCRIPT = Command("test", OPTIONS, permute=False)


def parse(*argv, env=None, command=COMMAND):
    parsed = command.parse(argv, env)
    return [(one.option.name, one.value) for one in parsed.given], parsed.operands


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-N3"], ([("nodes", "3")], [])),
        (["-N", "3"], ([("nodes", "3")], [])),
        (["--nodes=3"], ([("nodes", "3")], [])),
        (["--nodes", "3"], ([("nodes", "3")], [])),
        (["--nod", "3"], ([("nodes", "3")], [])),
        (["--nodes="], ([("nodes", "")], [])),
        (["-vvQN3"], ([("verbose", None), ("verbose", None), ("quiet", None), ("nodes", "3")], [])),
        (["--json", "v1"], ([("json", None)], ["v1"])),
        (["--json=v1"], ([("json", "v1")], [])),
        (["--json="], ([("json", "")], [])),
        (["-k", "x"], ([("no-kill", None)], ["x"])),
        (["-koff"], ([("no-kill", "off")], [])),
        (["--clu", "a"], ([("clusters", "a")], [])),  # two spellings of one option are no ambiguity
        (["a", "-Q", "b"], ([("quiet", None)], ["a", "b"])),
        (["a", "--", "-Q"], ([], ["a", "-Q"])),
        (["-"], ([], ["-"])),
        (["-N", "--"], ([("nodes", "--")], [])),
    ],
)
def test_reads(argv, expected):
    assert parse(*argv) == expected


def test_stops_at_the_first_operand():
    assert parse("-Q", "a", "-v", command=SCRIPT) == ([("quiet", None)], ["a", "-v"])
    assert parse("-Q", "--", "-v", command=SCRIPT) == ([("quiet", None)], ["-v"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nosuch"], "unrecognized option '--nosuch'"),
        (["--nosuch=4"], "unrecognized option '--nosuch=4'"),
        (["-Z"], "invalid option -- 'Z'"),
        (["-QZ"], "invalid option -- 'Z'"),
        (["-N"], "option requires an argument -- 'N'"),
        (["--nodes"], "option '--nodes' requires an argument"),
        (["--quiet=1"], "option '--quiet' doesn't allow an argument"),
        (
            ["--n=2"],
            "option '--n=2' is ambiguous; possibilities: '--network' '--nice' '--no-kill' '--nodes' '--noheader'",
        ),
    ],
)
def test_refuses(argv, message):
    with pytest.raises(Stop) as stop:
        COMMAND.parse(argv)
    assert stop.value.err == f'test: {message}\nTry "test --help" for more information\n'
    assert stop.value.code == 255
    assert stop.value.out == ""


def test_rejected_option_is_refused_by_name():
    with pytest.raises(Stop) as stop:
        COMMAND.parse(["--old=1"])
    assert stop.value.err == "test: error: --old is not supported: it went with the old days\n"


def test_environment_gives_way_to_the_line():
    parsed = COMMAND.parse(["-N2"], {"TEST_NODES": "7", "TEST_QUIET": "", "TEST_DEBUG": "3"})
    assert parsed.get("nodes") == "2"
    assert parsed.origin("nodes") == "command line"
    assert parsed.flag("quiet")
    assert parsed.count("verbose") == 3
    assert COMMAND.parse(["-v"], {"TEST_DEBUG": "3"}).count("verbose") == 1
    assert COMMAND.parse([], {"TEST_NODES": "7"}).get("nodes") == "7"
    assert "json" not in parsed
    assert COMMAND.parse(["--json"]).get("json") is True


def test_help_usage_version():
    for argv, start in ((["--help"], "Usage: test [OPTIONS] [FILE]\n"), (["--usage"], "Usage: test [-hvQV]")):
        with pytest.raises(Stop) as stop:
            COMMAND.parse(argv)
        assert stop.value.out.startswith(start)
        assert stop.value.code == 0
        assert max(map(len, stop.value.out.splitlines())) <= 80
    with pytest.raises(Stop) as stop:
        COMMAND.parse(["-V", "--nosuch"])  # what comes first wins
    assert stop.value.out == "slurm 24.11.5\n"
    text = COMMAND.help()
    for row in OPTIONS:
        assert row.long in text
    with pytest.raises(Stop) as stop:
        COMMAND.parse(["--autocomplete=no"])
    assert stop.value.out.split() == ["--no-kill", "--nodes", "--noheader"]


@given(
    st.lists(
        st.sampled_from(["-Q", "-v", "-N", "3", "--nodes=4", "--", "-", "a", "--clusters", "-Mx", "-QvN5", "--quiet"]),
        max_size=7,
    )
)
def test_agrees_with_python_getopt(argv):
    """An independent reading of the same words, for options that both know."""
    try:
        expected = python_getopt.gnu_getopt(argv, "QvN:M:", ["nodes=", "clusters=", "quiet", "verbose"])
    except python_getopt.GetoptError:
        with pytest.raises(Stop):
            COMMAND.parse(argv)
        return
    names = {"-Q": "quiet", "-v": "verbose", "-N": "nodes", "-M": "clusters"}
    wanted = [(names.get(key, key.lstrip("-")), value or None) for key, value in expected[0]]
    assert parse(*argv) == (wanted, expected[1])


def test_whatever_happens_is_a_message(capsys):
    def broken(argv, env):
        raise KeyError("oh")

    assert guarded("test", broken, [], {}) == 1
    err = capsys.readouterr().err
    assert err.startswith("test: fatal: internal error: KeyError")
    assert "Traceback" not in err


def test_click_sees_the_same_table():
    from click.testing import CliRunner

    seen = []

    def run(argv, env):
        seen.append(list(argv))
        COMMAND.parse(argv, env)
        return 3

    command = COMMAND.click(run)
    assert {name for param in command.params for name in param.opts} >= {row.long for row in OPTIONS}
    assert CliRunner().invoke(command, ["-N2", "x"]).exit_code == 3
    assert seen == [["-N2", "x"]]
    assert CliRunner().invoke(command, ["--nosuch"]).exit_code == 255
