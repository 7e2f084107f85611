"""The job behind a container of scrun: what is asked for, its allocation, and the step that runs the bundle."""

from __future__ import annotations

import os

from ..core.errors import SlurmError
from ..core.records.description import StepDescriptor
from ..rpc import stepio
from . import allocation, description, request, srun, step
from .command import Given
from .errors import Stop, line
from .job_options import JobOptions
from .launch import LaunchOptions
from .launch_engine import Launch
from .launch_terminal import SIGKILL
from .options.job import JobCommand, rows, says_yes
from .options.scrun import ANNOTATION, JOB_VARIABLES, MORE_VARIABLES, NO_VARIABLES, SWITCHES_WAIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ..core.records.description import JobDescriptor
    from ..rpc.cluster import Cluster
    from .allocation import Allocation
    from .scrun_bundle import Bundle
    from .scrun_log import ScrunLog

#: srun's options, under scrun's name in messages
COMMAND = JobCommand("scrun", rows("srun"), permute=False)
_ROWS = {row.long[2:]: row for row in COMMAND.options}
#: errors about a job or step that has ended
GONE = ("ESLURM_ALREADY_DONE", "ESLURM_INVALID_JOB_ID")
#: options of srun that make no sense as annotations: who the container is, and where its input and output go, is known
NOT_FOR_CONTAINERS = frozenset(
    (
        "container", "container-id", "jobid", "pty", "input", "output", "error", "multi-prog", "interactive",
        "het-group", "pack-group", "test-only", "help", "usage", "version", "autocomplete", "immediate", "relative",
        "verbose", "quiet", "quit-on-interrupt", "disable-status", "preserve-env", "export",
    )
)  # fmt: skip


class LogMessages(request.Messages):
    """Messages of the allocation go to scrun's log: standard error is the container's."""

    def __init__(self, log: ScrunLog) -> None:
        super().__init__("scrun")
        self.log = log

    def say(self, level: str, message: str) -> None:
        self.log.say("error" if level == "warning" else "debug" if level.startswith("debug") else level, message)


def options_of(env: Mapping[str, str], annotations: Mapping[str, str], site: Sequence[str] = ()) -> JobOptions:
    """Job options out of SrunArgs of oci.conf (`site`), SCRUN_... variables, and the bundle's ``slurm.`` annotations;
    the later ones win. Raises Stop."""
    at = request.reading("scrun")
    passes = (tuple(_of_site(site)), tuple(_of_variables(env)), tuple(_of_annotations(annotations)))
    return request.options_of(COMMAND, at, passes)


def site_arguments(conf: Any) -> tuple[str, ...]:
    """SrunArgs of oci.conf. Raises Stop if there is no such file, SlurmError if it is wrong.

    A container that a caller wants to be one must not become a program on the host, as that of ``srun --container``
    does then: so scrun refuses to work without oci.conf, as Slurm's does.
    """
    from ..conf import oci_conf

    path = oci_conf.path_beside(conf)
    found = oci_conf.load(path)
    if found is None:
        raise _refused(f"unable to load {path}: No such file or directory")
    return tuple(found.srun_arguments)


def _of_site(arguments: Sequence[str]) -> Iterator[Given]:
    given, operands = COMMAND.getopt(arguments, "script", act=False)
    if operands:
        raise _refused(f"SrunArgs of oci.conf: {operands[0]}: not an option")
    for one in given:
        if one.option.name in NOT_FOR_CONTAINERS:
            raise _refused(f"SrunArgs of oci.conf: {one.option.long} cannot be given for containers of scrun")
        yield one


def _of_variables(env: Mapping[str, str]) -> Iterator[Given]:
    for variable, why in NO_VARIABLES.items():
        if variable in env:
            raise _refused(f"{variable} is not supported: {why}")
    named = [(f"SCRUN_{variable}", option) for option, variable in JOB_VARIABLES.items()]
    for variable, option in (*named, *MORE_VARIABLES.items()):
        value = env.get(variable)
        if value is None:
            continue
        row = _ROWS[option]
        if row.reject is not None:
            raise _refused(f"{variable} is not supported: {row.reject}")
        if row.argument == "no" and not says_yes(value):
            continue
        if option == "switches" and SWITCHES_WAIT in env and "@" not in value:
            value = f"{value}@{env[SWITCHES_WAIT]}"
        yield Given(row, None if row.argument == "no" else value, "environment")


