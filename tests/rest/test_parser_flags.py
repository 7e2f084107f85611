"""slurmrestd with flags behind its parser versions."""

from __future__ import annotations

import pytest

from .conftest import Rest

pytestmark = pytest.mark.xdist_group("rest")

PARSERS = "v0.0.42+complex+fast,v0.0.41+nosuch,v0.0.43+nosuch,v0.0.42"


def test_each_version_has_its_flags(rest: Rest) -> None:
    daemon = Rest(rest.site, "-d", PARSERS, SLURM_DEBUG_FLAGS="network")
    try:
        (partition,) = daemon("GET", "/slurm/v0.0.42/partition/debug").document["partitions"]
        assert (partition["maximums"]["cpus_per_node"], partition["alternate"]) == ("Infinity", None)
        older = daemon("GET", "/slurm/v0.0.41/partition/debug").document
        assert older["partitions"][0]["maximums"]["cpus_per_node"]["infinite"] is True
        assert older["meta"]["plugin"]["data_parser"] == "data_parser/v0.0.41+nosuch"
        job = {"environment": ["A=b"], "current_working_directory": "/tmp", "hold": True, "nosuch": 1, "name": 5}
        answer = daemon("POST", "/slurm/v0.0.42/job/submit", {"script": "#!/bin/sh\n", "job": job}).document
        assert answer["meta"]["plugin"]["data_parser"] == "data_parser/v0.0.42+complex+fast"
        assert [one["source"] for one in answer["warnings"]] == ["slurm_submit_batch_job()"] * 2
        path = f"/slurm/v0.0.42/job/{answer['job_id']}"
        (found,) = daemon("GET", path).document["jobs"]
        assert (found["name"], found["comment"], found["priority"]) == ("5", None, 0)
        assert daemon("DELETE", path).status == 200
        document = daemon("GET", "/openapi/v3").document
        assert {name.split("_")[0] for name in document["components"]["schemas"]} == {"v0.0.41", "v0.0.42", "v0.0.43"}
    finally:
        daemon.stop()
    assert f"DELETE '{path}' 200" in daemon.log  # told because of the flag: it takes -v otherwise
    assert daemon.log.splitlines()[0] == "slurmrestd: warning: data_parser/v0.0.43 ignoring unknown flag nosuch"


def test_a_debug_flag_that_there_is_not(rest: Rest) -> None:
    daemon = Rest(rest.site, SLURM_DEBUG_FLAGS="nosuch")
    assert daemon.stop() == 1
    assert daemon.log.splitlines() == [
        "slurmrestd: error: Invalid DebugFlag: nosuch",
        "slurmrestd: error: DebugFlags invalid: nosuch",
        "slurmrestd: fatal: Unable to process configuration file",
    ]
