import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurmpy.conf import cgroup_conf, gres_conf, locate, slurm_conf, slurmdbd_conf
from slurmpy.conf.errors import ConfError
from slurmpy.conf.slurm_parameters import TABLE
from slurmpy.core.records.base import INFINITE

GOLDEN = Path(__file__).parents[3] / "shared/reference/golden/slurm-24.11"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="the reference captures are not beside the repository")
BASE = "ClusterName=X\nSlurmctldHost=h(10.0.0.1)\n"


@pytest.fixture
def load(tmp_path):
    def load(text, base=BASE):
        path = tmp_path / "slurm.conf"
        path.write_text(base + text)
        return slurm_conf.load(str(path))

    return load


def test_syntax(load, tmp_path):
    (tmp_path / "more.conf").write_text("minjobage=7 # seconds\nNodeName=m1\n")
    conf = load(
        'kILLwait = 5\n# KillWait=6\nInclude more.conf\nPrologFlags="Alloc"\n'
        'NodeName=n[1-2] \\\n  CPUs=4 Reason="two words # no comment\\# here" State=DOWN\n'.replace("# no", "no")
    )
    assert (conf.KillWait, conf.MinJobAge, conf.PrologFlags) == (5, 7, "Alloc")
    assert [node.NodeName for node in conf.nodes] == ["m1", "n[1-2]"]
    assert conf.nodes[1].Reason == "two words no comment# here"
    assert conf.ClusterName == "x"
    assert conf.SlurmctldHost == (("h", "10.0.0.1"),)
    assert conf.controller_address() == "10.0.0.1"
    assert conf.warnings == ["PrologFlags"]


def test_defaults_are_those_of_the_table(load):
    conf = load("")
    for name, (_, default, _) in TABLE.items():
        if name not in conf.given:
            assert getattr(conf, name) == default
    with pytest.raises(AttributeError):
        _ = conf.NoSuch


@pytest.mark.parametrize(
    ("line", "details"),
    [
        ("Nosuch=1", ["_parse_next_key: Parsing error at unrecognized key: Nosuch"]),
        ("KillWait=abc", ['KillWait value "abc" is not a valid number']),
        ("KillWait", ['Parse error in file {path} line 3: "KillWait"']),
        ("KillWait=70000", ["KillWait value (70000) is greater than 65535"]),
        ("MaxJobCount=-1", ["MaxJobCount value (-1) is less than zero"]),
        ("KillWait=5 MinJobAge=7", ['Parse error in file {path} line 3: " MinJobAge=7"']),
        ('KillWait="5', ['KillWait value ""5" is not a valid number']),
        ("DisableRootJobs=maybe", ['"maybe" is not a valid option for "DisableRootJobs"']),
        ("foo bar", ['Parse error in file {path} line 3: "foo bar"']),
        (
            "NodeName=n2 Foo=1",
            ["Parsing error at unrecognized key: Foo", 'Parse error in file {path} line 3: " Foo=1"'],
        ),
        ("PartitionName=q MaxTime=abc", ['Bad value "abc" for MaxTime']),
        ("PartitionName=q State=foo", ['Bad value "foo" for State']),
        ("PartitionName=q OverSubscribe=1", ['Bad value "1" for OverSubscribe']),
        ("SelectTypeParameters=foo", ["Bad SelectTypeParameter: foo"]),
        ("DebugFlags=nosuch", ["Invalid DebugFlag: nosuch", "DebugFlags invalid: nosuch"]),
        ("PreemptMode=foo", ["PreemptMode=foo invalid"]),
        ("PriorityDecayHalfLife=abc", ['Bad value "abc" for PriorityDecayHalfLife']),
        (
            "Include /nosuch",
            [
                "s_p_parse_file: cannot stat file /nosuch: No such file or directory",
                '"Include" failed in file {path} line 3',
            ],
        ),
    ],
)
def test_errors_are_slurms(load, tmp_path, line, details):
    with pytest.raises(ConfError) as caught:
        load(line + "\n")
    assert list(caught.value.details) == [text.format(path=tmp_path / "slurm.conf") for text in details]
    assert caught.value.message == "Unable to process configuration file"


def test_what_a_cluster_needs(load):
    with pytest.raises(ConfError) as caught:
        load("SlurmctldHost=h\n", base="")
    assert caught.value.details == ("ClusterName needs to be specified",)
    with pytest.raises(ConfError, match="SallocDefaultCommand has been removed"):
        load("SallocDefaultCommand=x\n")
    assert load("ControlMachine=c\n", base="ClusterName=x\n").SlurmctldHost == (("c", None),)


