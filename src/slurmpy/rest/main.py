"""slurmrestd: Slurm's REST daemon."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from slurmpy.core.errors import SlurmError

from .options import NAME, Fatal, Settings


def run(argv: list[str], otherwise: Callable[[], str] | None = None) -> int:
    """The daemon in the foreground until SIGTERM or SIGINT, or until its standard input ends; the exit code.
    `otherwise` gives a slurm.conf where there is none."""
    try:
        settings = Settings(argv)
        for note in settings.notes:
            sys.stderr.write(f"{NAME}: {note}\n")
        if settings.show == "openapi":
            _print_openapi(settings)
        elif settings.show:
            sys.stdout.write(settings.show)
        else:
            _serve(settings, otherwise)
        return 0
    except (Fatal, SlurmError) as error:
        for detail in getattr(error, "details", ()):
            sys.stderr.write(f"{NAME}: error: {detail}\n")
        sys.stderr.write(f"{NAME}: fatal: {error}\n")
        if os.environ.get("ABORT_ON_FATAL"):
            sys.stderr.flush()
            os.abort()
        return 1


def _print_openapi(settings: Settings) -> None:
    from slurmpy.data_parser import json_text, registry

    from . import openapi

    plugins = [registry.get(version) for version in settings.versions]
    sys.stdout.write(json_text.write(openapi.document(plugins, settings.families, settings.statuses)) + "\n")


def _configuration(path: str, otherwise: Callable[[], str] | None) -> Any:
    from slurmpy.conf import locate, slurm_conf

    found = path or locate.find()
    if not found and otherwise is not None:
        found = otherwise()
    if not found:
        raise Fatal("no slurm.conf: give one with -f or SLURM_CONF")
    return slurm_conf.load(found)


def _serve(settings: Settings, otherwise: Callable[[], str] | None = None) -> None:
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the loop listens to it

    from slurmpy.conf import slurm_conf
    from slurmpy.rpc.log import log

    from . import security, server, sockets
    from .app import Application

    conf = _configuration(settings.conf, otherwise)
    if settings.debug_flags:
        conf.DebugFlags = slurm_conf.debug_flags(settings.debug_flags)
    log.name = NAME
    log.set_level(settings.level)
    log.open(None, to_stderr=True)
    owner = security.Owner(settings)
    security.check(settings, owner, conf)
    security.unshare(settings)
    inherited = None if settings.listen else sockets.handed_over()
    if inherited is not None and sockets.listens(inherited):
        found = [sockets.Listener(inherited, None)]
    else:
        found = sockets.listeners(settings, conf)
    if inherited is not None and os.path.sameopenfile(0, 2):
        log.to_stderr = False  # inetd gives its socket for all three: what is logged would be part of the answers
    if "become_user" in settings.security:
        security.become_peer(inherited)
    owner.become()
    serving = server.Server(Application(conf, settings, security.own()), settings)
    if found:
        serving.listen(found)
    else:
        serving.inetd(inherited)


def main() -> None:
    sys.exit(run(sys.argv[1:]))
