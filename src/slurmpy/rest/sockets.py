"""Where slurmrestd listens: TCP (by TLS where a certificate is configured), unix sockets, or what inetd hands over."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any, NamedTuple

from .options import Fatal, Settings

BACKLOG = 4096
_UNIX = "unix:"
_TLS = "https://"


class Listener(NamedTuple):
    """``tls`` is an ssl.SSLContext or None."""

    socket: socket.socket
    tls: Any

    @property
    def name(self) -> str:
        address = self.socket.getsockname()
        if isinstance(address, str):
            return f"{_UNIX}{address}"
        host = "localhost" if address[0] in ("127.0.0.1", "::1") else address[0]
        return f"{_TLS if self.tls else ''}[{host}]:{address[1]}"


def tls_context(conf: Any) -> Any:
    """The certificate that slurm.conf names, as an SSLContext; None if it names none. Raises Fatal.

    ``TLSParameters=restd_cert_file=PATH,restd_cert_key_file=PATH``; with ``TLSType=tls/s2n`` alone they are
    restd_cert.pem and restd_cert_key.pem beside slurm.conf, as in Slurm 25.05.
    """
    given: dict[str, str] = {}
    for word in str(conf.TLSParameters or "").split(","):
        name, _, value = word.partition("=")
        given[name.strip().lower()] = value.strip()
    names = ("restd_cert_file", "restd_cert_key_file")
    wanted = str(conf.TLSType or "tls/none") != "tls/none"
    if not wanted and not any(given.get(name) for name in names):
        return None
    beside = os.path.dirname(str(conf.path))
    paths = [given.get(name) or os.path.join(beside, name.removesuffix("_file") + ".pem") for name in names]
    import ssl

    for path, forbidden in zip(paths, (0o022, 0o077), strict=True):
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise Fatal(f"TLS: cannot read {path}: {error.strerror}") from error
        if mode & forbidden:
            raise Fatal(f"TLS: {path} is insecure: mode={stat.S_IMODE(mode):04o}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(paths[0], paths[1], password="")  # a key that asks for a password is none for a daemon
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Fatal(f"TLS: {paths[0]} and {paths[1]} are no certificate and its key: {reason}") from error
    return context


def listeners(settings: Settings, conf: Any) -> list[Listener]:
    """Bound to all that is asked for. Raises Fatal."""
    context = tls_context(conf)
    found: list[Listener] = []
    for word in settings.listen:
        try:
            if word.startswith(_UNIX):
                found.append(Listener(_unix(word, settings), None))
                continue
            if word.startswith(_TLS) and context is None:
                raise Fatal(f"{word}: slurm.conf has no certificate (TLSParameters=restd_cert_file=)")
            if "rest_auth/jwt" not in settings.auth:
                raise Fatal(f"{word}: rest_auth/local is for unix sockets only")
            found += [Listener(one, context) for one in _tcp(word)]
        except OSError as error:
            raise Fatal(f"[{word}] Unable to bind socket: {error.strerror or error}") from error
    return found


def _unix(word: str, settings: Settings) -> socket.socket:
    path = word.removeprefix(_UNIX)
    if not path or "\0" in path:
        raise Fatal(f"[{word}] Invalid UNIX socket")
    listener = socket.socket(socket.AF_UNIX)
    if os.path.lexists(path):
        _remove_stale(path)
    # without tokens, nobody but our own user is let in anyway
    mask = os.umask(0o177 if "rest_auth/jwt" not in settings.auth else 0o111)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    return _listening(listener)


def _remove_stale(path: str) -> None:
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise Fatal(f"[{_UNIX}{path}] Unable to bind UNIX socket: the file is there and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
            return
    raise Fatal(f"[{_UNIX}{path}] Unable to bind UNIX socket: another daemon listens there")


def _tcp(word: str) -> list[socket.socket]:
    """A socket for each address of the host; without a host, one for all interfaces. Raises Fatal and OSError."""
    host, colon, port = word.removeprefix(_TLS).rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host.startswith("[") and host.endswith("]")
    if (
        not colon
        or not port.isascii()
        or not port.isdecimal()
        or int(port) > 65535
        or (":" in bare and not bracketed)
        or "/" in host
    ):
        raise Fatal(f"Unable to parse {word}")
    if not bare:
        return [_everywhere(int(port))]
    found: dict[Any, socket.socket] = {}
    for family, kind, _, _, address in socket.getaddrinfo(bare, int(port), type=socket.SOCK_STREAM):
        if address in found:
            continue
        try:
            found[address] = _bound(family, kind, address)
        except OSError as error:
            if found and error.errno in (97, 99):  # EAFNOSUPPORT, EADDRNOTAVAIL: a host without IPv6 and its name
                continue
            raise
    return list(found.values())


def _bound(family: int, kind: int, address: Any) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(address)
    return _listening(listener)


def _everywhere(port: int) -> socket.socket:
    """Both protocols, or IPv4 where there is no other."""
    if socket.has_dualstack_ipv6():
        return _listening(socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True))
    return _bound(socket.AF_INET, socket.SOCK_STREAM, ("", port))


def _listening(listener: socket.socket) -> socket.socket:
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def handed_over(descriptor: int = 0) -> socket.socket | None:
    """The socket that inetd (or systemd) made our standard input; None if it is none."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        found = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return None
    if found.type != socket.SOCK_STREAM:
        raise Fatal("standard input is no stream socket")
    found.setblocking(False)
    return found


def listens(connection: socket.socket) -> bool:
    return bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