def _of_annotations(annotations: Mapping[str, str]) -> Iterator[Given]:
    for key, value in annotations.items():
        if not key.startswith(ANNOTATION):
            continue
        row = _ROWS.get(key[len(ANNOTATION) :])
        if row is None or row.name in NOT_FOR_CONTAINERS:
            raise _refused(f"annotation {key}: there is no such option")
        if row.reject is not None:
            raise _refused(f"annotation {key} is not supported: {row.reject}")
        if row.argument == "no":
            if says_yes(value):
                yield Given(row, None, "command line")
        else:
            yield Given(row, value, "command line")


def _refused(message: str) -> Stop:
    return Stop(1, err=line("scrun", message, "fatal"))


class ContainerLaunch(Launch):
    """The run of the container's step. srun's own messages go to the log, and `on_started` is called once."""

    def __init__(
        self,
        cluster: Cluster,
        reply: Mapping[str, Any],
        options: LaunchOptions,
        log: ScrunLog,
        on_started: Callable[[], None],
    ) -> None:
        self.log, self.on_started = log, on_started
        self.complaints: list[str] = []
        super().__init__(cluster, reply, options)

    def _say(self, text: str, error: bool = False) -> None:
        if error:
            self.complaints.append(text)
        for part in text.split("\n"):
            self.log.info(part)

    def _frame(self, node: Any, kind: int, task: int, body: bytes) -> None:
        if kind == stepio.MESSAGE:  # slurmstepd's own words are none of the container's standard error
            text = body.decode("utf-8", "replace").rstrip("\n")
            self.complaints.append(text)
            self.log.error(text)
            return
        super()._frame(node, kind, task, body)
        if kind == stepio.STARTED and len(self.started) == self.count:
            self.on_started()