@pytest.mark.parametrize(
    ("keys", "cpus", "sockets", "cores", "threads", "boards"),
    [
        ("CPUs=1", 1, 1, 1, 1, 1),
        ("Sockets=2 CoresPerSocket=2", 4, 2, 2, 1, 1),
        ("CPUs=8 ThreadsPerCore=2", 8, 4, 1, 2, 1),
        ("CPUs=8 Boards=2 SocketsPerBoard=2", 4, 4, 1, 1, 2),
        ("Sockets=2 CoresPerSocket=4 ThreadsPerCore=2 CPUs=8", 8, 2, 4, 2, 1),
        ("CPUs=8 Sockets=2", 2, 2, 1, 1, 1),
        ("CPUs=8 CoresPerSocket=4", 8, 2, 4, 1, 1),
        ("Procs=3", 3, 3, 1, 1, 1),
        ("", 1, 1, 1, 1, 1),
    ],
)
def test_sizes_of_nodes(load, keys, cpus, sockets, cores, threads, boards):
    conf = load(f"NodeName=n1 {keys}\n")
    node = conf.nodes[0]
    assert (node.CPUs, node.Sockets, node.CoresPerSocket, node.ThreadsPerCore, node.Boards) == (
        cpus, sockets, cores, threads, boards
    )  # fmt: skip
    wrong = "CPUs" in keys and int(keys.split("CPUs=")[1].split()[0]) != cpus
    assert bool(conf.errors) == wrong


def test_node_lines(load):
    conf = load(
        "NodeName=DEFAULT CPUs=4 Features=a,b\nNodeName=n[1-2] NodeHostname=h[1-2] NodeAddr=10.0.0.[1-2] Port=[7-8]\n"
        "NodeName=n3 Feature=c Port=9 State=cloud\nNodeSet=s Feature=c\nDownNodes=n3 State=DOWN Reason=x\n"
    )
    assert conf.nodes[0].hosts(6818) == [("n1", "h1", "10.0.0.1", 7), ("n2", "h2", "10.0.0.2", 8)]
    assert (conf.nodes[0].CPUs, conf.nodes[0].Features, conf.nodes[1].Features) == (4, ("a", "b"), ("c",))
    assert (conf.nodes[1].State, conf.nodesets[0].Feature) == ("CLOUD", "c")
    assert conf.down_nodes == [{"downnodes": "n3", "state": "DOWN", "reason": "x"}]
    with pytest.raises(ConfError) as caught:
        load("NodeName=n[1-3] NodeAddr=a,b\n").nodes[0].hosts()
    assert "NodeAddr" in caught.value.details[0]


def test_partition_lines(load):
    conf = load(
        "PartitionName=DEFAULT MaxTime=30 Nodes=ALL\n"
        "PartitionName=p Default=YES OverSubscribe=FORCE Priority=7 MaxNodes=2 DefaultTime=NONE\n"
        "PartitionName=q MaxTime=INFINITE Shared=yes:2 State=drain DisableRootJobs=YES\n"
    )
    p, q = conf.partitions
    assert (p.MaxTime, p.Nodes, p.Default, p.OverSubscribe, p.MaxNodes) == (30, "ALL", True, "FORCE:4", 2)
    assert (p.PriorityTier, p.PriorityJobFactor, p.DefaultTime) == (7, 7, None)
    assert (q.MaxTime, q.OverSubscribe, q.State, q.DisableRootJobs) == (INFINITE, "YES:2", "DRAIN", True)
    assert (q.Default, q.MaxNodes, q.AllowGroups) == (False, INFINITE, None)


def test_words(load):
    conf = load("SchedulerParameters=sched_interval=1,defer,bf_window=x\n")
    assert conf.words("SchedulerParameters") == {"sched_interval": "1", "defer": "", "bf_window": "x"}
    assert conf.number_of("SchedulerParameters", "sched_interval", 60) == 1
    assert conf.number_of("SchedulerParameters", "bf_window", 60) == 60


