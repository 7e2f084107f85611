"""What each key of oci.conf does, as a runtime sees it that notes how it was called."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from .fake_runtime import MODES, fake_site
from .test_main_job import until

pytestmark = pytest.mark.xdist_group("fake-runtime")
USER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="module")
def whole_site():
    with fake_site("run") as site:
        yield site


@pytest.fixture
def site(whole_site):
    whole_site.forget()
    yield whole_site
    assert whole_site.is_clean() == []


def srun(site, *command, options=("-w", "n1"), **more):
    return site.run("srun", *options, "--container", str(site.bundle), *command, **more)


def ok(site, *command, **more) -> str:
    done = srun(site, *command, **more)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def seen_config(site, where: str = "%b", options=("-w", "n1"), more: str = "") -> dict:
    """config.json as it is while the task runs."""
    keep = site.base / "kept.json"
    text = site.conf_text.replace(f"{site.fake} run", f"cp {where}/config.json {keep}; {site.fake} run")
    site.reconfigure(more, text)
    ok(site, "true", options=options)
    return json.loads(keep.read_text())


def test_all_patterns(site):
    letters = "bejmnprstuU"
    words = " ".join(f"{letter}=%{letter}" for letter in letters)
    text = site.conf_text.replace("%j.%s.%t", f"%j.%s.%t %b {words} at=%@ percent=%%", 1)
    text = text.replace("run %j.%s.%t %b", f"run %j.%s.%t %b {words} percent=%% -- %@")
    site.reconfigure("", text)
    ok(site, "sh", "-c", "echo $0 $1", "it's", 'a "b" $c', options=("-w", "n1", "-n2", "--overcommit"))
    calls = site.calls("run")
    assert len(calls) == 2
    for call in calls:
        name, place, *rest = call["words"]
        job, step, task = name.split(".")
        spool = f"{site.base}/spool-n1/oci-job{job}-0"
        assert place == f"{spool}/task-{task}"
        found = dict(word.split("=", 1) for word in rest[: len(letters)])
        assert found == {
            "b": place, "e": f"{place}/environment", "j": job, "m": found["m"], "n": "n1", "p": "4294967295",
            "r": f"{site.bundle}/rootfs", "s": step, "t": task, "u": USER, "U": str(os.geteuid()),
        }  # fmt: skip
        assert found["m"].startswith(f"{site.base}/spool-n1")
        assert rest[len(letters) :] == ["percent=%", "--", "sh", "-c", "echo $0 $1", "it's", 'a "b" $c']
    assert {call["words"][0].split(".")[2] for call in calls} == {"0", "1"}


def test_the_process_id_is_there_at_the_end(site):
    site.reconfigure("", site.conf_text.replace("state %j.%s.%t", "state %j.%s.%t p=%p"))
    srun(site, "sh", "-c", "exit 3")
    assert until(lambda: site.calls("state"), bool)
    (run,), (state, *_) = site.calls("run"), site.calls("state")
    assert re.fullmatch(r"p=[1-9]\d*", state["words"][1])
    assert state["words"][1] != "p=4294967295"
    assert run["words"][0] == state["words"][0]


def test_what_the_environments_are_without(site):
    site.reconfigure('EnvExclude="^(IN|BOTH)="\nRunTimeEnvExclude="^(OUT|BOTH)=|^X=.*[[:digit:]]$"\n')
    variables = {"IN": "1", "OUT": "2", "BOTH": "3", "X": "a7", "Y": "a7"}
    inside = dict(line.split("=", 1) for line in ok(site, "env", env=variables).splitlines())
    assert {name: inside.get(name) for name in variables} == {
        "IN": None,
        "OUT": "2",
        "BOTH": None,
        "X": "a7",
        "Y": "a7",
    }
    (call,) = site.calls("run")
    outside = call["environment"]
    assert {name: outside.get(name) for name in variables} == {
        "IN": "1", "OUT": None, "BOTH": None, "X": None, "Y": "a7"
    }  # fmt: skip
    assert inside["OWN"] == "image"


@pytest.mark.parametrize(("form", "end"), [("null", "\0"), ("newline", "\n"), ("disabled", "")])
def test_the_environment_in_a_file(site, form, end):
    keep = site.base / "kept-environment"
    keep.unlink(missing_ok=True)
    text = site.conf_text.replace(f"{site.fake} run", f"cp %e {keep} 2>/dev/null; {site.fake} run")
    site.reconfigure(f'CreateEnvFile={form}\nEnvExclude="^HIDDEN="\n', text)
    ok(site, "true", env={"ONE": "1", "LINES": "a\nb", "HIDDEN": "x"})
    if not end:
        assert not keep.exists()
        return
    text = keep.read_text()
    assert text.endswith(end)
    found = dict(item.split("=", 1) for item in text[:-1].split(end))
    assert found["ONE"] == "1"
    assert found["SLURM_PROCID"] == "0"
    assert "HIDDEN" not in found
    assert found.get("LINES") == ("a\nb" if form == "null" else None)


def test_container_path(site):
    place = site.base / "places"
    site.reconfigure(f"ContainerPath={place}/%u/%j.%s.%t\nCreateEnvFile=null\n")
    listed = ok(site, "sh", "-c", f"ls -d {place}/*/*; ls {place}/*/*")
    (call,) = site.calls("run")
    wanted = f"{place}/{USER}/{call['words'][0]}"
    assert call["words"][1] == wanted
    assert listed.split() == [wanted, "config.json", "environment"]
    assert until(place.exists, lambda there: not there) is False, "what was made for it goes with it"


def test_container_path_that_is_there_already(site):
    place = site.base / "place"
    place.mkdir(mode=0o755)
    (place / "mine").write_text("x")
    site.reconfigure(f"ContainerPath={place}\n")
    ok(site, "true")
    assert until(lambda: os.listdir(place), lambda names: names == ["mine"]) == ["mine"]
    shutil.rmtree(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make directories of others")
@pytest.mark.parametrize("what", ["whose", "open", "parent", "bundle"])
def test_container_path_where_others_could_put_their_own(site, what):
    place = site.base / "trap"
    (place / "inner").mkdir(parents=True)
    path, why = place / "inner", ""
    if what == "whose":
        os.chown(place / "inner", 65534, 65534)
        why = f"{place}/inner: belongs to somebody else"
    elif what == "parent":
        os.chown(place, 65534, 65534)
        path, why = place / "inner" / "%j", f"{place}: belongs to somebody else"
    elif what == "open":
        place.chmod(0o777)
        path, why = place / "inner" / "%j", f"{place}: anybody may rename what is in it"
    else:
        path, why = site.bundle, f"ContainerPath: {site.bundle}: is the bundle itself"
    before = sorted(os.listdir(site.bundle)), (site.bundle / "config.json").read_bytes()
    try:
        site.reconfigure(f"ContainerPath={path}\n")
        done = srun(site, "true")
        assert done.returncode == 1
        assert f"container setup failed: {why}" in done.stderr
        assert site.calls() == []
        assert os.listdir(place / "inner") == []
        assert (sorted(os.listdir(site.bundle)), (site.bundle / "config.json").read_bytes()) == before
    finally:
        shutil.rmtree(place)


def test_a_container_path_that_is_not_absolute(site):
    site.reconfigure("")
    site.configure("ContainerPath=a/b\n")
    site.ok("scontrol", "reconfigure")
    assert until(lambda: "oci.conf line 5: ContainerPath has to be an absolute path" in site.log(), bool)
    site.reconfigure("")


@pytest.mark.parametrize(("more", "inside"), [
    ("", None), ("MountSpoolDir=/spool/%j/%t\n", "/spool/{job}/0"), ("MountSpoolDir=%m\n", "{place}"),
])  # fmt: skip
def test_where_the_spool_directory_is_seen(site, more, inside):
    config = seen_config(site, more=more)
    (call,) = site.calls("run")
    place = call["words"][1]
    mounts = [mount for mount in config["mounts"] if mount["source"] == place]
    if inside is None:
        assert mounts == [], "it would have to be made in the bundle"
    else:
        wanted = inside.format(job=call["words"][0].split(".")[0], place=place)
        assert [mount["destination"] for mount in mounts] == [wanted]


def test_hooks(site):
    assert set(seen_config(site)["hooks"]) == {"prestart", "poststop"}
    site.forget()
    assert set(seen_config(site, more="DisableHooks=PreStart,createRuntime\n")["hooks"]) == {"poststop"}


def test_files_are_kept_if_that_is_wanted(site):
    site.reconfigure("DisableCleanup=true\n")
    ok(site, "true")
    (call,) = site.calls("run")
    config = Path(call["words"][1]) / "config.json"
    assert until(lambda: list((site.base / "spool-n1" / "containers").iterdir()), lambda notes: not notes) == []
    assert json.loads(config.read_text())["process"]["args"] == ["true"]
    shutil.rmtree(config.parent.parent)


def test_config_json_is_ignored(site):
    (site.bundle / "config.json").rename(site.bundle / "away")
    (site.bundle / "config.json").write_text("no JSON at all")
    try:
        text = f'IgnoreFileConfigJson=true\nCreateEnvFile=null\nRunTimeRun="{site.fake} look %j.%s.%t %b %r %e -- %@"\n'
        site.reconfigure("", text)
        ok(site, "one", "two words")
        (call,) = site.calls("look")
        name, place, root, environment, *rest = call["words"]
        assert (place, root, rest) == (str(site.bundle), str(site.bundle), ["--", "one", "two words"])
        assert environment.startswith(f"{site.base}/spool-n1/oci-job{name.split('.')[0]}-0/task-0/")
        assert (site.bundle / "config.json").read_text() == "no JSON at all"
    finally:
        (site.bundle / "away").rename(site.bundle / "config.json")


def test_what_is_told_to_the_user(site):
    site.reconfigure("StdIODebug=debug\n")
    done = srun(site, "true")
    assert done.returncode == 0
    assert f"slurmstepd-n1: debug:  RunTimeRun: {site.fake} run " in done.stderr
    assert (
        f"slurmstepd-n1: debug:  container: bundle {site.bundle}, files in {site.base}/spool-n1/oci-job" in done.stderr
    )
    site.reconfigure("StdIODebug=info\n")
    assert srun(site, "true").stderr == ""
    site.reconfigure("StdIODebug=info\nDebugFlags=Steps\n")
    assert "RunTimeRun: " in srun(site, "true").stderr


def logged(site) -> str:
    return "".join(path.read_text() for path in (*site.base.glob("slurmd-n1.log"), *site.base.glob("spool-n1/*.log")))


def test_what_is_told_to_the_log(site):
    site.reconfigure("")
    before = logged(site).count("RunTimeRun: ")
    ok(site, "true")
    assert logged(site).count("RunTimeRun: ") == before
    site.reconfigure("FileDebug=debug\n")
    assert ok(site, "true") == ""
    assert logged(site).count(f"RunTimeRun: {site.fake} run ") == before + 1


def test_a_root_file_system_whose_name_is_a_command(site):
    """The bundle may be somebody else's."""
    bundle = site.base / "evil"
    root = "rootfs;touch " + str(site.base / "touched") + ";"
    (bundle / root).mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps({"ociVersion": "1.0.2", "root": {"path": root}}))
    site.reconfigure("", site.conf_text.replace("run %j.%s.%t %b", "run %j.%s.%t %b %r"))
    done = site.run("srun", "-w", "n1", "--container", str(bundle), "true")
    assert done.returncode == 1
    assert "has characters that RunTimeRun would give to the shell" in done.stderr
    assert not (site.base / "touched").exists()
    site.reconfigure("")
    assert site.run("srun", "-w", "n1", "--container", str(bundle), "true").returncode == 0


