"""oci.conf: every key, every bad value, which operations belong together."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmpy.conf import oci_conf
from slurmpy.conf.errors import ConfError

RUN = """\
RunTimeQuery="runc state %n.%u.%j.%s.%t"
RunTimeKill="runc kill -a %n.%u.%j.%s.%t"
RunTimeDelete="runc delete --force %n.%u.%j.%s.%t"
RunTimeRun="runc run %n.%u.%j.%s.%t -b %b"
"""


@pytest.fixture
def load(tmp_path):
    def read(text: str) -> oci_conf.OciConf:
        (tmp_path / "oci.conf").write_text(text)
        conf = oci_conf.load(str(tmp_path / "oci.conf"))
        assert conf is not None
        return conf

    return read


def refusal(load, text: str) -> str:
    with pytest.raises(ConfError) as raised:
        load(text)
    assert raised.value.message == "Unable to process oci.conf"
    (line,) = raised.value.details
    return line


def test_without_a_file_there_are_no_containers(tmp_path):
    assert oci_conf.load(str(tmp_path / "oci.conf")) is None


#: key: (what is written, what `settings` has of it)
GOOD = {
    "ContainerPath": ("/var/run/%u/%j.%s.%t", "/var/run/%u/%j.%s.%t"),
    "CreateEnvFile": ("newline", "newline"),
    "DebugFlags": ("Steps", "Steps"),
    "DisableCleanup": ("yes", True),
    "DisableHooks": ("PRESTART,createcontainer", ("prestart", "createContainer")),
    "EnvExclude": ('"^(A|B)="', "^(A|B)="),
    "FileDebug": ("debug2", 6),
    "IgnoreFileConfigJson": ("true", True),
    "MountSpoolDir": ("/spool/%t", "/spool/%t"),
    "RunTimeCreate": ("", ""),
    "RunTimeDelete": ("d", "d"),
    "RunTimeEnvExclude": ('"^[[:upper:]]+="', "^[[:upper:]]+="),
    "RunTimeKill": ("k", "k"),
    "RunTimeQuery": ("q", "q"),
    "RunTimeRun": ('"run %% %@ %b %e %j %m %n %p %r %s %t %u %U"', "run %% %@ %b %e %j %m %n %p %r %s %t %u %U"),
    "RunTimeStart": ("", ""),
    "StdIODebug": ("5", 5),
    "SyslogDebug": ("QUIET", 0),
}


def test_every_key(load):
    assert set(GOOD) | {"SrunArgs", "SrunPath"} == set(oci_conf.OciConf.TABLE)
    conf = load("".join(f"{name.upper()} = {value}\n" for name, (value, _) in GOOD.items()))
    assert conf.settings() == {name: value for name, (_, value) in GOOD.items()}
    conf = load(f'{RUN}SrunPath=/usr/bin/srun\nSrunArgs=-n\nSrunArgs="two words" # one entry an argument\n')
    assert (conf.SrunPath, conf.srun_arguments) == ("/usr/bin/srun", ["-n", "two words"])


def test_what_is_not_set(load):
    found = load(RUN).settings()
    assert (found["CreateEnvFile"], found["DisableHooks"], found["DisableCleanup"]) == ("", (), False)
    assert [found[name] for name in ("FileDebug", "StdIODebug", "SyslogDebug", "EnvExclude", "ContainerPath")] == [
        None
    ] * 5


@pytest.mark.parametrize(("said", "meant"), [
    ("null", "null"), ("true", "null"), ("NewLine", "newline"), ("false", ""), ("disabled", ""),
])  # fmt: skip
def test_forms_of_the_environment_file(load, said, meant):
    assert load(f"{RUN}CreateEnvFile={said}\n").settings()["CreateEnvFile"] == meant


BAD = [
    ("RunTimeRum=x", "unrecognized key: RunTimeRum"),
    ('EnvExclude="("', 'EnvExclude: "(" is no regular expression: Unmatched ( or \\('),
    ('RunTimeEnvExclude="[[:x:]]"', 'RunTimeEnvExclude: "[[:x:]]" is no regular expression: '
     "Invalid character class name"),
    ('EnvExclude="a{99999999}"', 'EnvExclude: "a{99999999}" is no regular expression: Regular expression too big'),
    ("CreateEnvFile=yes", '"yes" is not a valid option for "CreateEnvFile": null, newline or disabled'),
    ("DisableHooks=prestart,postmortem", '"postmortem" is no hook of an OCI container: prestart, createRuntime, '
     "createContainer, startContainer, poststart, poststop"),
    ("DisableCleanup=perhaps", '"perhaps" is not a valid option for "DisableCleanup"'),
    ("IgnoreFileConfigJson=2", '"2" is not a valid option for "IgnoreFileConfigJson"'),
    ("FileDebug=loud", '"loud" is not a level of logging for "FileDebug"'),
    ("StdIODebug=10", '"10" is not a level of logging for "StdIODebug"'),
    (f"SyslogDebug={'9' * 5000}", f'"{"9" * 5000}" is not a level of logging for "SyslogDebug"'),
    ("SrunPath=srun", 'SrunPath has to be an absolute path, not "srun"'),
    ("ContainerPath=a/b", 'ContainerPath has to be an absolute path, not "a/b"'),
    ("ContainerPath=/%x", 'ContainerPath: unexpected replacement character "%x"'),
    ("MountSpoolDir=a/b", 'MountSpoolDir has to be an absolute path, not "a/b"'),
    ("MountSpoolDir=/a%", 'MountSpoolDir: unexpected replacement character "%"'),
    ("RunTimeStart=%%%y", 'RunTimeStart: unexpected replacement character "%y"'),
    ("RunTimeQuery=again", "RunTimeQuery is set in line 1 already"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "why"), BAD, ids=[line[:30] for line, _ in BAD])
def test_a_bad_line_is_named(load, tmp_path, line, why):
    assert refusal(load, f"{RUN}# a comment\n{line}\n") == f"{tmp_path}/oci.conf line 6: {why}"


def test_a_line_that_is_none(load, tmp_path):
    assert refusal(load, f"{RUN}RunTimeRun\n") == f'Parse error in file {tmp_path}/oci.conf line 5: "RunTimeRun"'


@pytest.mark.parametrize("ignored", [False, True])
def test_which_operations_go_together(load, ignored):
    """All of query, kill and delete; and run alone, or both of create and start. Who ignores config.json may have a
    run alone."""
    rest = {"RunTimeQuery", "RunTimeKill", "RunTimeDelete"}
    for count in range(len(oci_conf.OPERATIONS) + 1):
        for chosen in map(set, itertools.combinations(oci_conf.OPERATIONS, count)):
            text = "".join(f"{name}=x\n" for name in sorted(chosen)) + f"IgnoreFileConfigJson={ignored}\n"
            apart = chosen & {"RunTimeCreate", "RunTimeStart"}
            if "RunTimeRun" in chosen:
                good = not apart and (ignored or rest <= chosen)
            else:
                good = len(apart) == 2 and rest <= chosen
            if good:
                load(text)
            else:
                line = refusal(load, text)
                assert "oci.conf: " in line
                assert "RunTime" in line


@given(st.text("%@bjX ", max_size=12))
def test_a_pattern_is_refused_exactly_where_expanding_would_leave_something(text):
    naive = text.replace("%%", "\0")
    for letter in oci_conf.REPLACEMENTS[1:]:
        naive = naive.replace(f"%{letter}", "\0")
    try:
        oci_conf.check_pattern("X", text)
    except ConfError:
        assert "%" in naive
    else:
        assert "%" not in naive
