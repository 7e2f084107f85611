"""The slurmctld program."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from slurmpy.auth import key as key_file
from slurmpy.conf import locate, run_dir, slurm_conf
from slurmpy.controller import (
    accounting_link,
    admin,
    allocations,
    cancel,
    cluster,
    crontab,
    duties,
    dynamic_nodes,
    ends,
    jobs,
    nodes,
    permissions,
    programs,
    query,
    records,
    requeue,
    steps,
    store,
    submit,
    updates,
)
from slurmpy.controller.control import Controller
from slurmpy.controller.state import State
from slurmpy.core.errors import SlurmError
from slurmpy.core.states import JobState, NodeState
from slurmpy.rpc import methods
from slurmpy.rpc.daemon import Daemon, refuse
from slurmpy.rpc.log import LEVELS, log
from slurmpy.rpc.server import Server

if TYPE_CHECKING:
    from typing import NoReturn

    from slurmpy.conf.slurm_conf import SlurmConf

#: (short, long, argument, help)
OPTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("c", "", "", "Forget all jobs, nodes' states and reservations of earlier runs."),
    ("D", "", "", "Stay in the foreground; the log goes to standard error too."),
    ("f", "", "file", "Read this slurm.conf."),
    ("h", "help", "", "Print this help."),
    ("i", "", "", "Start with an empty state if the saved one cannot be read; it is put aside."),
    ("L", "", "file", "Write the log to this file."),
    ("n", "", "value", "Run at this nice value."),
    ("r", "", "", "Recover jobs, and of nodes and partitions only what they are in (the default)."),
    ("R", "", "", "Recover everything, also what scontrol has changed on partitions."),
    ("s", "", "", "Change the working directory to that of the log file."),
    ("v", "", "", "Log more; may be given several times."),
    ("V", "version", "", "Print the version."),
)
#: of Slurm's options, what there is no such thing for here
UNSUPPORTED = {
    "-d": "there is no separate debugging mode; use -D -v",
    "--systemd": "slurmctld does not talk to systemd; use -D with Type=simple",
}

METHOD_TABLES: tuple[dict[str, Any], ...] = (
    submit.METHODS, allocations.METHODS, steps.METHODS, cancel.METHODS, updates.METHODS, nodes.METHODS,
    query.METHODS, admin.METHODS, dynamic_nodes.METHODS,
    crontab.METHODS,
)  # fmt: skip
TIMER_TABLES: tuple[dict[str, Any], ...] = (
    jobs.TIMERS, requeue.TIMERS, nodes.TIMERS, allocations.TIMERS, steps.TIMERS, programs.TIMERS, duties.TIMERS,
)  # fmt: skip


class Options:
    def __init__(self) -> None:
        self.conf = self.log_file = ""
        self.foreground = self.fresh = self.ignore_errors = self.everything = self.to_log_directory = False
        self.verbose = 0
        self.nice = 0


def usage() -> str:
    lines = ["Usage: slurmctld [OPTIONS]"]
    for short, long, argument, text in OPTIONS:
        names = f"-{short}" + (f", --{long}" if long else "") + (f" {argument}" if argument else "")
        lines.append(f"  {names:<18}{text}")
    return "\n".join(lines) + "\n"


def parse(argv: list[str]) -> Options | int:
    """The options, or the exit code when there is nothing (more) to do."""
    import getopt

    short = "".join(one + (":" if argument else "") for one, _, argument, _ in OPTIONS) + "d"
    long = [name for _, name, _, _ in OPTIONS if name] + ["systemd"]
    try:
        found, rest = getopt.gnu_getopt(argv, short, long)
    except getopt.GetoptError as error:
        sys.stderr.write(f"slurmctld: {error.msg}\n" + usage())
        return 1
    if rest:
        sys.stderr.write(f"slurmctld: unexpected argument {rest[0]}\n" + usage())
        return 1
    options = Options()
    for name, value in found:
        if name in UNSUPPORTED:
            sys.stderr.write(f"slurmctld: error: {name} is not supported: {UNSUPPORTED[name]}\n")
            return 1
        if name in ("-V", "--version"):
            sys.stdout.write("slurm 24.11.5\n")
            return 0
        if name in ("-h", "--help"):
            sys.stdout.write(usage())
            return 0
        if name == "-n":
            try:
                options.nice = int(value)
            except ValueError:
                sys.stderr.write(f"slurmctld: error: invalid nice value {value}\n")
                return 1
        elif name == "-v":
            options.verbose += 1
        elif name in ("-f", "-L"):
            setattr(options, "conf" if name == "-f" else "log_file", os.path.abspath(value))
        else:
            attribute = {
                "-c": "fresh", "-D": "foreground", "-i": "ignore_errors", "-R": "everything", "-s": "to_log_directory",
            }.get(name)  # fmt: skip
            if attribute:
                setattr(options, attribute, True)
    return options


def run(argv: list[str]) -> int:
    """The program, with its arguments; returns the exit code."""
    options = parse(argv)
    if isinstance(options, int):
        return options
    path = options.conf or locate.find()
    if path is None:
        sys.stderr.write(f"slurmctld: fatal: no slurm.conf: neither -f, SLURM_CONF nor {locate.SYSTEM}\n")
        return 1
    try:
        conf = slurm_conf.load(path)
        _become_slurm_user(conf)
        from slurmpy.auth import token

        token.check(conf)
    except (SlurmError, OSError) as error:
        return refuse("slurmctld", error)
    log_file = options.log_file or conf.SlurmctldLogFile
    if options.nice:
        try:
            os.nice(options.nice)
        except OSError as error:
            sys.stderr.write(f"slurmctld: error: nice {options.nice}: {error.strerror}\n")
    if options.to_log_directory and log_file:
        os.chdir(os.path.dirname(log_file))
    level = min(LEVELS.index(str(conf.SlurmctldDebug)) + options.verbose, len(LEVELS) - 1)
    program = Program(conf, options)
    daemon = Daemon("slurmctld", log_file, conf.SlurmctldPidFile, options.foreground, level, program.reconfigure_logged)
    return daemon.run(program.main)


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))


def _become_slurm_user(conf: SlurmConf) -> None:
    """Gives root away where SlurmUser is somebody else, who gets the directories that only root can make."""
    uid = run_dir.slurm_user_id(conf)
    if os.geteuid() != 0 or uid == 0:
        return
    import pwd

    entry = pwd.getpwuid(uid)
    for directory in (conf.StateSaveLocation, run_dir.directory(conf)):
        os.makedirs(directory, mode=0o755, exist_ok=True)
        os.chown(directory, uid, entry.pw_gid)
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(uid)


class Program:
    """One run of slurmctld."""

    def __init__(self, conf: SlurmConf, options: Options) -> None:
        self.conf = conf
        self.options = options
        self.ctl: Controller | None = None
        self.server: Server | None = None

    async def main(self, daemon: Daemon) -> None:
        conf = self.conf
        _tell_about(conf)
        directory = conf.StateSaveLocation
        key_file.load(conf, create=True)
        database = self._open(directory)
        ctl = self.ctl = Controller(conf, State(conf), database)
        ctl.now()
        cluster.fill(ctl.state, conf)
        cluster.recover(ctl.state, database, self.options.everything)
        ctl.stop = daemon.stop
        ctl.failed = daemon.fail
        ctl.reconfigure = self.reconfigure
        for table in TIMER_TABLES:
            ctl.timer_handlers.update(table)
        if str(conf.AccountingStorageType or "").endswith("slurmdbd"):
            ctl.accounting = accounting_link.AccountingLink(ctl)
            if not accounting_link.exits_when_full(conf):
                database.spool_limit = accounting_link.max_messages(conf)
        handlers: dict[str, Any] = {}
        for table in METHOD_TABLES:
            handlers.update(ctl.wrap(table))
        server = self.server = Server(
            handlers, methods.SLURMCTLD, conf, "slurmctld", lambda peer: permissions.level(ctl, peer)
        )
        unix_path = run_dir.controller_socket(conf)
        run_dir.make(os.path.dirname(unix_path))
        await server.listen(
            unix_path=unix_path, tcp=None if run_dir.without_tcp(conf) else ("", int(conf.SlurmctldPort))
        )
        _resume_life(ctl)
        ctl.schedule()
        daemon.serving()
        log.info(f"slurmctld version 24.11.5 started on cluster {conf.ClusterName}")
        try:
            await daemon.stopped()
        finally:
            await server.close()
            duties.save_usage(ctl)
            ctl.close()
            database.close()

    def _open(self, directory: str) -> store.Store:
        try:
            return store.Store(directory, self.options.fresh)
        except SlurmError as error:
            if not self.options.ignore_errors or "another slurmctld" in error.message:
                raise
            log.error(f"{error.message}; put aside as asked for by -i")
            path = os.path.join(directory, store.FILE)
            for suffix in ("", "-wal", "-shm"):
                if os.path.exists(path + suffix):
                    os.replace(path + suffix, f"{path}.unreadable{suffix}")
            return store.Store(directory)

    def reconfigure(self) -> None:
        """Raises SlurmError if slurm.conf has errors; then everything goes on as before."""
        ctl, server = self.ctl, self.server
        if ctl is None or server is None:
            return
        try:
            conf = slurm_conf.load(self.conf.path)
        except OSError as error:
            raise SlurmError("SLURM_ERROR", f"{self.conf.path}: {error.strerror}") from error
        ctl.now()
        lost = cluster.reconfigure(ctl.state, conf)
        self.conf = ctl.conf = ctl.agent.conf = conf
        ctl.store.spool_limit = 0 if accounting_link.exits_when_full(conf) else accounting_link.max_messages(conf)
        server.set_conf(conf)
        _tell_about(conf)
        for job in lost:
            ends.tell_to_end(ctl, job, "node_fail")
        for name, node in ctl.state.nodes.items():
            ctl.agent.reset(name)
            if node._registered:  # another will read what there is when it starts
                ctl.agent.send(name, "reconfigure", {})
        log.info("reconfigured")
        records.cluster_tres(ctl)
        if ctl.accounting is not None:
            ctl.accounting.restart()
        duties.count_usage(ctl)
        ctl.schedule()

    def reconfigure_logged(self) -> None:
        """SIGHUP."""
        try:
            self.reconfigure()
        except SlurmError as error:
            log.error(f"not reconfigured: {error.message}")


def _tell_about(conf: SlurmConf) -> None:
    for text in conf.errors:
        log.error(text)
    if conf.warnings:
        log.info(f"slurm.conf: these parameters have no effect here: {', '.join(conf.warnings)}")


def _resume_life(ctl: Controller) -> None:
    """Sets every clock of what was recovered, asks the nodes how they are, and connects to slurmdbd."""
    state = ctl.state
    now = state.now
    for job in state.jobs.values():
        if job.is_pending:
            jobs.arm_deadline(ctl, job)
        elif job.is_running and not job.is_completing:
            jobs.arm_limit(ctl, job)
            programs.arm_mails(ctl, job)
            if job.job_state & JobState.CONFIGURING:
                programs.start_prolog(ctl, job)
            if job.deadline:
                ctl.at("deadline", job.job_id, job.deadline)
            for step in job._steps.values():
                if step.time_limit != 0xFFFFFFFF:
                    ctl.at("step_limit", (job.job_id, step.step_id), step.start_time + step.time_limit * 60)
        elif job.is_completing and not job._completing:
            ends.cleaned_up(ctl, job)
    if state.finished:
        ctl.at("purge", 0, now + 1)
    for name, node in state.nodes.items():
        nodes.refresh(ctl, node)
        ctl.agent.send(name, "ping", {}, None)
    ctl.at("ping", 0, now + 1)
    if "backfill" in str(ctl.conf.SchedulerType or "sched/backfill"):
        ctl.at("backfill", 0, now + 1)
    duties.start(ctl)
    if ctl.accounting is not None:
        records.flush_jobs(ctl)
        records.cluster_tres(ctl)
        for node in state.nodes.values():
            if node.base_state == NodeState.DOWN and node.reason and not ctl.store.meta("node_events"):
                records.node_down(ctl, node, 0, "root", at_start=True)
        ctl.store.put_meta("node_events", True)
        ctl.accounting.start()


__all__ = ["METHOD_TABLES", "OPTIONS", "UNSUPPORTED", "main", "run"]

if __name__ == "__main__":
    main()