def test_locate(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_CONF", "/x/slurm.conf")
    assert locate.find() == "/x/slurm.conf"
    monkeypatch.delenv("SLURM_CONF")
    monkeypatch.setattr(locate, "SYSTEM", str(tmp_path / "slurm.conf"))
    assert locate.find() is None
    (tmp_path / "slurm.conf").touch()
    assert locate.find() == str(tmp_path / "slurm.conf")


def captured(group, name):
    for line in (GOLDEN / f"{group}.jsonl").read_text().splitlines():
        capture = json.loads(line)
        if capture["name"].split("/")[-1] == name:
            return capture["out"]
    raise LookupError(name)


@needs_golden
def test_show_config_as_slurm_prints_it():
    conf = slurm_conf.load(str(GOLDEN / "slurm.conf"))
    wanted = [line for line in captured("scontrol", "show-config").splitlines() if " = " in line]
    wanted = [line for line in wanted if not line.startswith("PMIx")]
    running = {"BOOT_TIME", "HASH_VAL", "NEXT_JOB_ID", "SLURM_CONF"}
    rows = conf.show()
    assert len(rows) == len(wanted)
    for (name, text), line in zip(rows, wanted, strict=True):
        assert line.split()[0] == name
        if name not in running:
            assert f"{name:<23} = {text}" == line


@needs_golden
def test_slurmdbd_conf_as_slurm_prints_it(tmp_path):
    path = tmp_path / "slurmdbd.conf"
    path.write_bytes((GOLDEN / "slurmdbd.conf").read_bytes())
    path.chmod(0o644)
    with pytest.raises(ConfError, match="should be 600 is 644"):
        slurmdbd_conf.load(str(path))
    path.chmod(0o600)
    conf = slurmdbd_conf.load(str(path))
    wanted = captured("sacctmgr", "show-conf").split("SlurmDBD configuration:\n")[1].splitlines()
    rows = slurmdbd_conf.shown(conf, 1)
    assert [name for name, _ in rows] == [line.split()[0] for line in wanted]
    differ = [name for (name, text), line in zip(rows, wanted, strict=True) if f"{name:<22} = {text}" != line]
    assert differ == ["BOOT_TIME", "SLURMDBD_CONF"]
    assert "slurm" in conf.StoragePass
    assert all(text != "slurm" for name, text in rows if "Pass" in name)


@needs_golden
def test_gres_of_nodes():
    conf = slurm_conf.load(str(GOLDEN / "slurm.conf"))
    by_node = gres_conf.by_node(conf)
    assert [(line.name, line.type, line.count) for line in by_node["n1"]] == [("gpu", "a100", 4)]
    assert by_node["n2"][0].files == ("/dev/refgpu4", "/dev/refgpu5")
    assert by_node["n3"] == []


def test_gres_conf(tmp_path):
    path = tmp_path / "gres.conf"
    assert gres_conf.load(str(path)).lines == []
    path.write_text("AutoDetect=off\nName=gpu Count=2K Cores=0-3 # near\nNodeName=n[1-2] Name=tmp Type=x Count=3\n")
    conf = gres_conf.load(str(path))
    assert conf.auto_detect == "off"
    assert [(line.name, line.count, line.nodes) for line in conf.lines] == [
        ("gpu", 2048, None), ("tmp", 3, {"n1", "n2"})
    ]  # fmt: skip
    assert len(conf.of_node("n1")) == 2
    assert conf.warnings == ["AutoDetect", "Cores"]
    for bad in ("Name=gpu Nosuch=1", "Name=gpu Count=x"):
        path.write_text(bad + "\n")
        with pytest.raises(ConfError):
            gres_conf.load(str(path))


def test_cgroup_conf(tmp_path):
    path = tmp_path / "cgroup.conf"
    assert cgroup_conf.load(str(path)).CgroupPlugin == "autodetect"
    path.write_text("CgroupPlugin=disabled\nConstrainRAMSpace=yes\nConstrainCores=yes\n")
    conf = cgroup_conf.load(str(path))
    assert (conf.CgroupPlugin, conf.ConstrainRAMSpace) == ("disabled", True)
    assert conf.warnings == ["CgroupPlugin", "ConstrainCores"]
    path.write_text("Nosuch=1\n")
    with pytest.raises(ConfError):
        cgroup_conf.load(str(path))


@needs_golden
def test_reading_is_quick():
    path = str(GOLDEN / "slurm.conf")
    slurm_conf.load(path)
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        slurm_conf.load(path)
        best = min(best, time.perf_counter() - start)
    assert best < 0.005


def test_nothing_heavy_is_imported():
    code = "import sys; before = set(sys.modules); import slurmpy.conf.slurm_conf; print(*set(sys.modules) - before)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=env)
    assert not {"re", "typing", "dataclasses", "json", "pathlib", "enum", "datetime"} & set(found.stdout.split())


def test_parameters_that_count_as_used_are_used():
    import re

    from slurmpy.conf.cgroup_conf import CgroupConf
    from slurmpy.conf.slurmdbd_conf import ARCHIVES, SlurmdbdConf

    package = Path(slurm_conf.__file__).parents[1]
    tables = ("slurm_parameters.py", "slurmdbd_conf.py", "cgroup_conf.py", "config_view.py", "parameters.py")
    source = "".join(path.read_text() for path in package.rglob("*.py") if path.name not in tables)
    words = set(re.findall(r"\w+", source)) | set(ARCHIVES.values())  # by that table purging.py and archive_files.py go
    for table in (TABLE, SlurmdbdConf.TABLE, CgroupConf.TABLE):
        assert {name for name, (_, _, used) in table.items() if used} <= words


def test_no_file(tmp_path):
    with pytest.raises(ConfError) as caught:
        slurm_conf.load(str(tmp_path / "nosuch"))
    assert "cannot stat file" in caught.value.details[0]
    assert caught.value.details[1] == "ClusterName needs to be specified"
