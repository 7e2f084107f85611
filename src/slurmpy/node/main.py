"""slurmd: its options, and its life as a daemon."""

from __future__ import annotations

import getopt
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from slurmpy.core.errors import SlurmError

if TYPE_CHECKING:
    from slurmpy.rpc.daemon import Daemon

    from .slurmd import Slurmd
    from .spawner import Spawner

VERSION_TEXT = "slurm 24.11.5"


class Option(NamedTuple):
    """`argument`: "no", "required" or "optional" (joined to the letter); an empty `help`: known, not supported."""

    name: str
    argument: str
    metavar: str
    help: str


OPTIONS = (
    Option("-b", "no", "", ""),
    Option("-c", "no", "", "Start clean: end steps of a former slurmd, forget what it has not reported."),
    Option("-C", "no", "", "Print this node's hardware as a line for slurm.conf and exit."),
    Option("--conf", "required", "line", ""),
    Option("--conf-server", "required", "host[:port]", ""),
    Option("-d", "required", "stepd", ""),
    Option("-D", "no", "", "Stay in the foreground."),
    Option("--extra", "required", "text", ""),
    Option("-f", "required", "config", "Read this slurm.conf."),
    Option("-F", "optional", "feature", ""),
    Option("-G", "no", "", "Print this node's generic resources and exit."),
    Option("-h", "no", "", "Print this help and exit."),
    Option("--instance-id", "required", "id", "The cloud's id of this node, for scontrol show node."),
    Option("--instance-type", "required", "type", "The cloud's type of this node, for scontrol show node."),
    Option("-L", "required", "logfile", "Write the log to this file."),
    Option("-M", "no", "", ""),
    Option("-n", "required", "value", "Run at this nice value."),
    Option("-N", "required", "node", "Run as the daemon of this node; one host may have several."),
    Option("-s", "no", "", "Change the working directory to that of SlurmdLogFile, or SlurmdSpoolDir."),
    Option("--systemd", "no", "", ""),
    Option("-v", "no", "", "Say more in the log; several times for still more."),
    Option("-V", "no", "", "Print the version and exit."),
    Option("--version", "no", "", "Print the version and exit."),
    Option("-Z", "no", "", ""),
    Option("--authinfo", "required", "info", ""),
)


def help_text() -> str:
    """What -h prints: the options that are supported."""
    lines = ["Usage: slurmd [OPTIONS]"]
    for option in OPTIONS:
        if option.help:
            lines.append(f"   {f'{option.name} {option.metavar}'.strip():26s} {option.help}")
    return "\n".join(lines) + "\n"


class UsageError(Exception):
    """A command line that makes no sense, in getopt's words."""


def parse(argv: Sequence[str]) -> dict[str, Any]:
    """{"-N": "n1", "-v": 2, "-D": True, ...} of what is given. Raises UsageError."""
    short = "".join(
        option.name[1] + (":" if option.argument == "required" else "") for option in OPTIONS if option.name[1] != "-"
    )
    long = [
        option.name[2:] + ("=" if option.argument == "required" else "") for option in OPTIONS if option.name[1] == "-"
    ]
    try:
        found, rest = getopt.getopt(list(argv), short, long)
    except getopt.GetoptError as error:
        name = error.opt
        if "requires argument" in error.msg:
            text = (
                f"option requires an argument -- '{name}'"
                if len(name) == 1
                else f"option '--{name}' requires an argument"
            )
        elif len(name) == 1:
            text = f"invalid option -- '{name}'"
        else:
            text = f"unrecognized option '--{name}'"
        raise UsageError(text) from error
    if rest:
        raise UsageError(f"unexpected argument '{rest[0]}'")
    options: dict[str, Any] = {}
    known = {option.name: option for option in OPTIONS}
    for name, value in found:
        option = known[name]
        if not option.help:
            raise UsageError(f"option '{name}' is not supported by slurmpy")
        if name == "-v":
            options[name] = options.get(name, 0) + 1
        else:
            options[name] = value if option.argument == "required" else True
    return options


def expand_place(pattern: str | None, node: str, host: str) -> str | None:
    """SlurmdSpoolDir and its like, with %n (node name) and %h (host name)."""
    return pattern.replace("%n", node).replace("%h", host) if pattern else None


def _hardware(conf: Any, name: str, line: Any, port: int, spool: str) -> dict[str, Any]:
    """What register_node says of this node's hardware."""
    from slurmpy.conf import gres_conf

    from . import measure

    if "config_overrides" in conf.words("SlurmdParameters"):
        found: dict[str, Any] = {
            "cpus": line.CPUs,
            "boards": line.Boards,
            "sockets": line.Sockets,
            "cores": line.CoresPerSocket,
            "threads": line.ThreadsPerCore,
            "real_memory": line.RealMemory,
            "temporary_disk": line.TmpDisk,
        }
    else:
        found = {
            **measure.topology(),
            "real_memory": measure.real_memory(),
            "temporary_disk": measure.temporary_disk(conf.TmpFS or "/tmp"),  # noqa: S108 - Slurm's default
        }
    lines = gres_conf.by_node(conf).get(name, [])
    gres, used = [], dict[str, int]()
    for gres_line in lines:
        first = used.get(gres_line.name, 0)
        used[gres_line.name] = first + gres_line.count
        indices = tuple(range(first, first + gres_line.count)) if gres_line.files else ()
        gres.append((gres_line.name, gres_line.type, gres_line.count, indices))
    return {**found, "gres": tuple(gres), "features": tuple(line.Features), "hostname": _host(), "port": port}