class ContainerJob:
    """A container's job: asked for, granted, its steps, and its end."""

    def __init__(self, cluster: Cluster, options: JobOptions, log: ScrunLog) -> None:
        self.cluster = cluster
        self.options = options
        self.log = log
        self.granted: Allocation | None = None

    @property
    def job_id(self) -> int:
        return self.granted.job_id if self.granted else 0

    def describe(self, bundle: Bundle, container: str) -> JobDescriptor:
        """What slurmctld is asked for. Raises Stop."""
        options = self.options
        srun.check([options], bundle.args, None)
        warnings: list[tuple[str, str]] = []
        job = description.describe(options, warnings)
        messages = LogMessages(self.log)
        request.warn_all(messages, warnings)
        description.complete(options, job)
        job.name = options.get("job-name") or "scrun"
        job.command = bundle.args[0]
        job.container, job.container_id = bundle.path, container
        job.current_working_directory = options.get("chdir") or "/"  # the container's own is in its bundle
        job.standard_input = job.standard_output = job.standard_error = job.open_mode = None
        for field, value in description.origin(["create", f"--bundle={bundle.path}", container], "scrun").items():
            setattr(job, field, value)
        return job

    def allocate(self, job: JobDescriptor, env: Mapping[str, str]) -> None:
        """Waits for the allocation, which goes with this process. Raises Stop."""
        request.own_cluster(self.options, self.cluster)
        waiter = allocation.Waiter(self.cluster, "scrun", LogMessages(self.log), env)
        self.granted = waiter.wait([job])

    def variables(self) -> dict[str, str]:
        """What the job's processes find, as far as it is known before there is a step."""
        assert self.granted is not None
        found = allocation.variables(self.granted.reply, self.cluster.conf)
        found["SLURM_JOB_NAME"] = self.options.get("job-name") or "scrun"
        return found

    def step(self, bundle: Bundle, container: str, more: Mapping[str, str], on_started: Callable[[], None]) -> Running:
        """Creates the container's step. `more` are scrun's own variables. Raises Stop, SlurmError."""
        assert self.granted is not None
        options, reply = self.options, self.granted.reply
        base = {**bundle.variables(), **more}
        asked = step.describe(options, reply, bundle.args, base, own=True)
        asked.name = os.path.basename(bundle.args[0])
        asked.container, asked.container_id = bundle.path, container
        asked.current_working_directory = options.get("chdir") or "/"
        asked.submit_line = f"scrun start {container}"
        link = allocation.another(self.cluster)
        created = step.create(link, asked, LogMessages(self.log))
        tasks = step.environment(options, asked, created, base)
        tasks["SLURM_JOB_NAME"] = options.get("job-name") or "scrun"
        tasks |= {"SLURM_CONTAINER": bundle.path, "SLURM_CONTAINER_ID": container}
        if reply.get("group_name"):
            tasks["SLURM_JOB_GROUP"] = str(reply["group_name"])
        fields = step.launch_fields(options) | {"pty": bundle.terminal, "input": None, "output": None, "error": None}
        wanted = LaunchOptions(
            argv=bundle.args,
            environment=tasks,
            cwd=options.get("chdir") or "/",
            container_cwd=options.get("chdir") or "",
            umask=description.current_umask(),
            job_name=str(asked.name),
            **fields,
        )
        step.hook(options.get("prolog"), {**os.environ, **tasks}, "prolog")
        launch = ContainerLaunch(link, created, wanted, self.log, on_started)
        return Running(launch, int(created["step_id"]), lambda: step.hook(options.get("epilog"), tasks, "epilog"))

    def remote_command(self, script: str, spool: str) -> tuple[int, str]:
        """Runs a shell script on all nodes: (exit code, output)."""
        assert self.granted is not None
        reply = self.granted.reply
        count = int(reply["node_count"])
        asked = StepDescriptor(
            job_id=self.job_id, name="scrun-staging", minimum_nodes=count, maximum_nodes=count, tasks=count,
            overlap=True, overcommit=True, submit_line="scrun", current_working_directory="/",
        )  # fmt: skip
        path = os.path.join(spool, f".remote-{os.urandom(4).hex()}")
        link = allocation.another(self.cluster)
        try:
            created = step.create(link, asked, LogMessages(self.log))
            wanted = LaunchOptions(
                argv=("/bin/sh", "-c", script),
                environment={**os.environ, **self.variables()},
                cwd="/",
                input="none",
                output=path,
                open_mode="t",
            )
            launch = ContainerLaunch(link, created, wanted, self.log, lambda: None)
            code = launch.run()
            with open(path, "rb") as stream:
                return code, stream.read().decode("utf-8", "replace")
        except SlurmError as error:
            return 1, error.message
        finally:
            link.close()
            if os.path.exists(path):
                os.unlink(path)

    def signal(self, step_id: int, number: int) -> None:
        """A signal to all processes of the step, by slurmctld. Raises SlurmError."""
        control = allocation.another(self.cluster)
        try:
            control.call("kill_step", {"job_id": self.job_id, "step_id": step_id, "signal": number})
        finally:
            control.close()

    def complete(self, status: int | None) -> bool:
        """Gives the allocation back; `status` is a wait status, None cancels the job. False if slurmctld is away."""
        if self.granted is None:
            return True
        control = allocation.another(self.cluster)
        try:
            if status is None:
                cancel(control, self.job_id)
            else:
                control.call("complete_allocation", {"job_id": self.job_id, "status": status})
        except SlurmError as error:
            if error.name not in GONE:
                self.log.error(f"Unable to complete job {self.job_id}: {error.message}")
                return False
        finally:
            control.close()
        return True

    def wait_end(self) -> None:
        """Returns when slurmctld says that the job has ended; an absence of slurmctld is waited out."""
        import time

        while True:
            control = allocation.another(self.cluster)
            try:
                for part in control.events("wait_job", {"job_id": self.job_id}):
                    if part.get("event") == "done":
                        return
            except SlurmError as error:
                if error.name in GONE:
                    return
            except OSError:
                pass
            finally:
                control.close()
            time.sleep(2)


class Running:
    """A step about to run: `run()` returns its exit code."""

    def __init__(self, launch: ContainerLaunch, step_id: int, epilog: Callable[[], None]) -> None:
        self.launch, self.step_id, self.epilog = launch, step_id, epilog

    @property
    def complaints(self) -> list[str]:
        return self.launch.complaints

    def run(self) -> int:
        try:
            return self.launch.run()
        finally:
            self.epilog()


def cancel(cluster: Cluster, job_id: int, step_id: int | None = None) -> None:
    """Ends a job whose anchor is gone. With `step_id` its container is killed at once: its first process would not be
    told of SIGTERM, and the job would be completing for KillWait. A job that has ended is no error. Raises SlurmError.
    """
    requests: list[tuple[str, dict[str, Any]]] = [("kill_job", {"job_id": str(job_id)})]
    if step_id is not None:
        requests.insert(0, ("kill_step", {"job_id": job_id, "step_id": step_id, "signal": SIGKILL}))
    for method, args in requests:
        try:
            cluster.call(method, args)
        except SlurmError as error:
            if error.name not in GONE:
                raise
