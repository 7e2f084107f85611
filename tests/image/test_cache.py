"""The cache of bundles: one extraction whoever asks, leases, killed processes, and what goes by size and age."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmpy.image import inventory
from slurmpy.image.cache import Cache, default_directory
from slurmpy.image.errors import ImageError
from slurmpy.image.limits import Limits
from slurmpy.image.reference import parse
from slurmpy.image.tree import remove_tree

from .images import docker_archive, layer, layout, member

REPO = Path(__file__).parents[2]
#: a process that uses an image. It says "half" when it is in the middle of unpacking and "done" with a lease, and goes
#: on with each line of input
USER = """
import sys
from slurmpy.image.cache import Cache
from slurmpy.image.limits import Limits
from slurmpy.image.reference import parse

def say(text):
    print(text, flush=True)
    if not sys.stdin.readline():
        sys.exit(1)

told = []
def half(done, total):
    if not told:
        told.append(done)
        say("half")

lease = Cache(sys.argv[1], Limits()).use(parse(sys.argv[2]), progress=half)
say("done " + lease.path)
"""


class User:
    """A process that runs `USER`."""

    def __init__(self, cache: Cache, text: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, cache.directory, text], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=REPO,
        )  # fmt: skip

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def waits_for_a_lock(self) -> None:
        """Returns when it does."""
        for _ in range(2000):
            if any(f"-> FLOCK  ADVISORY  WRITE {self.process.pid} " in line for line in open("/proc/locks")):  # noqa: SIM115
                return
            assert self.process.poll() is None
            time.sleep(0.01)
        raise AssertionError("it does not wait")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def users(cache: Cache, text: str, count: int) -> Iterator[list[User]]:
    started = [User(cache, text) for _ in range(count)]
    try:
        yield started
    finally:
        for one in started:
            one.kill()


@pytest.fixture
def image(tmp_path: Path) -> str:
    return f"oci:{layout(tmp_path / 'layout', [layer(member('a', data=os.urandom(3 << 20)), member('b', 'dir'))])}"


def make(cache: Cache, tmp_path: Path, name: str, size: int = 1 << 20) -> inventory.Bundle:
    """A bundle of an image of its own, which nobody uses."""
    where = layout(tmp_path / name, [layer(member(name, data=os.urandom(size)))])
    with cache.use(parse(f"oci:{where}")) as lease:
        return inventory.find(cache, lease.path)


def keys(cache: Cache) -> set[str]:
    return set(os.listdir(cache["images"]))


# ---- making


def test_who_comes_meanwhile_takes_what_the_first_one_makes(cache: Cache, image: str) -> None:
    with users(cache, image, 1) as (first,):
        assert first.line() == "half"
        with users(cache, image, 3) as others:
            for one in others:
                one.waits_for_a_lock()
            first.go()
            path = first.line()
            assert path.startswith("done /")
            for one in others:
                assert one.line() == path  # and nothing of "half"
    assert len(keys(cache)) == 1
    assert not os.listdir(cache["tmp"])


def test_images_are_made_side_by_side(cache: Cache, image: str, tmp_path: Path) -> None:
    other = f"oci:{layout(tmp_path / 'other', [layer(member('c'))])}"
    with users(cache, image, 1) as (first,), users(cache, other, 1) as (second,):
        assert first.line() == "half"
        assert second.line() == "half"
        second.go()
        assert second.line().startswith("done")


def test_a_killed_process_leaves_nothing_that_counts(cache: Cache, image: str) -> None:
    with users(cache, image, 1) as (first,):
        assert first.line() == "half"
        with users(cache, image, 1) as (second,):
            second.waits_for_a_lock()
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            assert not keys(cache)
            assert second.line() == "half"  # it makes the image itself
            assert len(os.listdir(cache["tmp"])) == 1  # what was left is gone
            second.go()
            assert second.line().startswith("done")
    assert not os.listdir(cache["tmp"])


def test_gc_removes_what_a_killed_process_left(cache: Cache, image: str) -> None:
    with users(cache, image, 1) as (first,):
        assert first.line() == "half"
        assert cache.collect().leftovers == 0  # somebody works there
        assert len(os.listdir(cache["tmp"])) == 1
        first.kill()
        assert cache.collect().leftovers == 1
    assert not os.listdir(cache["tmp"])
    assert not os.listdir(cache["locks"])


#: calls that change something; a process is killed before each of them in turn
CHANGING = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "utime", "close", "chmod", "fchmod", "listdir")


def killed_before(number: int, work: Callable[[], object]) -> bool:
    """Forks a process that does `work` and is killed before its call number `number` of `CHANGING`; whether it was."""
    child = os.fork()
    if child == 0:
        count = 0

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **more: Any) -> Any:
                nonlocal count
                count += 1
                if count > number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **more)

            return call

        try:
            for name in CHANGING:
                setattr(os, name, counted(getattr(os, name)))
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("what", ["make", "remove", "name"])
def test_killed_at_any_moment(cache: Cache, tmp_path: Path, what: str) -> None:
    """What is there is whole, the next one gets what he wants, and nothing is left in the end."""
    path = docker_archive(tmp_path / "a.tar", [layer(member("a", data=b"x"), member("d/e")), layer(member("d/.wh.e"))])
    reference = parse(f"docker-archive:{path}")
    work = {
        "make": lambda: cache.use(reference),
        "remove": lambda: cache.collect(max_size=0),
        "name": lambda: inventory.set_name(cache, "mine", *keys(cache)),
    }[what]
    cache.make()
    number, killed = 0, True
    while killed:
        if what != "make":
            cache.use(reference).close()
        killed = killed_before(number, work)
        for one in cache.entries():
            assert not one.damaged
            assert (Path(one.path) / "rootfs/a").read_bytes() == b"x"
            assert os.listdir(Path(one.path) / "rootfs/d") == []
        with cache.use(reference) as lease:
            assert (Path(lease.path) / "rootfs/a").read_bytes() == b"x"
        if what == "make" and killed:
            cache.remove(os.path.basename(lease.path))
        number += 1
    assert number > 2
    cache.collect(max_size=0)
    for name in ("images", "tmp", "notes", "locks"):
        assert os.listdir(cache[name]) == []


def test_a_failed_extraction_leaves_nothing(cache: Cache, tmp_path: Path) -> None:
    where = layout(tmp_path / "l", [layer(member("a"), member("../b"))])
    for _ in range(2):
        with pytest.raises(ImageError, match=r"\.\./b: a name with \.\. in it"):
            cache.use(parse(f"oci:{where}"))
    assert not os.listdir(cache["tmp"])
    assert not keys(cache)


def test_a_full_disk_is_one_clear_line(cache: Cache, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*args: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(ImageError, match=": layer 1: a: No space left on device"):
            cache.use(parse(image))
    assert not os.listdir(cache["tmp"])
    cache.use(parse(image)).close()


# ---- leases


def test_what_is_in_use_stays(cache: Cache, image: str) -> None:
    lease = cache.use(parse(image))
    key = os.path.basename(lease.path)
    again = cache.use(parse(image))
    assert not cache.remove(key)
    lease.close()
    lease.close()
    done = cache.collect(max_size=0, max_age=0)
    assert (done.removed, done.in_use) == ([], 1)
    assert os.path.exists(f"{again.path}/rootfs/a")
    again.close()
    assert [one.key for one in cache.collect(max_size=0).removed] == [key]
    assert not keys(cache)


def test_a_child_keeps_what_its_parent_used(cache: Cache, image: str) -> None:
    lease = cache.use(parse(image))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    key = os.path.basename(lease.path)
    lease.close()
    assert not cache.remove(key)
    os.close(write)
    os.waitpid(child, 0)
    assert cache.remove(key)


def test_a_killed_user_holds_nothing(cache: Cache, image: str) -> None:
    with users(cache, image, 1) as (one,):
        assert one.line() == "half"
        one.go()
        assert one.line().startswith("done")
        (key,) = keys(cache)
        assert inventory.find(cache, key).in_use
        assert not cache.remove(key)
        one.kill()
        assert not inventory.find(cache, key).in_use
        assert cache.remove(key)


def test_a_path_in_the_cache_is_leased_too(cache: Cache, image: str, tmp_path: Path) -> None:
    with cache.use(parse(image)) as lease:
        path = lease.path
    inventory.set_name(cache, "mine", os.path.basename(path))
    (tmp_path / "link").symlink_to(cache.directory)
    for text in (path, f"{cache.directory}/names/mine", f"{tmp_path}/link/names/mine"):
        with cache.use(parse(text)) as lease:
            assert os.path.realpath(lease.path) == path
            assert lease.fileno() >= 0
            assert not cache.remove(os.path.basename(path))


def test_a_bundle_of_ones_own_is_not_the_caches(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with cache.use(parse(str(tmp_path))) as lease:
        assert (lease.path, lease.fileno()) == (str(tmp_path), -1)
    assert not os.path.exists(cache.directory)


def test_removing_and_using_at_once(cache: Cache, image: str, tmp_path: Path) -> None:
    """A user never gets what is being removed: the file that he looks for stays there as long as he has the lease."""
    code = """
