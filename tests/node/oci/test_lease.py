"""The process that unpacks a step's image: it is the user's, and has nothing of slurmd's."""

from __future__ import annotations

import os

import pytest

from slurmpy.node.oci import lease
from slurmpy.node.oci.errors import ContainerError
from slurmpy.node.tasks import Identity


def take(tmp_path, body: str, *more: str) -> tuple[str, int]:
    program = tmp_path / "bin" / "skopeo"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    environment = (f"PATH={program.parent}:/usr/bin:/bin", f"SLURMPY_IMAGE_CACHE={tmp_path}/cache", *more)
    reference = lease.reference_of("docker://registry.example/name:tag", "/")
    identity = Identity(os.geteuid(), os.getegid(), "")
    return lease.take(reference, {"environment": environment}, identity, lambda descriptor: None)


def test_programs_have_the_steps_environment_not_slurmds(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_SLURMD", "x")
    monkeypatch.setenv("HOME", "/home/of/slurmd")
    with pytest.raises(ContainerError, match="skopeo: nothing there"):
        take(tmp_path, f"env > {tmp_path}/seen; echo nothing there >&2; exit 1", "HOME=/home/of/the/user", "MINE=y z")
    seen = (tmp_path / "seen").read_text()
    assert "SECRET_OF_SLURMD" not in seen
    assert "\nHOME=/home/of/the/user\n" in f"\n{seen}"
    assert "\nMINE=y z\n" in f"\n{seen}"
    assert os.environ["SECRET_OF_SLURMD"] == "x"


def test_a_defect_is_told(tmp_path):
    with pytest.raises(ContainerError, match=r"docker://registry.example/name:tag: ValueError: "):
        take(tmp_path, "exit 1", "BAD=a\0b")
