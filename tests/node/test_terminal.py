"""srun --pty and -u."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time

from .conftest import Cluster
from .test_steps import Srun


def read_until(master: int, wanted: bytes, seconds: float = 10.0) -> bytes:
    """What comes from the terminal until the pattern `wanted` is in it; AssertionError if it does not come."""
    seen, end = b"", time.monotonic() + seconds
    os.set_blocking(master, False)
    while not re.search(wanted, seen):
        assert time.monotonic() < end, seen
        try:
            piece = os.read(master, 4096)
        except BlockingIOError:
            time.sleep(0.005)
            continue
        except OSError:
            break
        if not piece:
            break
        seen += piece
    assert re.search(wanted, seen), seen
    return seen


def test_a_pseudo_terminal(cluster: Cluster) -> None:
    srun = Srun(cluster)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
    before = termios.tcgetattr(slave)
    command = srun.command("sh", pty=True)
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.write(master, b"tty; stty size; echo pid=$$\n")
    text = read_until(master, rb"pid=\d+")
    assert b"/dev/pts/" in text
    assert b"33 111\r\n" in text
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 99, 0, 0))
    process.send_signal(28)  # SIGWINCH, which a terminal sends only to the session that it controls
    os.write(master, b"sleep 0.2; stty size\n")
    read_until(master, rb"44 99\r\n")
    os.write(master, b"sleep 100\n")
    read_until(master, b"sleep 100\r\n")
    os.write(master, b"\x03")  # goes to the program, not to srun
    os.write(master, b"echo back; exit 3\n")
    read_until(master, b"back\r\n")
    assert process.wait(10) == 3
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_without_a_terminal_there_is_none(cluster: Cluster) -> None:
    code, out, err = Srun(cluster).run("sh", stdin=b"echo hi; exit 4\n", pty=True)
    assert (code, out) == (4, "hi\n")
    assert err == (
        "srun: error: ioctl(TIOCGWINSZ): Inappropriate ioctl for device\n"
        "srun: error: Not using a pseudo-terminal, disregarding --pty option\n"
        "srun: error: n1: task 0: Exited with exit code 4\n"
    )


def test_unbuffered_output_is_a_terminal_and_comes_at_once(cluster: Cluster) -> None:
    process = Srun(cluster).start("sh", "-c", "[ -t 1 ] && printf part; read x; printf '\\nrest\\n'", unbuffered=True)
    assert process.stdout is not None
    assert process.stdout.read(4) == b"part"
    out, _ = process.communicate(b"\n", timeout=10)
    assert out == b"\nrest\n"
    assert process.returncode == 0
