"""scrun of an ordinary user on a cluster of root's daemons: a container without privileges, and nobody else's."""

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.permissions.people import People, possible

from .oci import Oci, missing, root_file_system, runc_conf
from .site import Site, as_user
from .test_main_job import until

MISSING = missing("runc", "busybox")
pytestmark = [
    pytest.mark.skipif(bool(possible()), reason=possible() or "-"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.xdist_group("scrun-users"),
]


class Account:
    """One user's commands on a `Site`, as `Oci` wants them of a cluster."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name
        self.environment = site.environment

    def run(self, *command, env=None):
        return self.site.run(*command, user=self.name, env=env)

    def popen(self, *command, **options):
        more = {"cwd": "/tmp", "text": True, **options}
        return subprocess.Popen([*as_user(self.name), *command], **more)


@pytest.fixture(scope="module")
def people():
    with People(("root", "owner", "other")) as users:
        yield users


@pytest.fixture(scope="module")
def site():
    base = Path(tempfile.mkdtemp(prefix="scrun-"))  # below /tmp itself, so that ordinary users can pass
    (base / "runc").mkdir()
    (base / "runc").chmod(0o1777)
    site = Site(base)
    (base / "oci.conf").write_text(runc_conf(f"{base}/runc/%U", base.name))
    try:
        site.up()
        until(lambda: site.run("sinfo", "-h", "-n", "n1", "-o", "%T").stdout.strip(), lambda state: state == "idle")
        yield site
        site.down()
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def oci(site, people):
    entry = pwd.getpwnam(people.names["owner"])
    base = Path(tempfile.mkdtemp(prefix="scrun-user-"))
    oci = Oci(Account(site, entry.pw_name), base)
    bundle = oci.bundle("box", "sh", "-c", "id -u; ls -d /*; echo $SCRUN_USER_ID; exit 6")
    root_file_system(bundle / "rootfs")
    subprocess.run(["runc", "spec", "--rootless"], cwd=base, check=True, capture_output=True)
    spec, own = (json.loads((place / "config.json").read_text()) for place in (base, bundle))
    spec["process"] |= {"args": own["process"]["args"], "terminal": False}
    (bundle / "config.json").write_text(json.dumps(spec))
    for directory, names, files in os.walk(base):
        for name in (".", *names, *files):
            os.chown(os.path.join(directory, name), entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    oci.uid = entry.pw_uid
    yield oci
    left = oci.left()
    for name in left:
        oci.scrun("delete", "--force", name)
    oci.close()
    shutil.rmtree(base)
    assert left == []


@pytest.mark.parametrize("staging", ["none", "local"])
def test_a_container_without_privileges(oci, site, people, staging):
    from .oci import Driver

    driver = Driver(oci, "box", oci.base / "bundle-box", subprocess.DEVNULL, {"SCRUN_STAGING": staging}, None)
    assert driver.told("create") == 0, driver.err()
    assert (oci.root / "box").stat().st_uid == oci.uid
    other = site.run(*oci.runtime[:2], "state", "box", user=people.names["other"])
    assert other.returncode == 1
    assert "belongs to somebody else" in other.stderr
    job = oci.job("box")
    oci.ok("start", "box")
    assert driver.exit() == 6, driver.err()
    lines = driver.out().split()
    assert lines[0] == "0"  # root within, and nobody without
    assert lines[-1] == str(oci.uid)
    assert "/usr" not in lines
    oci.ok("delete", "box")
    shown = site.ok("scontrol", "show", "job", job)
    assert f"UserId={people.names['owner']}({oci.uid})" in shown
    assert "ExitCode=6:0" in shown
