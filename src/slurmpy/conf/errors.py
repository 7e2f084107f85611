"""What is wrong with a configuration file, in Slurm's words."""

from __future__ import annotations

from ..core.errors import SlurmError


class ConfError(SlurmError):
    """A configuration that cannot be used.

    `details` are the lines that Slurm prints as errors before it gives up with the message itself, a fatal one.
    """

    fatal = True

    def __init__(self, *details: str, message: str = "Unable to process configuration file") -> None:
        super().__init__("SLURM_ERROR", message)
        self.details = details
