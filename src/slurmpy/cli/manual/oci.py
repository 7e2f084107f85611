"""oci.conf(5): prose for its man page."""

from __future__ import annotations

from slurmpy.conf import oci_runtimes

OCI_CONF = {
    "ContainerPath": "Pattern of the directory that each task's config.json is written into. It is made with the "
    "user's rights and should be another for each task. By default it is oci-job%j-STEP/task-%t in SlurmdSpoolDir, "
    "with a directory runtime beside it for what the runtime itself has to keep (%b/../runtime).",
    "CreateEnvFile": "Write the task's variables into a file, %e: null (each ends with a NUL), newline (each on a "
    "line; those that have line breaks are left out) or disabled. true is null, false is disabled.",
    "DebugFlags": "Any flag of slurm.conf's DebugFlags: what is done with containers is logged like other messages.",
    "DisableCleanup": "Leave the files that were written for the runtime where they are.",
    "DisableHooks": "Kinds of hooks of config.json that are left out, joined by commas: prestart, createRuntime, "
    "createContainer, startContainer, poststart, poststop.",
    "EnvExclude": "Extended regular expression; variables (NAME=VALUE) that it matches do not come into containers.",
    "FileDebug": "Level of what slurmd's log says of containers.",
    "IgnoreFileConfigJson": "Neither read nor write a config.json: the runtime's command says all, %b and %r are what "
    "--container names, and %@ is the program.",
    "MountSpoolDir": "Pattern of the path in the container at which the task's directory is seen. Where it is not set "
    "this is /var/run/slurm/, unless that would have to be made in the bundle's own file system.",
    "RunTimeCreate": "Pattern of the runtime's create operation. The container gets the standard files of this "
    "command.",
    "RunTimeDelete": "Pattern of the runtime's delete operation.",
    "RunTimeEnvExclude": "Extended regular expression; variables (NAME=VALUE) that it matches are not given to the "
    "runtime.",
    "RunTimeKill": "Pattern of the runtime's kill operation.",
    "RunTimeQuery": "Pattern of the runtime's state operation, which prints the container's state as JSON.",
    "RunTimeRun": "Pattern of the runtime's run operation, instead of RunTimeCreate and RunTimeStart: it comes back "
    "when the container ends, with its exit code. The quicker way.",
    "RunTimeStart": "Pattern of the runtime's start operation.",
    "SrunArgs": "An option of srun (--mem-per-cpu=1G) that every container of scrun gets unless it says otherwise; one "
    "line for each. scrun starts the step itself, so SrunPath names nothing that would be used.",
    "StdIODebug": "Level of what a step's error output says of containers.",
    "SyslogDebug": "Level of what syslog is told of containers.",
}

PATTERNS = {
    "%%": "%",
    "%@": "The program and its arguments, each in single quotes.",
    "%b": "The bundle: the task's own, made from the one that --container names.",
    "%e": "The file of CreateEnvFile.",
    "%j": "Job id.",
    "%m": "The task's directory (see ContainerPath); in ContainerPath itself SlurmdSpoolDir.",
    "%n": "Name of the node.",
    "%p": "Process id of the task as the node sees it; 4294967295 before there is one.",
    "%r": "The root file system as the bundle names it.",
    "%s": "Step id, a number.",
    "%t": "Task id.",
    "%u": "Name of the user.",
    "%U": "Number of the user.",
}

INTRODUCTION = """How containers are run. It has the commands of an OCI runtime, as patterns, and is beside slurm.conf;
slurmd reads it when it starts and when it is reconfigured. Where it is absent, --container is noted with the job,
SLURM_CONTAINER is set, and the job runs on the host, which sbatch and srun say (OCIRequired of slurm.conf refuses it
instead). All commands run as the job's user. `slurmpy oci-conf runc` prints a file for a site, `slurmpy up
--container-runtime runc` writes one for the pocket cluster."""

NEEDED = """RunTimeQuery, RunTimeKill and RunTimeDelete are needed, and either RunTimeRun or both RunTimeCreate and
RunTimeStart; with IgnoreFileConfigJson, RunTimeRun alone will do."""

#: What `slurmpy oci-conf runc` prints.
EXAMPLE = tuple(oci_runtimes.text("/usr/sbin/runc").splitlines())
