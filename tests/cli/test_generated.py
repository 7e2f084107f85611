"""Man pages and completions: complete, well-formed, and equal to what is in the repository."""

import shutil
import subprocess
from pathlib import Path

import pytest

from slurmpy.cli import generate
from slurmpy.cli.manual import inserted, pages, parameters, prose

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def derived():
    return generate.derived()


def test_repository_is_up_to_date():
    assert generate.differences(str(ROOT)) == []


def test_check_notices_a_difference(tmp_path):
    assert generate.run([str(tmp_path)]) == 0
    assert generate.run(["--check", str(tmp_path)]) == 0
    (tmp_path / "man/sbatch.1").write_text("old")
    (tmp_path / "man/gone.1").write_text("")
    assert sorted(generate.differences(str(tmp_path))) == [
        "man/gone.1: no table knows it",
        "man/sbatch.1: differs from the tables",
    ]
    assert generate.run(["--check", str(tmp_path)]) == 1


def test_check_notices_a_table_that_is_old(tmp_path):
    page = tmp_path / "docs/accounting.md"
    page.parent.mkdir()
    page.write_text("before\n<!-- table: slurmdbd.conf -->\nold\n<!-- end -->\nafter\n")
    assert "docs/accounting.md: differs from the tables" in generate.differences(str(tmp_path))
    assert generate.run([str(tmp_path)]) == 0
    assert generate.differences(str(tmp_path)) == []
    text = page.read_text()
    assert text.startswith("before\n<!-- table")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "| `StorageType` | " in text
    with pytest.raises(KeyError):
        inserted.filled("<!-- table: nosuch -->\n<!-- end -->")


def test_the_books_page_has_its_table():
    from slurmpy.conf.slurmdbd_conf import SlurmdbdConf

    text = (ROOT / "docs/accounting.md").read_text()
    for name, (_, _, used) in SlurmdbdConf.TABLE.items():
        assert (f"| `{name}` | " in text) == used
        assert f"`{name}`" in text


@pytest.mark.parametrize("name", pages.COMMANDS)
def test_every_option_has_its_place(name, derived):
    page = derived[f"man/{name}.1"]
    for row in pages.table(name).options:
        assert row.long.replace("-", "\\-") in page
        if row.reject is None and row.long != "--autocomplete":
            for shell in ("bash/slurmpy", "zsh/_slurmpy"):
                assert row.long in derived[f"completions/{shell}"]
            assert f" -l {row.long[2:]} " in derived["completions/fish/slurmpy.fish"]


def test_every_parameter_in_use_is_explained():
    from slurmpy.cli.manual import oci
    from slurmpy.conf import cgroup_conf, gres_conf, oci_conf, slurm_parameters, slurmdbd_conf

    assert set(oci.PATTERNS) == {f"%{one}" for one in oci_conf.REPLACEMENTS}
    for table, texts in (
        (slurm_parameters.TABLE, parameters.SLURM_CONF),
        (slurmdbd_conf.SlurmdbdConf.TABLE, parameters.SLURMDBD_CONF),
        (cgroup_conf.CgroupConf.TABLE, parameters.CGROUP_CONF),
        (oci_conf.OciConf.TABLE, oci.OCI_CONF),
        ({key: ("", None, used) for key, used in gres_conf.KEYS.items()}, parameters.GRES_CONF),
    ):
        assert {key for key, row in table.items() if row[2]} == set(texts)
    assert set(slurm_parameters.NODE_KEYS) == set(parameters.NODE)
    assert set(slurm_parameters.PARTITION_KEYS) == set(parameters.PARTITION)


def test_every_page_is_referred_to(derived):
    names = {Path(path).name for path in derived if path.startswith("man/")}
    assert {one.replace("(", ".").rstrip(")") for one in prose.SEE_ALSO} <= names


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_pages_are_roff(derived):
    text = "".join(body for path, body in derived.items() if path.startswith("man/"))
    done = subprocess.run(["groff", "-man", "-ww", "-Tascii"], input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""


def complete(words, derived, answer=""):
    """What bash offers for the last of `words`; `answer` is what the command says the cluster knows."""
    script = (
        derived["completions/bash/slurmpy"]
        + "compopt() { :; }\n"
        + f"{words[0]}() {{ echo \"$*\" >&2; printf '%s\\n' {answer}; }}\n"
        + f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _slurmpy; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split(), done.stderr


def test_bash_completes(derived):
    assert complete(["sbatch", "--part"], derived)[0] == ["--partition="]
    assert complete(["sbatch", "--mail-type", "=", "TIME_LIMIT_"], derived)[0] == [
        "TIME_LIMIT_50",
        "TIME_LIMIT_80",
        "TIME_LIMIT_90",
    ]
    assert complete(["scancel", "1"], derived, "12 13 2") == (["12", "13"], "")
    assert complete(["sbatch", "-p", "d"], derived, "debug long")[0] == ["debug"]
    assert complete(["sinfo", "-n", "n1,n"], derived, "n1 n2")[0] == ["n1,n1", "n1,n2"]
    assert complete(["scontrol", "show", "job", "1"], derived, "12")[0] == ["12"]