def _host() -> str:
    import socket

    return socket.gethostname().split(".")[0]


def _find_node(conf: Any, wanted: str | None) -> tuple[str, Any, int]:
    """(name, its NodeName line, its port) of the node that this daemon is. Raises SlurmError."""
    host = _host()
    fallback = None
    for line in conf.nodes:
        for name, hostname, _address, port in line.hosts(int(conf.SlurmdPort)):
            if name == wanted or (wanted is None and name == host):
                return name, line, port
            if wanted is None and fallback is None and hostname.split(".")[0] in (host, "localhost"):
                fallback = (name, line, port)
    if fallback is not None:
        return fallback
    raise SlurmError("ESLURM_INVALID_NODE_NAME", f"Unable to determine this slurmd's NodeName ({wanted or host})")


def _print_hardware() -> int:
    from . import measure

    seen = measure.topology()
    print(
        f"NodeName={_host()} CPUs={seen['cpus']} Boards={seen['boards']} SocketsPerBoard={seen['sockets']} "
        f"CoresPerSocket={seen['cores']} ThreadsPerCore={seen['threads']} RealMemory={measure.real_memory()}"
    )
    up = int(float(open("/proc/uptime").read().split()[0]))  # noqa: SIM115 - gone in a moment
    print(f"UpTime={up // 86400}-{up // 3600 % 24:02d}:{up // 60 % 60:02d}:{up % 60:02d}")
    return 0


def _start_clean(spool_directory: str) -> None:
    """-c: ends what a former slurmd has left, and forgets it."""
    import select
    import signal
    import subprocess

    from . import control, processes, spool
    from .oci import leftovers

    for job_id, step_id, restart_cnt in spool.sockets(spool_directory):
        path = spool.socket_path(spool_directory, job_id, step_id, restart_cnt)
        pid = control.process_of(path)
        if pid is not None:
            handle = os.pidfd_open(pid)
            processes.send([*processes.descendants(pid), pid], signal.SIGKILL)
            select.select([handle], [], [], 10.0)
            os.close(handle)
        if os.path.exists(path):
            os.unlink(path)
    for key in leftovers.noted(spool_directory):
        # a process of its own: whatever its commands leave behind becomes its child, and ends with it
        subprocess.run(leftovers.command(spool_directory, *key), check=False)
    for name in ("ends", "done", "ending"):
        for entry in os.listdir(os.path.join(spool_directory, name)):
            os.unlink(os.path.join(spool_directory, name, entry))


def run(argv: Sequence[str], invoked: Sequence[str] = ()) -> int:
    """The daemon with these options; returns its exit code. `invoked`: the command that starts it anew."""
    try:
        options = parse(argv)
    except UsageError as error:
        sys.stderr.write(f"slurmd: {error}\n{help_text()}")
        return 1
    if "-h" in options:
        sys.stdout.write(help_text())
        return 0
    if "-V" in options or "--version" in options:
        print(VERSION_TEXT)
        return 0
    if "-C" in options:
        return _print_hardware()
    try:
        return _daemon(options, argv, invoked)
    except (SlurmError, OSError) as error:
        from slurmpy.rpc.daemon import refuse

        return refuse("slurmd", error)


def _daemon(options: dict[str, Any], argv: Sequence[str], invoked: Sequence[str]) -> int:
    from slurmpy.conf import locate, oci_conf, slurm_conf
    from slurmpy.rpc.log import LEVELS

    from . import spawner, spool

    path = options.get("-f") or locate.find()
    if path is None:
        raise SlurmError("SLURM_ERROR", "no slurm.conf: set SLURM_CONF or give -f")
    conf = slurm_conf.load(path)
    name, line, port = _find_node(conf, options.get("-N"))
    host = _host()
    spool_directory = expand_place(conf.SlurmdSpoolDir, name, host) or "/var/spool/slurmd"
    log_file = options.get("-L") or expand_place(conf.SlurmdLogFile, name, host)
    hardware = _hardware(conf, name, line, port, spool_directory)
    for option, field in (("--instance-id", "instance_id"), ("--instance-type", "instance_type")):
        if option in options:
            hardware[field] = options[option]
    if "-G" in options:
        for gres, kind, count, indices in hardware["gres"]:
            places = ",".join(map(str, indices))
            print(f"Gres Name={gres} Type={kind or '(null)'} Count={count} Index={places or '(null)'}")
        return 0
    if "-n" in options:
        os.nice(int(options["-n"]))
    spool.prepare(spool_directory)
    try:
        lock = spawner.take_lock(spool_directory, "slurmd.lock", wait=False)
    except BlockingIOError:
        raise SlurmError("SLURM_ERROR", f"another slurmd of node {name} is running ({spool_directory})") from None
    if "-c" in options:
        _start_clean(spool_directory)
    level: int = LEVELS.index(conf.SlurmdDebug or "info") + options.get("-v", 0)
    level = min(level, len(LEVELS) - 1)
    oci = oci_conf.load(oci_conf.path_beside(conf))
    if oci is not None:
        from .oci import container, telling  # noqa: F401 - every slurmstepd will have them
    # before anything that an event loop needs is loaded: every slurmstepd will be a copy of this process
    forked = spawner.start(spool_directory, log_file or f"{spool_directory}/slurmstepd.log", level, (lock,))
    if "-s" in options:
        os.chdir(os.path.dirname(log_file) if log_file else spool_directory)
    return _serve(conf, name, port, spool_directory, forked, hardware, options, log_file, level, argv, invoked)


