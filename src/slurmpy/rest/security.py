"""Whom slurmrestd runs as, and what it shares with its parent (SLURMRESTD_SECURITY)."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from typing import Any

from slurmpy.auth.peer import of_unix_socket
from slurmpy.conf.run_dir import slurm_user_id, without_tcp

from .options import Fatal, Settings

#: unshare(2)
_CLONE_FILES, _CLONE_SYSVSEM = 0x00000400, 0x00040000


class Owner:
    """Whom -u and -g ask for: numbers, None for what stays. Raises Fatal."""

    def __init__(self, settings: Settings) -> None:
        self.uid: int | None = None
        self.gid: int | None = None
        if settings.user:
            try:
                entry = pwd.getpwuid(int(settings.user)) if settings.user.isdecimal() else pwd.getpwnam(settings.user)
            except (KeyError, OverflowError) as error:
                raise Fatal(f"Unable to resolve user: {settings.user}") from error
            self.uid, self.gid = entry.pw_uid, entry.pw_gid
        if settings.group:
            try:
                self.gid = (
                    grp.getgrgid(int(settings.group)) if settings.group.isdecimal() else grp.getgrnam(settings.group)
                ).gr_gid
            except (KeyError, OverflowError) as error:
                raise Fatal(f"Unable to resolve gid: {settings.group}") from error

    def become(self) -> None:
        """Gives up this process's group and user for them. Raises Fatal."""
        try:
            if self.gid is not None:
                os.setgroups([])
                os.setgid(self.gid)
            if self.uid is not None:
                os.setuid(self.uid)
        except OSError as error:
            raise Fatal(f"Unable to change user or group: {error.strerror}") from error


def check(settings: Settings, owner: Owner, conf: Any) -> None:
    """Refuses to run as root or SlurmUser or with their groups, whose connections would be trusted with everything;
    not in a cluster that one user has for himself (unix sockets only), who can be no other. Raises Fatal."""
    uid = os.geteuid() if owner.uid is None else owner.uid
    gid = os.getegid() if owner.gid is None else owner.gid
    if "become_user" in settings.security:
        if os.geteuid() != 0 or uid != 0:
            raise Fatal("SLURMRESTD_SECURITY=become_user needs slurmrestd to run as root")
        if settings.auth != ("rest_auth/local",):
            raise Fatal("SLURMRESTD_SECURITY=become_user is for -a rest_auth/local alone")
        if settings.listen:
            raise Fatal("SLURMRESTD_SECURITY=become_user is for inetd mode: who has become a user stays so")
        return
    if "disable_user_check" in settings.security or without_tcp(conf):
        return
    slurm_user = slurm_user_id(conf)
    if uid == slurm_user:
        raise Fatal("slurmrestd should not be run as SlurmUser")
    if uid == 0:
        raise Fatal("slurmrestd should not be run as the root user.")
    if gid == 0:
        raise Fatal("slurmrestd should not be run with the root group.")
    try:
        slurm_group = pwd.getpwuid(slurm_user).pw_gid
    except KeyError:
        return
    if gid == slurm_group:
        raise Fatal("slurmrestd should not be run with SlurmUser's group.")


def unshare(settings: Settings) -> None:
    """Descriptors and System V semaphores of its own, unless that is turned off. Raises Fatal."""
    import ctypes

    flags = 0 if "disable_unshare_files" in settings.security else _CLONE_FILES
    flags |= 0 if "disable_unshare_sysv" in settings.security else _CLONE_SYSVSEM
    if flags and ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        raise Fatal(f"Unable to unshare: {os.strerror(ctypes.get_errno())}")


def become_peer(connection: socket.socket | None) -> None:
    """With become_user: for good, the user at the other end of the socket. Raises Fatal."""
    if connection is None or connection.family != socket.AF_UNIX:
        raise Fatal("SLURMRESTD_SECURITY=become_user is for a unix socket as standard input")
    peer = of_unix_socket(connection)
    if peer.uid == 0:
        return
    try:
        os.initgroups(peer.name, peer.gid)
        os.setgid(peer.gid)
        os.setuid(peer.uid)
    except OSError as error:
        raise Fatal(f"Unable to become user {peer.uid}: {error.strerror}") from error


def own() -> tuple[str, str]:
    """This process's user and group, by name where they have one."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    try:
        group = grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        group = str(os.getegid())
    return user, group
