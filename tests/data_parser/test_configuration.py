"""The daemons' configuration as v0.0.45 tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmpy.conf import slurm_conf, slurmdbd_conf
from slurmpy.core.records.base import INFINITE
from slurmpy.data_parser import configuration, json_text, registry

from .reference import SHARED, document, needs_reference

#: this release has other defaults
OTHER = {"CpuFreqGovernors", "PluginDir", "PriorityFlags", "TopologyPlugin"}


@needs_reference
def test_the_configuration_of_the_reference() -> None:
    """The same file read here and there gives the same document."""
    plugin = registry.get("v0.0.45")
    conf = slurm_conf.load(str(SHARED / "golden" / "slurm-26.05" / "slurm.conf"))
    ours = plugin.dump("slurm_conf", configuration.slurm_conf(conf.show())[0])
    golden = document("rest-get/get/slurm_v0.0.45_conf", "26.05")["slurm_conf"]
    assert list(ours) == list(golden)
    assert {name for name, value in ours.items() if value != golden[name]} == OTHER


@needs_reference
def test_slurmdbd_of_the_reference(tmp_path: Path) -> None:
    plugin = registry.get("v0.0.45")
    file = tmp_path / "slurmdbd.conf"  # one with a password may be its owner's only
    file.write_text((SHARED / "golden" / "slurm-26.05" / "slurmdbd.conf").read_text())
    file.chmod(0o600)
    conf = slurmdbd_conf.load(str(file))
    ours = plugin.dump("slurmdbd_conf", configuration.slurmdbd_conf(slurmdbd_conf.shown(conf)))
    golden = document("rest-get/get/slurmdb_v0.0.45_conf", "26.05")["slurmdbd_conf"]
    # a parameter that this release does not know
    assert {name: value for name, value in ours.items() if value != golden[name]} == {"MaxPurgeLimit": 0}


@needs_reference
@pytest.mark.parametrize(
    ("name", "key", "type"),
    [
        ("slurm_v0.0.45_conf", "slurm_conf", "slurm_conf"),
        ("slurm_v0.0.45_conf", "slurm_conf_meta", "slurm_conf_meta"),
        ("slurmdb_v0.0.45_conf", "slurmdbd_conf", "slurmdbd_conf"),
    ],
)
def test_what_was_served_comes_back(name: str, key: str, type: str) -> None:
    plugin = registry.get("v0.0.45")
    golden = document(f"rest-get/get/{name}", "26.05")[key]
    assert json_text.write(plugin.dump(type, plugin.parse(type, golden))) == json_text.write(golden)


ROWS: list[tuple[str, Any]] = [
    ("SlurmctldHost[0]", "a(10.0.0.1)"),
    ("SlurmctldHost[1]", "b"),
    ("SlurmctldPort", "6817-6819"),
    ("SrunPortRange", "60001-63000"),
    ("SuspendTime", "300"),
    ("Epilog[0]", "/etc/one"),
    ("Epilog[1]", "/etc/two"),
    ("PreemptMode", "GANG,SUSPEND"),
    ("CommunicationParameters", "EnableIPv6,DisableIPv4,keepalivetime=40"),
    ("JobDefaults", "DefCpuPerGPU=2,DefMemPerGPU=100"),
    ("PrologEpilogTimeout", "90"),
    ("JobAcctGatherParams", "OverMemoryKill"),
    ("TrackWCKey", "yes"),
    ("BOOT_TIME", "2026-01-02T03:04:05"),
    ("NEXT_JOB_ID", "17"),
    ("MaxMemPerNode", "UNLIMITED"),
    ("SlurmUser", "slurm(64030)"),
    ("ReturnToService", "2"),
    ("KillWait", "30 sec"),
    ("Licenses", None),
]


def test_texts_become_values() -> None:
    conf, meta = configuration.slurm_conf(ROWS)
    assert conf["controllers"] == ({"machine": "a", "address": "10.0.0.1"}, {"machine": "b", "address": "b"})
    assert (conf["SlurmctldPort"], conf["SlurmctldPortCount"]) == (6817, 3)
    assert conf["SrunPortRange"] == {"minimum": 60001, "maximum": 63000, "set": True}
    assert (conf["SuspendTime"], conf["KillWait"], conf["Licenses"]) == (300, 30, ())
    assert configuration.slurm_conf([("SuspendTime", "INFINITE")])[0]["SuspendTime"] == INFINITE
    assert conf["Epilog"] == ("/etc/one", "/etc/two")
    assert conf["PreemptMode"] == ("SUSPEND", "GANG")
    assert conf["CommunicationParametersFlags"] == ("IPv6",)
    assert conf["KeepaliveTime"] == 40
    assert conf["JobDefaults"] == ({"type": ("DefCpuPerGPU",), "value": 2}, {"type": ("DefMemPerGPU",), "value": 100})
    assert (conf["EpilogTimeout"], conf["PrologTimeout"], conf["JobAcctOomKill"]) == (90, 90, True)
    assert conf["ConfFlags"] == ("TrackWCKey",)
    assert (conf["SlurmUser"], conf["SlurmUserId"], conf["ReturnToService"]) == ("slurm", 64030, "all")
    assert (meta["NEXT_JOB_ID"], meta["BOOT_TIME"] > 0) == (17, True)


def test_purge_times_and_nothing_secret() -> None:
    rows = [("PurgeJobAfter", "12 months*"), ("PurgeStepAfter", "NONE"), ("StorageUser", "slurm"), ("StoragePass", "x")]
    conf = configuration.slurmdbd_conf(rows)
    assert conf["PurgeJobAfter"] == {"set": True, "months": 12, "archive": True}
    assert conf["PurgeStepAfter"] == {}
    assert "slurm" not in conf.values()
    assert "x" not in conf.values()