@pytest.mark.parametrize("text", ["null", "[]", '{"ociVersion": "1", "root": {"path": "\\ud800"}}',
                                  '{"ociVersion": "1", "annotations": {"\\ud800\\u001b": 1}}'])  # fmt: skip
def test_bundles_that_mean_harm(site, text):
    """They end their step, with a line; slurmstepd is there to say so."""
    bundle = site.base / "harm"
    bundle.mkdir(exist_ok=True)
    (bundle / "config.json").write_text(text)
    site.reconfigure("")
    done = site.run("srun", "-w", "n1", "--container", str(bundle), "true")
    assert done.returncode == 1
    assert "slurmstepd-n1: error: container setup failed: " in done.stderr
    assert "ended without a word" not in site.log()


def test_a_task_that_digs(site):
    """A directory deeper than slurmstepd could go."""
    site.reconfigure("MountSpoolDir=/spool\n")
    program = "import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')\n"
    text = site.conf_text.replace(f"{site.fake} run", f"cd %b; {site.fake} run")
    site.reconfigure("", text)
    assert ok(site, sys.executable, "-c", program) == ""
    assert "ended without a word" not in site.log()


def test_in_create_mode_too(site):
    text = site.conf_text.replace(MODES["run"].format(fake=site.fake), MODES["create"].format(fake=site.fake))
    site.reconfigure('RunTimeEnvExclude="^OUT="\nEnvExclude="^IN="\n', text)
    inside = ok(site, "env", env={"IN": "1", "OUT": "2"}).splitlines()
    assert "OUT=2" in inside
    assert "IN=1" not in inside
    for call in site.calls("create", "start", "state"):
        assert call["environment"].get("IN") == "1"
        assert "OUT" not in call["environment"]
    site.reconfigure("")