def _serve(
    conf: Any,
    name: str,
    port: int,
    spool_directory: str,
    forked: Spawner,
    hardware: dict[str, Any],
    options: dict[str, Any],
    log_file: str | None,
    level: int,
    argv: Sequence[str],
    invoked: Sequence[str],
) -> int:
    from slurmpy.auth import key
    from slurmpy.conf import cgroup_conf, oci_conf, run_dir
    from slurmpy.rpc import methods
    from slurmpy.rpc.daemon import Daemon, log
    from slurmpy.rpc.server import Server

    from . import cgroup
    from .service import Service
    from .slurmd import Slurmd

    async def main(daemon: Daemon) -> None:
        key.load(conf, create=True)
        for word in conf.warnings:
            log.info(f"{word} in slurm.conf is not used by slurmpy")
        slurmd = Slurmd(conf, name, spool_directory, forked, hardware)
        oci = oci_conf.load(oci_conf.path_beside(conf))
        slurmd.oci = None if oci is None else oci.settings()
        if "cgroup" in f"{conf.ProctrackType} {conf.TaskPlugin}":
            settings = cgroup_conf.load(os.path.join(conf.directory, "cgroup.conf"))
            slurmd.cgroup = cgroup.find(name, conf.ClusterName, bool(settings.ConstrainRAMSpace))
            log.info(f"cgroups: {slurmd.cgroup['memory'] if slurmd.cgroup else 'not writable, going by process tree'}")

        if "affinity" in str(conf.TaskPlugin):
            log.info("TaskPlugin: tasks are not bound to CPUs by slurmpy")

        if str(conf.JobAcctGatherType or "").endswith("/cgroup"):
            log.info("JobAcctGatherType=jobacct_gather/cgroup: slurmpy reads what steps use from /proc, as /linux does")

        def start_anew() -> None:
            command = [*invoked, *argv]
            os.execv(command[0], command if "-D" in argv else [*command, "-D"])

        slurmd.on_spawner_lost = start_anew
        server: Server

        def reread() -> None:
            _reread(slurmd, server)

        service = Service(slurmd, run_dir.slurm_user_id(conf), daemon.stop, reread)
        daemon.on_hangup = reread
        server = Server(service.handlers(), methods.SLURMD, conf, "slurmd")
        unix_path = run_dir.slurmd_socket(conf, name)
        run_dir.make(os.path.dirname(unix_path))
        await slurmd.start()  # first: who knows not yet what runs here must not be asked to run it
        await server.listen(unix_path, None if run_dir.without_tcp(conf) else ("", port))
        slurmd.register()
        log.info(f"slurmd version 24.11.5 started as {name}")
        daemon.serving()
        try:
            await daemon.stopped()
        finally:
            await server.close()
            await slurmd.close()
            cgroup.leave(slurmd.cgroup)
            log.info("Slurmd shutdown completing")

    pid_file = expand_place(conf.SlurmdPidFile, name, _host())
    return Daemon("slurmd", log_file, pid_file, bool(options.get("-D")), level).run(main)


def _reread(slurmd: Slurmd, server: Any) -> None:
    """SIGHUP and scontrol reconfigure: the configuration anew, and slurmctld is told what this node is now."""
    from slurmpy.conf import oci_conf, slurm_conf
    from slurmpy.rpc.log import log

    try:
        conf = slurm_conf.load(slurmd.conf.path)
        oci = oci_conf.load(oci_conf.path_beside(conf))
        _, line, port = _find_node(conf, slurmd.name)
        hardware = _hardware(conf, slurmd.name, line, port, slurmd.spool)
    except (SlurmError, OSError) as error:
        for line in getattr(error, "details", ()):
            log.error(line)  # the file and its line
        log.error(f"reconfigure: {error}")
        return
    slurmd.conf = conf
    slurmd.oci = None if oci is None else oci.settings()
    slurmd.hardware.update(hardware)
    server.set_conf(conf)
    slurmd.register()
    log.info(f"reconfigured at {time.strftime('%H:%M:%S')}")


def main() -> None:
    sys.exit(run(sys.argv[1:], (sys.executable, "-P", "-m", "slurmpy.node.main")))


if __name__ == "__main__":
    main()
