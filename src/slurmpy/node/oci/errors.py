"""Why a container cannot be run."""

from __future__ import annotations


class ContainerError(Exception):
    """One line that names what is wrong: a file, a field of it, or a command with what it said."""