import os, sys
from slurmpy.image.cache import Cache
from slurmpy.image.limits import Limits
from slurmpy.image.reference import parse
for _ in range(60):
    with Cache(sys.argv[1], Limits()).use(parse(sys.argv[2])) as lease:
        assert os.path.getsize(lease.path + "/rootfs/a") == 10
        assert os.path.exists(lease.path + "/config.json")
print("fine")
"""
    small = f"oci:{layout(tmp_path / 'small', [layer(member('a', data=b'x' * 10))])}"
    argv = [sys.executable, "-c", code, cache.directory, small]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPO)
               for _ in range(3)]  # fmt: skip
    removed = 0
    while any(one.poll() is None for one in running):
        removed += len(cache.collect(max_size=0).removed)
    for one in running:
        out, err = one.communicate()
        assert (out, err) == ("fine\n", "")
    assert removed
    assert not os.listdir(cache["tmp"])


# ---- collecting


def test_size_and_age(cache: Cache, tmp_path: Path) -> None:
    made = [make(cache, tmp_path, name) for name in ("a", "b", "c", "d")]
    now = time.time()
    for number, one in enumerate(made):
        os.utime(f"{one.path}/lease", (now - 1000 * (10 - number),) * 2)
    assert [one.key for one in cache.entries()] == [one.key for one in reversed(made)]
    assert not cache.collect(max_size=100 << 20, max_age=20_000).removed
    assert [one.key for one in cache.collect(max_age=9500).removed] == [made[0].key]
    # who used it last is who is asked
    cache.use(parse(f"oci:{tmp_path}/b")).close()
    done = cache.collect(max_size=made[1].size * 2)
    assert [one.key for one in done.removed] == [made[2].key]
    assert done.size == made[1].size + made[3].size
    assert keys(cache) == {made[1].key, made[3].key}


def test_a_bound_for_the_cache(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache"), Limits(cache=3 << 20))
    made = [make(cache, tmp_path, name) for name in ("a", "b")]
    os.utime(f"{made[1].path}/lease", (1, 1))
    make(cache, tmp_path, "c")
    assert made[1].key not in keys(cache)
    assert len(keys(cache)) == 2


def test_names_notes_and_locks_go_with_their_bundles(cache: Cache, tmp_path: Path) -> None:
    made = make(cache, tmp_path, "a")
    inventory.set_name(cache, "old", made.key)
    inventory.set_name(cache, "new", made.key)
    assert inventory.find(cache, "old").names == ["new", "old"]
    other = make(cache, tmp_path, "b")
    inventory.set_name(cache, "old", other.key)
    assert inventory.find(cache, "old").key == other.key
    (Path(cache["notes"]) / ("0" * 64)).write_text(made.key)
    cache.remove(made.key)
    cache.collect()
    assert os.listdir(cache["names"]) == ["old"]
    assert not os.listdir(cache["notes"])
    assert set(os.listdir(cache["locks"])) <= {other.key}


def test_damaged_bundles_go(cache: Cache, tmp_path: Path, image: str) -> None:
    with cache.use(parse(image)) as lease:
        path = Path(lease.path)
    other = make(cache, tmp_path, "b")
    (path / "lease").unlink()
    (Path(other.path) / "image.json").write_text("[]")
    assert all(one.damaged for one in cache.entries())
    cache.use(parse(image)).close()  # is made anew
    assert [one.key for one in cache.collect().removed] == [other.key]


def test_finding_one(cache: Cache, tmp_path: Path) -> None:
    made = make(cache, tmp_path, "a")
    inventory.set_name(cache, "mine", made.key)
    for text in ("mine", made.path, made.key, made.key[:6], f"oci:{tmp_path}/a", cache["names/mine"]):
        assert inventory.find(cache, text).key == made.key
    for text in ("other", made.key[:3], "oci:b", ""):
        with pytest.raises(ImageError, match="there is no such bundle"):
            inventory.find(cache, text)
    for name in ("", ".x", "a/b", "a b", "-x", made.key, "\u00e9", "x" * 200):
        with pytest.raises(ImageError, match="not a name for a bundle"):
            inventory.set_name(cache, name, made.key)


# ---- the directory


def test_where_it_is() -> None:
    assert default_directory("/home/me", {}) == "/home/me/.cache/slurmpy/images"
    assert default_directory("/home/me", {"XDG_CACHE_HOME": "/x"}) == "/x/slurmpy/images"
    assert default_directory("/home/me", {"XDG_CACHE_HOME": "x"}) == "/home/me/.cache/slurmpy/images"
    assert default_directory("", {"SLURMPY_IMAGE_CACHE": "/y", "XDG_CACHE_HOME": "/x"}) == "/y"
    with pytest.raises(ImageError, match="set SLURMPY_IMAGE_CACHE to a directory"):
        default_directory("", {})


def test_others_can_write_there(cache: Cache, image: str, tmp_path: Path) -> None:
    def said() -> str:
        with pytest.raises(ImageError) as caught:
            cache.use(parse(image))
        return str(caught.value).replace(str(tmp_path), "")

    os.mkdir(cache.directory, 0o755)
    cache.use(parse(image)).close()
    assert os.stat(cache.directory).st_mode & 0o777 == 0o700
    for mode in (0o770, 0o702):
        os.chmod(cache.directory, mode)
        assert said() == "the cache of images /cache can be written to by others (chmod 700, and empty it)"
    os.chmod(cache.directory, 0o700)
    os.chmod(cache["images"], 0o777)
    assert said() == "/cache/images: not a directory that only you can write to"
    os.chmod(cache["images"], 0o700)
    os.chmod(tmp_path, 0o777)
    assert said() == "the cache of images /cache can be replaced by others, who can write to "
    os.chmod(tmp_path, 0o700)
    if os.geteuid() == 0:
        os.chown(cache.directory, 1, 1)
        assert said() == "the cache of images /cache belongs to somebody else"
        os.chown(cache.directory, 0, 0)
    cache.use(parse(image)).close()
    if os.geteuid() == 0:
        with pytest.raises(ImageError, match="is for user 0, not 5"):
            cache.use(parse(image), uid=5, gid=5)
    file = Cache(f"{tmp_path}/file", Limits())
    Path(file.directory).write_text("")
    with pytest.raises(ImageError, match=r"cannot make the cache of images .*/file: File exists \(SLURMPY_IMAGE_CACHE"):
        file.use(parse(image))


def test_root_and_others_have_bundles_of_their_own(tmp_path: Path) -> None:
    from slurmpy.image.making import ImageBundle
    from slurmpy.image.manifest import open_image

    where = layout(tmp_path / "l", [layer(member("a"))])
    reference = parse(f"oci:{where}")
    found = open_image(reference, Limits())
    made = {
        ImageBundle(found, reference, uid, gid, Limits()).key for uid, gid in ((0, 0), (0, 5), (5, 5), (5, 6), (6, 5))
    }
    assert len(made) == 4


def test_a_root_file_system_that_changed_is_another_bundle(cache: Cache, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    with cache.use(parse(str(root))) as first:
        pass
    (root / "tmp").mkdir()
    with cache.use(parse(f"{root}/.")) as second:
        assert second.path != first.path
    with cache.use(parse(str(root))) as third:
        assert third.path == second.path


def test_using_costs_little_and_imports_little() -> None:
    """What a slurmstepd imports to know that nothing has to be made."""
    code = "import sys\nfrom slurmpy.image import cache, reference\nprint(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPO).stdout
    heavy = {"tarfile", "gzip", "json", "hashlib", "subprocess", "tempfile", "zlib", "slurmpy.image.layers"}
    assert not heavy & set(out.split())


def test_a_tar_file_is_read_once(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slurmpy.image import blobs

    read: list[str] = []
    real = blobs.ArchiveSource.__init__

    def counted(self: blobs.ArchiveSource, path: str, *rest: Any) -> None:
        read.append(path)
        real(self, path, *rest)

    monkeypatch.setattr(blobs.ArchiveSource, "__init__", counted)
    path = docker_archive(tmp_path / "a.tar", [layer(member("a"))], {}, "x:1")
    reference = parse(f"docker-archive:{path}")
    with cache.use(reference) as first, cache.use(reference) as second:
        assert first.path == second.path
    assert len(read) == 1
    # another file of the same name is another image; a bundle that was removed is made again
    assert cache.remove(os.path.basename(first.path))
    cache.use(reference).close()
    assert len(read) == 2
    path.unlink()
    docker_archive(path, [layer(member("b"))])
    with cache.use(reference) as third:
        assert third.path != first.path
    assert len(read) == 3


def test_a_tree_that_is_deeper_than_recursion(tmp_path: Path) -> None:
    """A container can have made it in its root file system."""
    at = os.open(tmp_path, os.O_RDONLY)
    for name in ("tree", *("d" for _ in range(3000))):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    above = os.open(tmp_path, os.O_RDONLY)
    try:
        remove_tree(above, "tree")
    finally:
        os.close(above)
    assert os.listdir(tmp_path) == []


def test_a_root_file_system_that_json_cannot_name(cache: Cache, tmp_path: Path) -> None:
    place = os.path.join(os.fsencode(tmp_path), b"r\xff")
    for name in (b"bin", b"etc", b"proc", b"dev", b"sys", b"usr"):
        os.makedirs(os.path.join(place, name))
    with pytest.raises(ImageError, match="not UTF-8"):
        cache.use(parse(os.fsdecode(place)))
