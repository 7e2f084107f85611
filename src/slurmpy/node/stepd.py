"""slurmstepd: looks after one step on one node, from its launch to the note of how it ended.

It is forked from the spawner, single-threaded, and outlives slurmd. Every process of the step is below it (it is their
subreaper), so none can hide. It answers slurmd on a socket in the spool directory. How the step ended is written
into the spool directory; only then slurmstepd ends, which is what slurmd waits for.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from slurmpy.core.ids import STEP_BATCH, step_name

from . import answers, cgroup, control, environment, keyring, processes, spool, usage
from .loop import Loop, Timer
from .oci.errors import ContainerError
from .step_io import StepIo
from .tasks import Identity, Program, no_directory, spawn

#: wait status that Slurm gives a job whose output file cannot be opened: "0:53"
STATUS_NO_OUTPUT = 53
#: Processes that were told to die are told again after so many seconds.
KILL_AGAIN = 0.5
#: Tasks that end within so many seconds of each other are reported to srun at one time.
GATHER = 0.03
#: Output that nobody of the step holds open any more is read for so long.
IDLE = 1.0

REASONS = {
    "timeout": " DUE TO TIME LIMIT",
    "preempted": " DUE TO PREEMPTION",
    "node_fail": " DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS",
    "requeue": " DUE TO JOB REQUEUE",
}


class Task:
    """A task of this node: `status` is its wait status once it has ended."""

    __slots__ = ("local", "number", "pid", "status", "usage")

    def __init__(self, number: int, local: int, floor: int, frequency: int) -> None:
        self.number, self.local = number, local
        self.pid = 0
        self.status: int | None = None
        self.usage = usage.TaskUsage(floor, frequency)


class Step:
    """One step's life."""

    def __init__(
        self, launch: Mapping[str, Any], visible: Callable[[], None], ready: Callable[[str | None], None]
    ) -> None:
        self.launch = launch
        self._visible, self._ready = visible, ready
        self.job_id, self.step_id = launch["job_id"], launch["step_id"]
        self.is_batch = launch["kind"] == "batch"
        self.node: str = launch["node"]
        self.prefix = f"slurmstepd-{self.node}"
        self.loop = Loop()
        self.identity = Identity(launch["user_id"], launch["group_id"], launch["user_name"])
        if self.identity.switch and self.identity.user_name:
            self.launch = launch = {**launch, "user_name": self.identity.user_name}
        floor = usage.own_peak() + (1 << 20)
        gather = launch.get("gather")
        frequency = launch["frequency"] if gather is None or gather["on"] else 0
        self.tasks = [Task(number, local, floor, frequency) for local, number in enumerate(launch["tasks"])]
        self._by_pid: dict[int, Task] = {}
        self._groups: dict[int, Task] = {}
        self._owners: dict[int, Task] = {}  # of processes that were seen alive
        self.io = StepIo(self)
        self.started_at = time.time()
        self.suspended = False
        self._announced = False
        self._kill_timer: Timer | None = None
        self._gather = launch.get("gather") or {"on": True, "memory": "", "kill": False}
        self._killing = False
        self._kill_deadline = 0.0
        self._exited: list[Task] = []
        self._exit_timer: Timer | None = None
        self._reason = ""
        self._message = ""
        self._no_children = False
        self._left_behind = False  # when the tasks had ended there were other processes
        self.script = ""
        self._idle_timer: Timer | None = None
        self.cgroup = cgroup.Cgroup(launch)
        self._container: Any = None

    # ---------------------------------------------------------------- the way through

    def run(self) -> bool:
        """From the launch to the written end; False if this process had better end now, too."""
        launch = self.launch
        if os.getsid(0) != os.getpid():
            os.setsid()
        processes.become_subreaper()
        processes.set_name("slurmstepd")
        if self.identity.switch:
            keyring.leave()
        path = spool.socket_path(launch["spool"], self.job_id, self.step_id, launch["restart_cnt"])
        server = control.Server(self.loop, control.listen(path), lambda request: answers.answer(self, request))
        self._visible()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.loop.after(0, lambda: self.terminate("cancelled", None)))
        self.loop.on_child = self._reap
        try:
            self._prepare()
            self._prepare_container()
            self._start_tasks()
        except (OSError, ContainerError) as error:
            self._fail(error)
        self._tell_ready()
        self._schedule_samples()
        while not self._is_over():
            self.loop.turn()
        self._finish()
        server.close()
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass  # a slurmd that has just started has found it closed
        self.loop.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return not self._message

    def _tell_ready(self) -> None:
        self._ready(None if self.is_batch or self.io.connected else f"cannot reach srun: {self._message}")

    def _prepare(self) -> None:
        launch = self.launch
        if self.is_batch:
            self.script = spool.write_script(
                launch["spool"], self.job_id, launch["script"], launch["user_id"], launch["group_id"]
            )
        try:
            self.cgroup.create()
        except OSError:
            self.cgroup.give_up()
        self.io.open()

    def _prepare_container(self) -> None:
        """Raises ContainerError. Who has launched the step is told first: an image may take minutes to unpack."""
        launch = self.launch
        if not launch.get("container"):
            return
        if launch.get("oci") is None:
            if launch["job"].get("containers"):  # else slurmctld has said it
                what = "job" if self.is_batch else "step"
                self.say(
                    f"this node has no oci.conf: the {what} runs on the host, not in container {launch['container']}",
                    "",
                )
            return
        from .oci.container import Container

        self._tell_ready()
        self._container = Container(launch, self.identity, self.script, self._tell_of_container)
        groups = ""
        if self.identity.uid == 0:
            groups = self.cgroup.path if self.cgroup.active else cgroup.spare_path(launch)
        try:
            self._container.prepare(groups, self.loop.wait_for)
        finally:
            if self._kill_timer is not None:
                raise ContainerError("the step was told to end")
        self._no_children = False

    def _tell_of_container(self, text: str, level: int) -> None:
        """What is done with containers, where oci.conf wants to see it: the log, the step's error output, syslog."""
        from .oci.telling import tell

        tell(self.launch["oci"], text, level, self.say)

    def _program(self, task: Task) -> Program:
        launch = self.launch
        if self.is_batch:
            arguments = (self.script, *launch["arguments"])
        elif launch.get("programs"):
            arguments = tuple(launch["programs"][task.number])
        else:
            arguments = launch["arguments"]
        prologs = [path for path in (launch["site_task_prolog"], launch.get("task_prolog")) if path]
        limits = dict(launch["limits"])
        if launch["memory"]:
            limits["RLIMIT_RSS"] = launch["memory"] << 20  # a hint, as Slurm gives it; the kernel enforces none
        launcher = self._container.launcher(task.local, self.prefix, arguments) if self._container is not None else None
        return Program(arguments, launch["directory"], launch["umask"], limits, self.prefix, prologs, launcher)

    def _check_directory(self) -> None:
        """Slurm tells of a missing directory twice: for the step here, and again for each task."""
        try:
            with self.identity.files():
                os.close(os.open(self.launch["directory"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError as error:
            self.say(no_directory(self.launch["directory"], error))

    def _start_tasks(self) -> None:
        if not self.is_batch:
            self._check_directory()
        common = environment.of_batch(self.launch) if self.is_batch else environment.of_step(self.launch)
        inside = self.cgroup.enter if self.cgroup.active else None
        for task in self.tasks:
            number, local = task.number, task.local

            def variables(pid: int, number: int = number, local: int = local) -> dict[str, str]:
                return environment.of_task(common, number, local, pid)

            files = self.io.for_task(task)
            task.pid = spawn(self.identity, self._program(task), variables, files.descriptors, files.terminal, inside)
            self._by_pid[task.pid] = self._groups[task.pid] = task
            if files.terminal is None:
                try:
                    os.setpgid(task.pid, task.pid)  # both sides do it, so no signal comes too early for the group
                except OSError:
                    pass
            self.io.started(task, files)
        self.io.all_started([(task.number, task.pid) for task in self.tasks])

    def _fail(self, error: OSError | ContainerError) -> None:
        """A file that cannot be opened, a container that cannot be made ready, or a fork that fails: what has been
        started ends again."""
        status = 1 << 8
        if isinstance(error, ContainerError):
            self._reason, self._message = "container", f"container setup failed: {error}"
            if self.is_batch:
                self.say(self._message)
        else:
            place = f"{error.filename}: " if error.filename else ""
            self._reason, self._message = "io_error", f"{place}{error.strerror or error}"
            status = STATUS_NO_OUTPUT if self.is_batch else status
        for task in self.tasks:
            if not task.pid:
                task.status = status
        self.io.failed(self._message, [(task.number, task.status or 0) for task in self.tasks if not task.pid])
        processes.send(self._by_pid, signal.SIGKILL)

    def _is_over(self) -> bool:
        if any(task.status is None for task in self.tasks):
            return False
        if not self._killing:
            if self._kill_timer is not None and not self._no_children:
                return False  # they were told to end, and have KillWait for it like everybody
            self._kill_rest()
        if not self._no_children:
            return False
        if self.io.finished():
            return True
        if self._idle_timer is None:
            self._idle_timer = self.loop.after(IDLE, self._give_up_idle)
        return False

    def _give_up_idle(self) -> None:
        """No process of the step is left, but somebody outside holds its output open: nothing more will come."""
        self._idle_timer = None
        self.io.close_idle()

    # ---------------------------------------------------------------- ends of processes

    def _reap(self) -> None:
        while True:
            try:
                seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                self._no_children = True
                break
            if seen is None:
                break
            pid = seen.si_pid
            task = self._by_pid.get(pid)
            owner = task or self._owner(pid)
            moved = processes.transferred(pid)
            _, status, used = os.wait4(pid, 0)
            if owner is not None:
                owner.usage.ended(pid, used, moved)
            self._owners.pop(pid, None)
            if task is not None:
                del self._by_pid[pid]
                task.status = status & 0xFF7F
                self._exited.append(task)
        if self._exited and self._exit_timer is None:
            if self._by_pid:
                self._exit_timer = self.loop.after(GATHER, self._report_exits)
            else:
                self._report_exits()
        elif self._exited and not self._by_pid:
            self._report_exits()
        if self._killing and not self._no_children:
            self._kill_rest()

    def _owner(self, pid: int) -> Task | None:
        """The task whose process `pid` is or was: as it was seen in the tree of processes, by its process group, by its
        environment (of a daemon, which has left both); the first where nothing tells."""
        known = self._owners.get(pid)
        if known is not None:
            return known
        seen = processes.figures(pid)
        known = self._groups.get(seen.group) if seen else None
        if known is None and len(self.tasks) > 1:
            number = processes.variable(pid, "SLURM_PROCID")
            known = next((task for task in self.tasks if str(task.number) == number), None)
        return known or (self.tasks[0] if self.tasks else None)

    def _report_exits(self) -> None:
        if self._exit_timer is not None:
            self._exit_timer.cancel()
            self._exit_timer = None
        exited, self._exited = self._exited, []
        if self.cgroup.active and (self.cgroup.out_of_memory() or self._container_killed(exited)):
            self._note_oom()
        self._task_epilogs(exited)
        self.io.exited([(task.number, task.status or 0) for task in exited])

    def _container_killed(self, exited: list[Task]) -> bool:
        """Whether containers of ours were killed, not by us, and the step's memory had been used up."""
        if self._container is None or self._killing or self._announced:
            return False
        killed = (signal.SIGKILL, (128 + signal.SIGKILL) << 8)
        return any(task.status in killed for task in exited) and self.cgroup.limit_was_hit()

    def _task_epilogs(self, exited: list[Task]) -> None:
        launch = self.launch
        programs = [path for path in (launch.get("task_epilog"), launch["site_task_epilog"]) if path]
        if not programs:
            return
        common = environment.of_batch(launch) if self.is_batch else environment.of_step(launch)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for task in exited:
            for path in programs:
                program = Program((path,), launch["directory"], launch["umask"], {}, self.prefix)
                variables = environment.of_task(common, task.number, task.local, task.pid)
                pid = spawn(self.identity, program, lambda _, found=variables: found, (null, null, null))  # type: ignore[misc]
                self._no_children = False  # it, and whom it leaves behind
                handle = os.pidfd_open(pid)
                ended, _, _ = select.select([handle], [], [], 10.0)
                if not ended:
                    os.kill(pid, signal.SIGKILL)
                os.close(handle)
        os.close(null)

    def _kill_rest(self) -> None:
        """All tasks have ended: whatever they left behind goes too."""
        if not self._killing:
            self._killing = True
            self._kill_deadline = time.monotonic() + self.launch["unkillable_timeout"]
            self._reap_now()
            if self._no_children:
                return
        self._left_behind = True
        processes.send(processes.descendants(os.getpid()), signal.SIGKILL)
        self.cgroup.kill()
        self.loop.after(KILL_AGAIN, self._kill_again)

    def _reap_now(self) -> None:
        try:
            seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            self._no_children = True
            return
        if seen is not None:
            self._reap()

    def _kill_again(self) -> None:
        if self._no_children:
            return
        if time.monotonic() > self._kill_deadline:
            self._message = "processes of the step cannot be killed"
            self._no_children = True  # they are the kernel's now; slurmctld must not wait for ever
            return
        processes.send(processes.descendants(os.getpid()), signal.SIGKILL)
        self.loop.after(KILL_AGAIN, self._kill_again)

    # ---------------------------------------------------------------- being told to end

    def signal(self, number: int, only_tasks: bool) -> int:
        """A signal to the tasks alone, or to every process of the step; returns how many got it."""
        if only_tasks:
            return processes.send(self._by_pid, number)
        pids = processes.descendants(os.getpid())
        if self._container is not None and number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
            # the runtime would pass it on to somebody who has it already
            inside = [pid for pid in pids if pid not in self._by_pid]
            pids = inside or pids
        return processes.send(pids, number)

    def terminate(self, reason: str, kill_wait: int | None) -> None:
        """SIGCONT and SIGTERM, then SIGKILL after `kill_wait` seconds (KillWait); the step's error output says so."""
        wait = self.launch["kill_wait"] if kill_wait is None else kill_wait
        self.announce(reason)
        if not self.is_batch:
            self.io.aborting(wait)
        if self._kill_timer is not None:
            if self._kill_timer.when <= time.monotonic() + wait:
                return
            self._kill_timer.cancel()  # a sterner request than the first
        else:
            self.suspended = False
            self.signal(signal.SIGCONT, only_tasks=False)
            self.signal(signal.SIGTERM, only_tasks=False)
        self._kill_timer = self.loop.after(wait, self.kill)

    def kill(self) -> None:
        """SIGKILL to everything, again and again until nothing is left."""
        self.suspended = False
        if self._kill_timer is not None:
            self._kill_timer.cancel()
            self._kill_timer = None
        processes.send(processes.descendants(os.getpid()), signal.SIGKILL)
        self.cgroup.kill()
        if self._by_pid:
            self._kill_timer = self.loop.after(KILL_AGAIN, self.kill)

    def abort(self, number: int) -> None:
        """srun wants its step to end: by SIGTERM first, or by SIGKILL."""
        if number == signal.SIGKILL:
            self.announce("cancelled")
            self.kill()
        else:
            self.terminate("cancelled", None)

    def announce(self, reason: str) -> None:
        """The line that tells a user why; once, and of a step only on its first node."""
        if self._announced or reason == "ended":
            return
        self._announced = True
        if self.is_batch or self.launch["node_index"] == 0:
            what = f"JOB {self.job_id}" if self.is_batch else f"STEP {self.job_id}.{step_name(self.step_id)}"
            when = time.strftime("%Y-%m-%dT%H:%M:%S")
            self.say(f"*** {what} ON {self.node} CANCELLED AT {when}{REASONS.get(reason, '')} ***")

    def say(self, text: str, level: str = "error: ") -> None:
        """A message of slurmstepd's own in the step's error output."""
        self.io.say(f"{self.prefix}: {level}{text}")

    def lost_srun(self) -> None:
        """srun has gone without a word: nobody is left for whom to run."""
        if self._by_pid:
            self.terminate("cancelled", None)

    def suspend(self) -> None:
        """SIGTSTP, and SIGSTOP a little later for those that do not care."""
        self.suspended = True
        self.signal(signal.SIGTSTP, only_tasks=False)

        def stop() -> None:
            if self.suspended:
                self.signal(signal.SIGSTOP, only_tasks=False)

        self.loop.after(0.5, stop)

    def resume(self) -> None:
        self.suspended = False
        self.signal(signal.SIGCONT, only_tasks=False)

    # ---------------------------------------------------------------- measuring

    def _schedule_samples(self) -> None:
        delays = iter(usage.sample_delays(self.launch["frequency"] if self._gather["on"] else 0))

        def again() -> None:
            self.sample()
            plan()

        def plan() -> None:
            delay = next(delays, None)
            if delay is not None and self._by_pid:
                self.loop.after(delay, again)

        plan()

    def sample(self) -> None:
        """Looks at every live process of every task, by process tree and (for orphans) by process group."""
        if not self._gather["on"]:
            return
        owners: dict[int, Task] = {}
        for task in self._by_pid.values():
            owners.update(dict.fromkeys((task.pid, *processes.descendants(task.pid)), task))
        for pid in processes.descendants(os.getpid()):
            owner = owners.get(pid) or self._owner(pid)
            if owner is not None:
                owners[pid] = owner
        groups: dict[int, dict[int, processes.Figures]] = {task.local: {} for task in self.tasks}
        for pid, task in owners.items():
            one = processes.figures(pid, self._gather["memory"])
            if one is not None:
                groups[task.local][pid] = one
        self._owners = owners
        used = sum(self.tasks[local].usage.sampled(group) for local, group in groups.items() if group)
        if self._gather["kill"] and used > self.launch["memory"] << 20 > 0:
            self._over_memory(used)

    def _over_memory(self, used: int) -> None:
        """OverMemoryKill: the whole step goes, with all that it has left behind."""
        if self._reason:
            return
        self._reason = "over_memory"
        what = f"StepId={self.job_id}.{step_name(self.step_id)}"
        self.say(f"{what} exceeded memory limit ({used} > {self.launch['memory'] << 20}), being killed")
        self.announce("cancelled")
        self.say("Exceeded job memory limit")
        if not self.is_batch:
            self.io.aborting(self.launch["kill_wait"])
        self.kill()

    # ---------------------------------------------------------------- answers and the end

    def usage(self, over: bool = False) -> dict[str, Any]:
        return usage.total(self.node, [(task.number, task.usage) for task in self.tasks], over)

    def _note_oom(self) -> None:
        if self._reason == "oom":
            return
        self._reason = "oom"
        self.io.out_of_memory()
        what = f"JobId={self.job_id}" if self.is_batch else f"StepId={self.job_id}.{step_name(self.step_id)}"
        self.say(f"Detected 1 oom_kill event in {what}. Some of the step tasks have been OOM Killed.")

    def _remove_containers(self) -> None:
        if self._container is not None:
            common = environment.of_batch(self.launch) if self.is_batch else environment.of_step(self.launch)
            self._container.finish([(task.pid, task.status or 0) for task in self.tasks], common, self._left_behind)

    def _finish(self) -> None:
        if self._exited:
            self._report_exits()
        launch = self.launch
        statuses = [task.status or 0 for task in self.tasks]
        end = {
            "kind": launch["kind"],
            "job_id": self.job_id,
            "step_id": self.step_id,
            "restart_cnt": launch["restart_cnt"],
            "user_id": launch["user_id"],
            "exit_code": worst(statuses),
            "exit_codes": statuses,
            "reason": self._reason,
            "message": self._message,
            # without jobacct_gather not even the CPU time is told, as in Slurm
            "usage": self.usage(over=True) if self._gather["on"] else None,
            "start_time": int(self.started_at),
            "end_time": int(time.time()),
        }
        seen = self._container is not None and launch["oci"]["StdIODebug"] is not None
        if seen:  # srun has to wait for what it is to show
            self._remove_containers()
        self.io.close()
        if not seen:
            self._remove_containers()
        if self.is_batch and self.step_id == STEP_BATCH:
            spool.remove_script(launch["spool"], self.job_id)
        self.cgroup.remove()
        while True:
            try:
                spool.write_end(launch["spool"], end)
                return
            except OSError:  # a full disk: hold on to it, there may be room later
                self.loop.after(1.0, lambda: None)
                self.loop.turn()


def worst(statuses: list[int]) -> int:
    """The highest of several wait statuses: exit codes before signals' numbers, as srun judges."""
    return max(statuses, key=lambda status: (status & 0x7F) + 128 if status & 0x7F else status >> 8, default=0)


def main(launch: Mapping[str, Any], visible: Callable[[], None], ready: Callable[[str | None], None]) -> bool:
    """One step from its launch to its end. `visible()` is called as soon as its socket is there, `ready(None)` once its
    tasks have been started, `ready(text)` if they cannot be. True if the process may look after another step."""
    gc.disable()  # what a step makes is freed by counting; a collection would only copy the spawner's pages
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    told = False

    def tell(text: str | None) -> None:
        nonlocal told
        if not told:
            told = True
            ready(text)

    try:
        return Step(launch, visible, tell).run()
    except Exception as error:
        # a defect, or a launch that no client of ours makes: nobody will look after what has been started
        processes.send(processes.descendants(os.getpid()), signal.SIGKILL)
        tell(f"{type(error).__name__}: {error}")
        raise
