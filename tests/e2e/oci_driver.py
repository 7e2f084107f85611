"""A small conmon: calls an OCI runtime's create, becomes the container's parent, and tells how it ends.

    python oci_driver.py SPEC

SPEC is a JSON object: create (the whole command line), pid_file, out and err (files), socket (for a console) or null.
Standard input is the container's. One JSON object a line is printed: {"create": exit code}, then {"exit": code}; for a
signal the code is negative. On a console, its output goes to `out`, and lines that come here on standard input to it.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import termios
import threading

PR_SET_CHILD_SUBREAPER = 36


def tell(**what):
    print(json.dumps(what), flush=True)


def console(master, out):
    """Copies what the container writes to its terminal until its last user has gone."""
    with open(out, "ab", buffering=0) as stream, contextlib.suppress(OSError):
        while piece := os.read(master, 65536):
            stream.write(piece)
    os.close(master)


def type_in(master):
    while piece := os.read(0, 65536):
        os.write(master, piece)


def main(spec):
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    listener = None
    if spec["socket"]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(spec["socket"])
        listener.listen(1)
        listener.settimeout(60)
    with open(spec["out"], "ab") as out, open(spec["err"], "ab") as err:
        stdin = subprocess.DEVNULL if listener else None
        create = subprocess.Popen(spec["create"], stdin=stdin, stdout=out, stderr=err)
    copier = None
    if listener:
        connection, _ = listener.accept()
        _, (master,), _, _ = socket.recv_fds(connection, 64, 1)
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *spec["window"], 0, 0))
        copier = threading.Thread(target=console, args=(master, spec["out"]))
        copier.start()
        threading.Thread(target=type_in, args=(master,), daemon=True).start()
    code = create.wait()
    tell(create=code)
    if code:
        return
    with open(spec["pid_file"]) as stream:
        pid = int(stream.read())
    _, status = os.waitpid(pid, 0)
    if copier:
        copier.join()
    tell(exit=os.waitstatus_to_exitcode(status))


main(json.loads(sys.argv[1]))
os._exit(0)
