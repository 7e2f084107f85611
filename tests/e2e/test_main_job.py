"""The main job, as the README shows it."""

import json
import re

import yaml


def test_from_submission_to_the_books(pocket):
    script = (
        "#!/bin/bash\n#SBATCH --job-name='main job' --ntasks=2 -o main-%j.out\necho in $SLURM_JOB_ID\nsrun -l echo t\n"
    )
    job = pocket.submit(script=script)
    pocket.wait(job)
    lines = (pocket.home / f"main-{job}.out").read_text().splitlines()
    assert lines[0] == f"in {job}"
    assert sorted(lines[1:]) == ["0: t", "1: t"]
    shown = pocket.job(job)
    assert shown["name"] == "main job"
    assert shown["job_state"] == ["COMPLETED"]
    assert shown["exit_code"]["return_code"]["number"] == 0


def test_squeue_json_and_yaml_tell_the_same(pocket):
    job = pocket.submit("--hold", "--wrap=true")
    as_json = json.loads(pocket.ok("squeue", "--json", "-j", job))
    as_yaml = yaml.safe_load(pocket.ok("squeue", "--yaml", "-j", job))
    assert as_json["jobs"] == as_yaml["jobs"]
    assert [j["job_id"] for j in as_json["jobs"]] == [int(job)]
    assert as_json["errors"] == []
    pocket.ok("scancel", job)


def test_the_books_have_the_job_its_batch_script_and_its_step(pocket):
    job = pocket.submit(script="#!/bin/sh\nsrun -n1 sh -c 'exit 3'\n")
    pocket.wait(job)
    rows = until(
        lambda: pocket.ok("sacct", "-n", "-P", "-j", job, "-o", "jobid,state,exitcode").split(),
        lambda rows: len(rows) == 3 and "RUNNING" not in " ".join(rows),
    )
    assert rows == [f"{job}|FAILED|3:0", f"{job}.batch|FAILED|3:0", f"{job}.0|FAILED|3:0"]


def until(get, good, limit=15.0):
    """The books follow in their own time: asks until `good`."""
    import time

    end = time.monotonic() + limit
    while not good(value := get()) and time.monotonic() < end:
        time.sleep(0.1)
    return value


def test_measured_figures_are_in_the_books(pocket):
    busy = "#!/bin/sh\npython3 -c 'x = bytearray(80 << 20); [i * i for i in range(2000000)]'\n"
    job = pocket.submit(script=busy)
    pocket.wait(job)
    row = until(
        lambda: pocket.ok("sacct", "-n", "-P", "-j", f"{job}.batch", "-o", "maxrss,totalcpu,elapsed").strip(),
        lambda row: bool(re.match(r"\d", row)),
    )
    rss, cpu, elapsed = row.split("|")
    assert re.fullmatch(r"[\d.]+[KM]", rss)
    size = float(rss[:-1]) * (1 if rss[-1] == "M" else 1 / 1024)
    assert 80 <= size <= 200
    assert re.fullmatch(r"[\d:.]+", cpu)
    assert cpu not in ("00:00:00", "00:00.000")
    assert re.fullmatch(r"00:00:\d\d", elapsed)


def test_an_array_runs_each_task_once(pocket):
    job = pocket.submit(
        "--array=0-9%3", "-o", "task-%A-%a.out", "--wrap=echo $SLURM_ARRAY_TASK_ID; exit $((SLURM_ARRAY_TASK_ID % 2))"
    )
    pocket.wait(job)
    for task in range(10):
        assert (pocket.home / f"task-{job}-{task}.out").read_text() == f"{task}\n"
        assert pocket.state(f"{job}_{task}") == ("FAILED" if task % 2 else "COMPLETED")


def test_sbatch_wait_ends_with_the_jobs_exit_code(pocket):
    assert pocket.run("sbatch", "--wait", "--wrap=exit 7").returncode == 7
    assert pocket.run("sbatch", "--wait", "--wrap=true").returncode == 0


def test_a_dependency_waits_and_a_hopeless_one_says_so(pocket):
    first = pocket.submit("--hold", "--wrap=exit 1")
    after = pocket.submit(f"--dependency=afterany:{first}", "--wrap=true")
    never = pocket.submit(f"--dependency=afterok:{first}", "--wrap=true")
    assert pocket.job(after)["state_reason"] == "Dependency"
    pocket.ok("scontrol", "release", first)
    pocket.wait(after)
    assert pocket.state(after) == "COMPLETED"
    assert pocket.job(never)["state_reason"] == "DependencyNeverSatisfied"
    pocket.ok("scancel", never)
    assert pocket.state(never) == "CANCELLED"
