"""Asks daemons as another user: run by `people.Asker` with a user and a group id; pickled requests on standard input.

What the client needs is imported while this still is root, so that the user need not be able to read it; after that
nothing of root's is kept, and the kernel tells the daemons whose process this is.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401
import os
import pickle
import pwd  # noqa: F401
import socket  # noqa: F401
import sys

import jwt  # noqa: F401

from slurmpy.auth import hello, key, munge, peer, token  # noqa: F401
from slurmpy.conf import slurm_conf
from slurmpy.core.errors import SlurmError
from slurmpy.rpc.cluster import Cluster

from slurmpy.rpc.client import Client  # isort: skip


def ask(cluster: Cluster, daemon: str, method: str, args: dict, stream: bool):
    service = {"slurmctld": cluster, "slurmdbd": None}.get(daemon, daemon)
    if service is None:
        service = cluster.slurmdbd
    elif isinstance(service, str):  # "NODE:PORT" of a slurmd
        name, _, port = service.partition(":")
        service = cluster.node(name, {"unix": True, "host": "127.0.0.1", "port": int(port)})
    client: Client = service.client
    try:
        if stream:
            parts = []
            for part in client.stream(method, args):
                parts.append(part)
                if method in ("assoc_updates", "allocate_resources"):
                    break
            value = parts
        else:
            value = client.call(method, args)
    except SlurmError as error:
        client.close()
        return error.name, error.message
    client.close()
    return "y", value


def main() -> None:
    uid, gid = int(sys.argv[1]), int(sys.argv[2])
    clusters = {path: slurm_conf.load(path) for path in sys.argv[3:]}
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    os.chdir("/")
    reader, writer = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            path, by_token, daemon, method, args, stream = pickle.load(reader)
        except EOFError:
            return
        os.environ.pop("SLURM_JWT", None)
        if by_token:
            os.environ["SLURM_JWT"] = by_token
        pickle.dump(ask(Cluster(clusters[path], "test"), daemon, method, args, stream), writer)
        writer.flush()


if __name__ == "__main__":
    main()
