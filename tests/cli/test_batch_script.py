"""Scripts and the directives in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.cli import batch_script, pbs
from slurmpy.cli.errors import Stop
from slurmpy.cli.options.sbatch import COMMAND


@pytest.mark.parametrize(
    ("directive", "words"),
    [
        (' -J "a b" # comment', ["-J", "a b"]),
        (" --comment=x#y", ["--comment=x#y"]),
        (r" -J a\ b", ["-J", "a b"]),
        (" --comment='q \"z\" '", ['--comment=q "z" ']),
        (r' --comment="a\"b"', ['--comment=a"b']),
        (" -D 'x'y\"z\"", ["-D", "xyz"]),
        ("-n 2", ["-n", "2"]),
        ('\t-J ""', ["-J", ""]),
        ("", []),
    ],
)
def test_words(directive, words):
    assert batch_script.split(directive, "s.sh", 2) == words


def test_unmatched_quote():
    with pytest.raises(Stop) as stop:
        batch_script.split(' -J x"a b', "s.sh", 2)
    assert stop.value.err == 'sbatch: fatal: s.sh: line 2: Unmatched `"` in [ x"a b]\n'


def test_directives_end_at_the_first_command():
    script = "#!/bin/sh\n#SBATCH -n1\n\n  # a remark\n#SBATCH hetjob\n#SBATCH -n2 -c3\ntrue\n#SBATCH -n4\n"
    assert batch_script.components(script) == [["-n1"], ["-n2", "-c3"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "sbatch: error: Batch script is empty!\n"),
        (b" \n\n", "sbatch: error: Batch script contains only whitespace!\n"),
        (
            b"#!/bin/sh\r\ntrue\r\n",
            "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n"
            "sbatch: error: instead of expected UNIX line breaks (\\n).\n",
        ),
        (
            b"#!/bin/sh\0",
            "sbatch: error: The Slurm controller does not allow scripts that\n"
            "sbatch: error: contain a NULL character '\\0'.\n",
        ),
    ],
)
def test_no_script(data, message):
    with pytest.raises(Stop) as stop:
        batch_script.check(data)
    assert (stop.value.err, stop.value.code) == (message, 1)


def test_directory_and_missing_file(tmp_path):
    with pytest.raises(Stop, match="1") as stop:
        batch_script.load(str(tmp_path), None)
    assert stop.value.err == "sbatch: error: Batch script is empty!\n"
    with pytest.raises(Stop) as stop:
        batch_script.load(str(tmp_path / "x"), None)
    assert stop.value.err == f"sbatch: error: Unable to open file {tmp_path}/x\n"


def test_other_bytes_survive():
    text = batch_script.check(b"#!/bin/sh\necho \xff\n")
    assert text.encode("utf-8", "surrogateescape") == b"#!/bin/sh\necho \xff\n"


def test_script_is_found_in_path(tmp_path):
    (tmp_path / "job.sh").write_text("#!/bin/sh\n")
    assert batch_script.find("job.sh", f"/nosuch:{tmp_path}") == f"{tmp_path}/job.sh"
    assert batch_script.find("other.sh", f"/nosuch:{tmp_path}") == "other.sh"


def test_pbs_lines():
    script = "#!/bin/sh\n#PBS -N name -l nodes=2:ppn=3,walltime=1:00:00\n#PBS -m abe\n#BSUB -q long\ntrue\n"
    found = [(one.option.name, one.value) for one in pbs.given(script, "s.sh", COMMAND)]
    assert found == [
        ("job-name", "name"),
        ("nodes", "2"),
        ("ntasks", "6"),
        ("time", "1:00:00"),
        ("mail-type", "FAIL,BEGIN,END"),
        ("partition", "long"),
    ]


def test_pbs_lines_without_a_counterpart():
    script = "#!/bin/sh\n#PBS -j oe\n#PBS -V -S /bin/sh\n#PBS -l vmem=5gb,pmem=1gb\n"
    assert pbs.given(script, "s.sh", COMMAND) == []
    with pytest.raises(Stop) as stop:
        pbs.given("#!/bin/sh\n#PBS -Z x\n", "s.sh", COMMAND)
    assert stop.value.err == ("sbatch: invalid option -- 'Z'\nsbatch: error: Unrecognized command line parameter ?\n")


@given(st.lists(st.text(alphabet="ab#\\'\" \t", min_size=1, max_size=6), max_size=5))
def test_quoted_words_come_back(words):
    line = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    assert batch_script.split(line, "s", 1) == words


@given(st.text(max_size=60))
def test_no_script_breaks_the_reader(text):
    try:
        batch_script.components("#!/bin/sh\n#SBATCH " + text)
    except Stop as stop:
        assert "Unmatched" in stop.err  # noqa: PT017
