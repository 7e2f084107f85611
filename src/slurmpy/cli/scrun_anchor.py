"""scrun's anchor: the process that stands for a container on this host.

`create` starts it; it asks for the allocation, stages the bundle in, and waits for `start`. It runs the step with the
standard input, output and error that `create` was given, and exits with the container's exit code, so whoever called
`create` (conmon, as its subreaper) sees that end. However it ends, its lock (`scrun_state`) and the allocation go with
it. start, kill and delete reach it by a unix socket, which only its own user and root may use.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from queue import SimpleQueue

from ..core import signals
from ..core.errors import SlurmError
from . import scrun_bundle, scrun_job, scrun_staging
from .errors import Stop, line
from .scrun_staging import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType
    from typing import Any, NoReturn

    from .scrun_log import ScrunLog
    from .scrun_state import Place

CREATING, CREATED, RUNNING, STOPPED = "creating", "created", "running", "stopped"
#: what the anchor says through create's pipe when all is well
READY = b"ready"
#: signals that end a container which has not started; others are nothing to it
HARMLESS = frozenset((signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH))
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
#: so long the end waits for answers that are under way, seconds
LAST_WORDS = 2.0
#: exit code of a container that could not be started
NOT_STARTED = 1
#: so long after the job's end a step may take to tell of its own, seconds
STRAGGLE = 5.0


class Ended(BaseException):
    """A signal has arrived while the container was being prepared."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Anchor:
    """The life of one container, from the fork to the exit code."""

    def __init__(
        self, place: Place, record: dict[str, Any], log: ScrunLog, env: Mapping[str, str], console: str | None
    ) -> None:
        self.place, self.record, self.log, self.env, self.console = place, record, log, env, console
        self.guard = threading.Lock()
        self.answered = threading.Condition()
        self.answers = 0  # requests that have been read and not been answered yet
        self.requests: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self.asked_to_start = False
        self.tried = threading.Event()  # the start has succeeded or failed
        self.failure = ""
        self.step_id: int | None = None
        self.job: scrun_job.ContainerJob | None = None
        self.staging = scrun_staging.NONE
        self.listener: Any = None

    # ---------------------------------------------------------------- the way through

    def run(self, pipe: int, pid_file: str | None) -> NoReturn:
        """Never returns. `pipe` is where create waits for `READY` or the text of an error."""
        code = NOT_STARTED
        try:
            self.log.to_stderr = False
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a daemon or a caller that goes away is an error, no end
            threading.Thread(target=self._watch_create, args=(pipe,), daemon=True).start()
            try:
                self._prepare(pid_file)
            except Stop as stop:
                self._fail(pipe, stop.err)
            except SlurmError as error:
                details = "".join(line("scrun", text) for text in getattr(error, "details", ()))
                self._fail(pipe, details + line("scrun", error.message))
            except OSError as error:
                name = f"{error.filename}: " if error.filename else ""
                self._fail(pipe, line("scrun", f"{name}{error.strerror or error}", "fatal"))
            except Ended as ended:
                self._fail(pipe, line("scrun", f"create has been ended by signal {ended.number}", "fatal"))
            else:
                self._set(status=CREATED)
                self._tell(pipe, READY)
                code = self._live()
        except BaseException as error:
            # a defect: it must be seen somewhere, and the container must not look as if it were alive
            self.log.error(f"internal error: {type(error).__name__}: {error}")
            if self.env.get("SLURMPY_TRACEBACK"):
                import traceback

                self.log.error("".join(traceback.format_exception(error)))
        finally:
            self._let_answers_go()
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except (OSError, ValueError):
                    pass
            os._exit(code)

    def _prepare(self, pid_file: str | None) -> None:
        """Allocation, staging, terminal, pid file and socket. Raises Stop, SlurmError, OSError, Ended."""
        from . import connect

        self._on_signals(_raise)
        bundle = scrun_bundle.load(self.record["bundle"])
        scrun_job.options_of(self.env, bundle.annotations)  # before a pocket cluster is started for nothing
        cluster = connect.cluster("scrun")
        site = scrun_job.site_arguments(cluster.conf)
        options = scrun_job.options_of(self.env, bundle.annotations, site)
        conf = os.path.abspath(cluster.conf.path) if cluster.conf.path else ""
        self.staging = scrun_staging.find(self.env.get(scrun_staging.VARIABLE), conf)
        self._set(conf=conf, staging=self.staging.name)
        self.job = scrun_job.ContainerJob(cluster, options, self.log)
        self.job.allocate(self.job.describe(bundle, self.place.container), self.env)
        try:
            self._set(job_id=self.job.job_id)
            threading.Thread(target=self._watch_job, daemon=True).start()
            variables = {**self.job.variables(), **self.variables(bundle)}
            self._set(job_env=[f"{name}={value}" for name, value in variables.items()])
            self._stage_in()
            if self.console:
                from . import scrun_console

                scrun_console.attach(self.console)
                # only now: conmon keeps standard error open for messages of create
            self._serve()
            if pid_file:
                _write_pid(pid_file)
        except BaseException:
            self._on_signals(signal.SIG_IGN)
            self.job.complete(None)
            raise

    def _stage_in(self) -> None:
        container = self._container()
        self._set(staged_in=True)
        self.staging.run("stage_in", container)
        self._set(bundle=container.bundle, root_path=container.root_path)

    def _container(self) -> Container:
        assert self.job is not None
        job = self.job
        return Container(self.record, self.log, lambda script: job.remote_command(script, self.record["spool_dir"]))

    def _live(self) -> int:
        """Waits for start, runs the step, cleans up; the container's exit code."""
        self._on_signals(lambda number, _: self.requests.put(("stop", number)))
        os.chdir("/")  # nobody's file system stays busy because a container waits
        what, number = self.requests.get()
        code = self._run_step() if what == "start" else 128 + number
        if not self.tried.is_set():
            self.failure = self.failure or "container has been stopped"
            self.tried.set()
        return self._finish(code)

    def _run_step(self) -> int:
        assert self.job is not None
        running = None
        try:
            bundle = scrun_bundle.load(self.record["bundle"])
            more = {**self.variables(bundle), **self.job.variables()}
            running = self.job.step(bundle, self.place.container, more, self._started)
            self.step_id = running.step_id
            self._set(step_id=self.step_id)
            code = running.run()
        except Stop as stop:
            self.failure, code = plain(stop.err), NOT_STARTED
        except SlurmError as error:
            self.failure, code = f"Unable to create step for job {self.job.job_id}: {error.message}", NOT_STARTED
        except Exception as error:  # a terminal that is gone, or a defect: what has begun must be ended in good order
            self.failure, code = f"{type(error).__name__}: {error}", NOT_STARTED
            self.log.error(self.failure)
        if not self.tried.is_set():
            told = running.complaints[0] if running is not None and running.complaints else ""
            self.failure = self.failure or told or "the container could not be started"
            self.log.error(self.failure)
            self.tried.set()
            code = code or NOT_STARTED
        return code

    def _started(self) -> None:
        self._set(status=RUNNING)
        self.tried.set()

    def _finish(self, code: int) -> int:
        assert self.job is not None
        status: int | None = code << 8 if self.asked_to_start else None
        try:
            self.staging.run("stage_out", self._container())
        except Stop as stop:
            self.log.error(plain(stop.err))
            status = None  # the job is cancelled then (scrun(1))
        self._set(staged_out=True)
        over = self.job.complete(status)
        self._set(status=STOPPED, exit_code=code, job_over=over)
        self._close()
        return code

    # ---------------------------------------------------------------- small things

    def _set(self, **changes: Any) -> None:
        """Changes the record. Raises OSError while create waits; later a full disk must not end a container."""
        with self.guard:
            self.record.update(changes)
            try:
                self.place.write(self.record)
            except OSError as error:
                if self.record["status"] in (CREATING, CREATED):
                    raise
                self.log.error(f"unable to write {self.place.path}: {error.strerror}")

    def _on_signals(self, handler: Any) -> None:
        for number in ENDING:
            signal.signal(number, handler)

    def _fail(self, pipe: int, text: str) -> None:
        """Nothing has come of it: no directory stays, and create tells why."""
        self._on_signals(signal.SIG_IGN)
        self._close()
        self.place.remove()
        self._tell(pipe, text.encode("utf-8", "surrogateescape") or b"scrun: fatal: create failed\n")

    def _tell(self, pipe: int, data: bytes) -> None:
        try:
            os.write(pipe, data)
        except OSError:
            pass  # create has been killed at this very moment; delete will find the container
        finally:
            os.close(pipe)

    def _watch_create(self, pipe: int) -> None:
        """A thread: if create is killed while it waits, nobody would want the container."""
        import select

        poll = select.poll()
        poll.register(pipe, 0)  # the closing of its other end is told anyhow
        try:
            poll.poll()
        except OSError:
            return
        if self.record["status"] == CREATING:
            os.kill(os.getpid(), signal.SIGTERM)

    def _watch_job(self) -> None:
        """A thread: what slurmctld ends (scancel, the time limit, a failed node) ends here, too."""
        assert self.job is not None
        self.job.wait_end()
        status = self.record["status"]
        if status == CREATING:
            os.kill(os.getpid(), signal.SIGTERM)
        self.requests.put(("stop", signal.SIGKILL))
        if self.asked_to_start:
            time.sleep(STRAGGLE)
            if self.record["status"] == RUNNING and not self.record["staged_out"]:
                os.kill(os.getpid(), signal.SIGTERM)  # the node does not tell us of the step's end any more

    def variables(self, bundle: scrun_bundle.Bundle) -> dict[str, str]:
        """scrun's own variables (scrun(1), OUTPUT ENVIRONMENT VARIABLES)."""
        record = self.record
        found = {
            "SCRUN_OCI_VERSION": bundle.oci_version,
            "SCRUN_CONTAINER_ID": self.place.container,
            "SCRUN_PID": str(os.getpid()),
            "SCRUN_BUNDLE": record["bundle"],
            "SCRUN_SUBMISSION_BUNDLE": record["submission_bundle"],
            "SCRUN_PID_FILE": record["pid_file"],
            "SCRUN_SOCKET": self.place.socket,
            "SCRUN_SPOOL_DIR": record["spool_dir"],
            "SCRUN_SUBMISSION_CONFIG_FILE": os.path.join(record["submission_bundle"], "config.json"),
            "SCRUN_USER": record["user"],
            "SCRUN_USER_ID": str(record["user_id"]),
            "SCRUN_GROUP": record["group"],
            "SCRUN_GROUP_ID": str(record["group_id"]),
            "SCRUN_ROOT": self.place.root,
            "SCRUN_ROOTFS_PATH": record["root_path"],
            "SCRUN_SUBMISSION_ROOTFS_PATH": record["submission_root_path"],
            "SCRUN_LOG_FILE": self.log.file,
            "SCRUN_LOG_FORMAT": self.log.form,
        }
        found.update({f"SCRUN_ANNOTATION_{key}": value for key, value in bundle.annotations.items()})
        return found

    # ---------------------------------------------------------------- the socket

    def _serve(self) -> None:
        from ..rpc.address import bind_unix

        self.listener = bind_unix(self.place.socket, 0o600)
        threading.Thread(target=self._accept, daemon=True).start()

    def _close(self) -> None:
        if self.listener is not None:
            self.listener.close()
            try:
                os.unlink(self.place.socket)
            except OSError:
                pass

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: Any) -> None:
        import json

        from ..auth.peer import of_unix_socket

        with connection:
            try:
                if of_unix_socket(connection).uid not in (0, os.geteuid()):
                    return
                connection.settimeout(10)
                request = json.loads(_line_of(connection))
                what, number = str(request["what"]), int(request.get("signal") or 0)
                with self._answering():
                    connection.sendall(json.dumps({"error": self._do(what, number)}).encode() + b"\n")
            except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
                return  # whoever asked has gone, or talks nonsense

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        with self.answered:
            self.answers += 1
        try:
            yield
        finally:
            with self.answered:
                self.answers -= 1
                self.answered.notify_all()

    def _let_answers_go(self) -> None:
        """The process ends, but not in the middle of a sentence: a short container may end before start is answered."""
        with self.answered:
            self.answered.wait_for(lambda: self.answers == 0, LAST_WORDS)

    def _do(self, what: str, number: int) -> str:
        """What start, kill or a forced delete asks for; the text of an error, or ""."""
        if what == "start":
            with self.guard:
                if self.asked_to_start or self.record["status"] != CREATED:
                    return "cannot start an already running container"
                self.asked_to_start = True
            self.requests.put(("start", 0))
            self.tried.wait()
            return self.failure
        if what == "kill":
            return self._kill(number)
        return "unknown request"

    def _kill(self, number: int) -> str:
        assert self.job is not None
        if not 0 < number <= signals.MAX_SIGNAL:
            return f"Invalid requested signal: {number}"
        if not self.asked_to_start:
            if number not in HARMLESS:
                self.requests.put(("stop", number))
            return ""
        self.tried.wait()
        if self.record["status"] != RUNNING or self.step_id is None:
            return "container not running"
        try:
            self.job.signal(self.step_id, number)
        except SlurmError as error:
            if error.name in scrun_job.GONE:
                return "container not running"
            return error.message
        return ""


