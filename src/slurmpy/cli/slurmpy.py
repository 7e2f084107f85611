"""``slurmpy``: the pocket cluster by hand. The only command here that Slurm does not have."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import click

from slurmpy import SLURM_VERSION, __version__
from slurmpy.core.errors import SlurmError
from slurmpy.pocket.directory import Directory


class Fault(click.ClickException):
    """One clear line in Slurm's style."""

    def show(self, file: object = None) -> None:
        click.echo(f"slurmpy: error: {self.message}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message=f"slurmpy {__version__} (as slurm {SLURM_VERSION})")
def cli() -> None:
    """The pocket cluster: a whole Slurm cluster of your own on this machine, without set-up.

    Any command (srun, sbatch, squeue, ...) starts it when there is no slurm.conf; these commands do it by hand.
    """


@cli.command()
@click.option("--nodes", "-N", type=int, help="How many nodes to simulate (1 if not said).")
@click.option("--cpus", "-c", type=int, help="CPUs of each node (those of this machine if not said).")
@click.option(
    "--memory", "-m", metavar="SIZE", help="Memory of each node, as 4000M or 16G (this machine's if not said)."
)
@click.option("--gres", metavar="LIST", help="Generic resources of each node, as gpu:2 or gpu:a100:4.")
@click.option("--features", metavar="LIST", help="Features of each node, as fast,ib.")
@click.option("--name", metavar="CLUSTER", help="The cluster's name (pocket if not said).")
@click.option(
    "--container-runtime",
    "runtime",
    metavar="runc|crun|PATH|none",
    help="What runs the containers of --container (in a new pocket, runc or crun, if they are there and work).",
)
def up(nodes: int | None, cpus: int | None, memory: str | None, gres: str | None, features: str | None,
       name: str | None, runtime: str | None) -> None:  # fmt: skip
    """Start the pocket cluster, with the nodes you want.

    Options write its slurm.conf anew; without any it starts as it was last time. --container-runtime tries the runtime
    and writes oci.conf, unless you have written one of your own.
    """
    from slurmpy.core import sizes
    from slurmpy.pocket import containers, start
    from slurmpy.pocket.settings import Settings

    directory = Directory()
    chosen = {"nodes": nodes, "cpus": cpus, "gres": gres, "features": features, "name": name}
    given = {key: value for key, value in chosen.items() if value is not None}
    try:
        if memory is not None:
            given["memory"] = sizes.parse_mem(memory)
        if start.answers(directory):
            if given or runtime is not None:
                raise Fault("the pocket cluster runs already; 'slurmpy down' first, then 'slurmpy up' with options")
            click.echo("the pocket cluster runs already")
            return
        directory.make()
        settings = Settings(**given)  # type: ignore[arg-type]
        new = not os.path.exists(directory.conf)
        if runtime is not None:
            containers.choose(directory, runtime)
        if given or new:
            settings.write(directory)
        start.launch(directory, new=new and runtime is None)
    except SlurmError as error:
        raise Fault(error.message) from error
    except ValueError as error:
        raise Fault(str(error)) from error
    click.echo(f"the pocket cluster is up (SLURM_CONF={directory.conf}); 'slurmpy down' stops it")


@cli.command()
@click.option("--force", is_flag=True, help="End the daemons even if slurmctld does not answer.")
def down(force: bool) -> None:
    """Stop the pocket cluster; running jobs are cancelled, pending ones wait for the next start."""
    import fcntl
    import signal

    from slurmpy.pocket import start

    directory = Directory()
    supervisor = start.supervised(directory)
    if not supervisor:
        if start.answers(directory):
            raise Fault("slurmctld answers, but no supervisor runs; end it with 'scontrol shutdown'")
        click.echo("the pocket cluster is not running")
        return
    try:
        cancelled = _cancel_running(directory)
        if cancelled:
            click.echo(f"cancelled {cancelled} running job{'s' if cancelled > 1 else ''}", err=True)
    except SlurmError as error:
        if not force:
            raise Fault(f"cannot cancel the running jobs: {error.message}; --force goes on") from error
    os.kill(supervisor, signal.SIGKILL if force and not start.answers(directory) else signal.SIGTERM)
    handle = os.open(directory["supervisor.lock"], os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(handle, fcntl.LOCK_EX)  # is ours when the supervisor has ended
    os.close(handle)
    click.echo("the pocket cluster is down")


def _cancel_running(directory: Directory) -> int:
    """Cancels what runs and waits until it has ended; how many jobs those were."""
    from slurmpy.conf import slurm_conf
    from slurmpy.core.states import JobState
    from slurmpy.rpc.cluster import Cluster

    cluster = Cluster(slurm_conf.load(directory.conf), "slurmpy")
    try:
        states = (JobState.RUNNING, JobState.SUSPENDED, JobState.COMPLETING)
        rows = cluster.query("jobs", ("job_id",), {"states": states, "all": True}).rows
        for (job_id,) in rows:
            try:
                cluster.call("kill_job", {"job_id": job_id})
            except SlurmError as error:
                if error.name not in ("ESLURM_ALREADY_DONE", "ESLURM_INVALID_JOB_ID"):
                    raise
        for (job_id,) in rows:
            for _ in cluster.events("wait_job", {"job_id": job_id, "until": "clean"}):
                pass
        return len(rows)
    finally:
        cluster.close()


@cli.command()
def status() -> None:
    """Show whether the pocket cluster runs, its nodes and jobs. The exit code is 1 if it does not run."""
    from slurmpy.conf import slurm_conf
    from slurmpy.core.states import JobState
    from slurmpy.pocket import start
    from slurmpy.rpc.cluster import Cluster

    directory = Directory()
    supervisor = start.supervised(directory)
    if not start.answers(directory):
        click.echo("down" if not supervisor else f"starting or broken (supervisor {supervisor}); see 'slurmpy logs'")
        sys.exit(1)
    try:
        conf = slurm_conf.load(directory.conf)
        cluster = Cluster(conf, "slurmpy")
        nodes = cluster.query("nodes", ("name", "cpus", "alloc_cpus")).rows
        jobs = [row[0] & JobState.BASE for row in cluster.query("jobs", ("job_state",), {"all": True}).rows]
        cluster.close()
    except SlurmError as error:
        raise Fault(error.message) from error
    click.echo(f"up     cluster {conf.ClusterName}, supervisor {supervisor or 'missing'}")
    click.echo(f"nodes  {len(nodes)}, {sum(n[1] for n in nodes)} CPUs of which {sum(n[2] for n in nodes)} are in use")
    click.echo(f"jobs   {jobs.count(JobState.RUNNING)} running, {jobs.count(JobState.PENDING)} pending")
    click.echo(f"conf   {directory.conf}")


@cli.command()
@click.argument("daemon", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on printing what is added.")
@click.option("--lines", "-n", type=click.IntRange(0), default=20, show_default=True, help="How many lines of each.")
def logs(daemon: str | None, follow: bool, lines: int) -> None:
    """Print the end of the daemons' logs, or of one: slurmctld, slurmdbd, slurmd-n1, supervisor."""
    directory = Directory()
    try:
        names = sorted(name for name in os.listdir(directory["log"]) if name.endswith(".log"))
    except OSError as error:
        raise Fault(f"{directory['log']}: {error.strerror}") from error
    if daemon is not None:
        if f"{daemon}.log" not in names:
            raise Fault(f"no log of {daemon}; there are: {', '.join(name[:-4] for name in names) or 'none'}")
        names = [f"{daemon}.log"]
    paths = [os.path.join(directory["log"], name) for name in names]
    if not paths:
        raise Fault("there are no logs yet")
    if follow:
        os.execvp("tail", ["tail", "-n", str(lines), "-F", *paths])
    for path in paths:
        if len(paths) > 1:
            click.echo(f"==> {os.path.basename(path)[:-4]} <==")
        with open(path, errors="replace") as file:
            click.echo("".join(file.readlines()[-lines:] if lines else []), nl=False)


@cli.command("import-slurmdbd")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--cluster", "-M", metavar="NAME", default="", help="Import as this cluster, whatever the files call it.")
@click.option(
    "--delimiter", metavar="TEXT", default="|", show_default=True, help="What stands between sacct's columns."
)
@click.option("--dry-run", is_flag=True, help="Check the files and say what would be done, but change nothing.")
def import_slurmdbd(files: tuple[str, ...], cluster: str, delimiter: str, dry_run: bool) -> None:
    """Take over the books of another Slurm cluster, real ones too.

    A FILE is what 'sacctmgr dump CLUSTER file=FILE' wrote there, or what 'sacct -a -D -P --format=ALL -S TIME' printed
    ('-' is standard input). Associations go in before jobs; running it again adds only what is new. For administrators.
    """
    from . import connect
    from .errors import Stop
    from .import_slurmdbd import run

    try:
        run(files, connect.cluster("slurmpy"), cluster, delimiter, dry_run, click.echo)
    except Stop as stop:
        click.echo(stop.err, err=True, nl=False)
        sys.exit(stop.code)
    except SlurmError as error:
        raise Fault(error.message) from error


@cli.command("oci-conf")
@click.argument("runtime", metavar="runc|crun|PATH")
@click.option("--create-start", is_flag=True, help="By RunTimeCreate and RunTimeStart rather than by RunTimeRun.")
def oci_conf(runtime: str, create_start: bool) -> None:
    """Print an oci.conf for a site, to be put beside its slurm.conf.

    It serves root and ordinary users. The path of the runtime is the one on this machine, and must be so on the nodes.
    """
    from slurmpy.conf import oci_runtimes

    program = oci_runtimes.find(runtime)
    if program is None:
        raise Fault(f"{runtime}: no such program" + ("" if "/" in runtime else " in PATH; a path says where it is"))
    try:
        click.echo(oci_runtimes.text(program, create_start), nl=False)
    except SlurmError as error:
        raise Fault(error.message) from error


@cli.group()
def bundle() -> None:
    """Make containers' bundles of images, and look after them.

    'srun --container REFERENCE' makes a bundle of an image when it first meets it; these commands do it ahead, show
    what is there, and remove it. Bundles are kept per user, once for each image, whatever it is called.

    \b
    A REFERENCE is one of
      oci:DIR[:TAG]              an OCI image layout (skopeo, umoci, buildah)
      oci-archive:FILE[:TAG]     the same in a tar file
      docker-archive:FILE[:NAME] what docker save and podman save write
      docker://HOST/NAME[:TAG]   an image of a registry, which skopeo fetches
      DIR                        a root file system, as debootstrap makes it

    \b
    For example
      podman save alpine > alpine.tar
      slurmpy bundle create --name alpine docker-archive:alpine.tar
      srun --container $(slurmpy bundle path alpine) cat /etc/os-release
    """


@bundle.command("create")
@click.argument("reference")
@click.option(
    "--name", metavar="NAME", default="", help="Call the bundle so; a bundle that was called so loses the name."
)
@click.option(
    "--fetch", is_flag=True, help="Ask the registry again, for an image of docker:// that was fetched before."
)
def bundle_create(reference: str, name: str, fetch: bool) -> None:
    """Make a bundle of REFERENCE, if it is not there yet, and print its path.

    The layers are checked by their digests and unpacked once; whoever asks for the same image meanwhile waits for that.
    root keeps owners, device files and set-user-id bits of an image, anybody else owns all of it himself.
    """
    from . import bundle as bundles

    with _image_errors():
        click.echo(bundles.create(reference, name, fetch))


@bundle.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known, as JSON.")
def bundle_list(as_json: bool) -> None:
    """List the bundles, the one that was used last first."""
    from . import bundle as bundles

    with _image_errors():
        click.echo(bundles.listing(as_json), nl=False)


@bundle.command("path")
@click.argument("bundle", metavar="BUNDLE")
def bundle_path(bundle: str) -> None:
    """Print the path of a bundle, which is named as for 'slurmpy bundle remove'."""
    from . import bundle as bundles

    with _image_errors():
        click.echo(bundles.path(bundle))


@bundle.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="BUNDLE...")
def bundle_remove(names: tuple[str, ...]) -> None:
    """Remove bundles, but none that is in use.

    A BUNDLE is its name, its path, the begin of its key (four digits or more), or the reference it was made of.
    """
    from . import bundle as bundles

    with _image_errors():
        click.echo(bundles.remove(names), nl=False)


@bundle.command("gc")
@click.option(
    "--max-size", metavar="SIZE", help="Remove those not used for longest until the rest is at most so much, as 20G."
)
@click.option("--max-age", metavar="AGE", help="Remove what was not used for so long, as 12h, 30d or 2w.")
def bundle_gc(max_size: str | None, max_age: str | None) -> None:
    """Remove what killed processes left, and bundles by size and age; never what is in use."""
    from . import bundle as bundles

    with _image_errors():
        click.echo(bundles.collect(max_size, max_age), nl=False)


@contextlib.contextmanager
def _image_errors() -> Iterator[None]:
    from slurmpy.image.errors import ImageError

    try:
        yield
    except (ImageError, ValueError) as error:
        raise Fault(str(error)) from error
    except OSError as error:
        raise Fault(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error


def main() -> None:
    cli(prog_name="slurmpy")


if __name__ == "__main__":
    main()
