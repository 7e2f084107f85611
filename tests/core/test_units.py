import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.core import errors, exitcode, signals, sizes, tres
from slurmpy.core.errors import SlurmError


@pytest.mark.parametrize(
    ("text", "mib"),
    [("100", 100), ("1G", 1024), ("2048K", 2), ("500K", 1), ("1T", 1048576), ("1GB", 1024), ("10g", 10240), ("0", 0)],
)
def test_memory(text, mib):
    assert sizes.parse_mem(text) == mib


@pytest.mark.parametrize("text", ["1.5G", "100B", "-1", "abc", "", "1P", "G"])
def test_bad_memory(text):
    with pytest.raises(ValueError, match="Invalid size"):
        sizes.parse_mem(text)


@pytest.mark.parametrize(
    ("mib", "shown"),
    [
        (100, "100M"), (1024, "1G"), (1536, "1.50G"), (64000, "62.50G"), (1500, "1500M"), (1000000, "1000000M"),
        (3072000, "3000G"), (1048576, "1T"), (0, "0"), (1025, "1025M"), (16000, "16000M"),
    ],
)  # fmt: skip
def test_units(mib, shown):
    assert sizes.format_mem(mib) == shown


@given(st.integers(0, 1 << 40))
def test_units_keep_the_amount(mib):
    text = sizes.format_mem(mib)
    assert tres.parse(f"mem={text}") == {"mem": mib}


def test_tres():
    text = "cpu=2,mem=1000M,node=1,billing=6,gres/gpu=2,gres/gpu:a100=2,license/matlab=2"
    counts = tres.parse(text)
    assert counts["mem"] == 1000
    assert tres.format(counts) == text
    assert tres.format({"gres/gpu": 1, "node": 1, "cpu": 0, "mem": 2048}) == "mem=2G,node=1,gres/gpu=1"
    assert tres.add(counts, {"cpu": 3, "x": 1})["cpu"] == 5
    assert tres.subtract({"cpu": 2}, {"cpu": 5}) == {"cpu": 0}
    for bad in ("cpu", "cpu=x", "=1"):
        with pytest.raises(SlurmError):
            tres.parse(bad)


def test_gres_requests():
    assert tres.parse_gres("gpu:a100:2,gpu,gres/gpu=2K,gres:tmp:3") == (
        ("gpu", "a100", 2), ("gpu", "", 1), ("gpu", "", 2048), ("tmp", "", 3)
    )  # fmt: skip
    assert tres.canonical_gres("gpu:1,gres/gpu=2") == "gres/gpu:1,gres/gpu=2"
    assert tres.gres_counts([("gpu", "a100", 2), ("gpu", "v100", 1)]) == {
        "gres/gpu": 3, "gres/gpu:a100": 2, "gres/gpu:v100": 1
    }  # fmt: skip
    for bad in ("gpu:a:b:c", "gpu::2", ""):
        with pytest.raises(SlurmError):
            tres.parse_gres(bad)


@given(st.integers(0, 255), st.integers(0, 64))
def test_exit_codes(code, signal):
    status = exitcode.make(code, signal)
    assert exitcode.parse(exitcode.format(status)) == status
    assert exitcode.format(status) == f"{code}:{signal}"
    assert exitcode.shell_code(status) == (128 + signal if signal else code)


def test_signals():
    import signal

    for number, name in signals.NAMES.items():
        if hasattr(signal, f"SIG{name}"):
            assert getattr(signal, f"SIG{name}") == number
    assert signals.parse("USR1") == signals.parse("sigusr1") == signals.parse("10") == 10
    for bad in ("NOSUCH", "65", "", "-1"):
        with pytest.raises(ValueError, match="not a signal"):
            signals.parse(bad)


def test_errors():
    numbers = [number for number, _ in errors.TABLE.values()]
    assert len(set(numbers)) == len(numbers)
    error = SlurmError.from_number(2017, data={"job_id": 3})
    assert (error.name, error.number, error.message) == ("ESLURM_INVALID_JOB_ID", 2017, "Invalid job id specified")
    assert SlurmError.from_number(22).message == os.strerror(22)
    assert errors.message_of(99999) == "Unknown error 99999"
    assert SlurmError("ESLURM_INTERNAL", "own words").message == "own words"