def _raise(number: int, _: FrameType | None) -> None:
    raise Ended(number)


def _line_of(connection: Any) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < 4096:
        piece = connection.recv(4096)
        if not piece:
            break
        data += piece
    return data


def _write_pid(path: str) -> None:
    """The anchor's number, in one piece: who waits for the file reads it as soon as it is there."""
    new = f"{path}.{os.getpid()}"
    with open(new, "w") as stream:
        stream.write(str(os.getpid()))
    os.rename(new, path)


def plain(text: str) -> str:
    """An error's text without ``scrun: error:``, as a log has it."""
    found = []
    for part in text.rstrip("\n").split("\n"):
        for prefix in ("scrun: fatal: ", "scrun: error: ", "scrun: "):
            if part.startswith(prefix):
                part = part[len(prefix) :]
                break
        found.append(part)
    return "; ".join(found)


def start(
    place: Place,
    record: dict[str, Any],
    log: ScrunLog,
    env: Mapping[str, str],
    console: str | None,
    pid_file: str | None,
) -> None:
    """Makes the container's directory and its anchor, and waits until that is ready. Raises Stop if it fails."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    lock = place.make(record)
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.setsid()
        _close_all_but((0, 1, 2, lock, writer))
        record["pid"] = os.getpid()
        Anchor(place, record, log, env, console).run(writer, pid_file)
    os.close(writer)
    os.close(lock)
    said = b""
    while said != READY and (piece := os.read(reader, 65536)):
        said += piece
    os.close(reader)
    if said == READY:
        return
    if not said:
        place.remove()
        said = line("scrun", "the anchor process has been killed", "fatal").encode()
    raise Stop(1, err=said.decode("utf-8", "surrogateescape"))


def _close_all_but(kept: tuple[int, ...]) -> None:
    """What create was given beyond its standard descriptors stays with it: a pipe of ours would never end."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                pass  # that of the listing itself