def restart_without(site, more: str = "") -> None:
    """slurmd of n1 begins when there is no oci.conf; slurmctld has one."""
    oci, conf = site.base / "oci.conf", site.base / "slurm.conf"
    kept = conf.read_text()
    pid = site.pid("slurmd-n1")
    os.kill(pid, signal.SIGTERM)
    assert until(lambda: not os.path.exists(f"/proc/{pid}"), bool)
    oci.rename(site.base / "away")
    conf.write_text(kept + more)
    site.ok("slurmd", "-N", "n1")
    (site.base / "away").rename(oci)
    conf.write_text(kept)
    assert until(site.node_state, lambda state: state == "idle") == "idle"


def test_a_node_without_oci_conf_says_so(site):
    site.reconfigure("")
    restart_without(site)
    done = srun(site, "sh", "-c", "echo $SLURM_CONTAINER")
    assert (done.returncode, done.stdout) == (0, f"{site.bundle}\n")
    told = "this node has no oci.conf: the {} runs on the host, not in container " + str(site.bundle)
    assert done.stderr == f"slurmstepd-n1: {told.format('step')}\n"
    assert f"container={site.bundle} on the host: there is no oci.conf" in site.log()
    out = site.base / "told"
    site.ok("sbatch", "-W", "-w", "n1", "-o", str(out), "--container", str(site.bundle), "--wrap", "echo out")
    assert out.read_text() == f"slurmstepd-n1: {told.format('job')}\nout\n"
    assert site.calls("run", "create") == []
    restart_without(site, "OCIRequired=yes\n")
    done = srun(site, "echo", "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Task launch for StepId=" in done.stderr
    assert "Container support is not configured" in done.stderr
    site.reconfigure("")
    ok(site, "true")
