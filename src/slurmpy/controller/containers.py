"""What slurmctld says of a wish for a container: whether this cluster runs any (oci.conf(5): without that file the wish
is a mere note)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from slurmpy.conf import oci_conf
from slurmpy.core.errors import SlurmError
from slurmpy.rpc.log import log

if TYPE_CHECKING:
    from slurmpy.controller.control import Controller

LONGEST = 4096


def note(what: str, container: str, container_id: str) -> None:
    """A line in the log for a job or step that is to be in a container."""
    if container:
        named = f" container_id={container_id}" if container_id else ""
        log.info(f"{what} container={container}{named}")


def configured(ctl: Controller) -> bool:
    """Whether slurmctld has an oci.conf. A node that has none says itself that it runs a step on the host."""
    return os.path.exists(oci_conf.path_beside(ctl.conf))


def remark(ctl: Controller, container: str | None, what: str) -> str:
    """A line for the user whose `what` ("job", "step") will run on the host; "" if there is nothing to say.

    Raises SlurmError: ESLURM_CONTAINER_NOT_CONFIGURED where slurm.conf has OCIRequired, ESLURM_PATHNAME_TOO_LONG.
    """
    if not container:
        return ""
    if len(container) > LONGEST:
        raise SlurmError("ESLURM_PATHNAME_TOO_LONG")
    if configured(ctl):
        return ""
    if ctl.conf.OCIRequired:
        raise SlurmError("ESLURM_CONTAINER_NOT_CONFIGURED")
    return f"there is no oci.conf: the {what} runs on the host, not in container {container}"
