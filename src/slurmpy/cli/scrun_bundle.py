"""A bundle's config.json, as far as scrun itself has to understand it (OCI runtime specification, config.md)."""

from __future__ import annotations

import os

from .errors import Stop, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

#: config.json is read up to this size, bytes
MAX_CONFIG = 16 << 20


class Bundle:
    """What a config.json says. Paths are absolute.

    `path`, `config_file`, `root_path` (its rootfs); `oci_version`; `args`, `environment`, `cwd`, `terminal` of the
    process; `annotations`.
    """

    def __init__(self, path: str, config: dict[str, Any]) -> None:
        self.path = path
        self.config_file = os.path.join(path, "config.json")
        process = config["process"]
        self.oci_version = str(config["ociVersion"])
        self.args: tuple[str, ...] = tuple(process["args"])
        self.environment: tuple[str, ...] = tuple(process.get("env") or ())
        self.cwd = str(process["cwd"])
        self.terminal = bool(process.get("terminal"))
        self.annotations: dict[str, str] = dict(config.get("annotations") or {})
        self.root_path = os.path.normpath(os.path.join(path, config["root"]["path"]))

    def variables(self) -> dict[str, str]:
        """The process's environment by name."""
        return dict(entry.partition("=")[::2] for entry in self.environment if "=" in entry)


def load(path: str) -> Bundle:
    """The bundle in directory `path`. Raises Stop, whose text names the file and the key that is wrong."""
    import json

    path = os.path.abspath(path)
    file = os.path.join(path, "config.json")
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAX_CONFIG + 1)
    except OSError as error:
        _refuse(f"unable to load {file}: {error.strerror}")
    if len(data) > MAX_CONFIG:
        _refuse(f"unable to load {file}: it is larger than {MAX_CONFIG >> 20} MiB")
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        _refuse(f"unable to parse {file}: {error}")
    wrong = fault(config)
    if wrong:
        _refuse(f"{file}: {wrong}")
    bundle = Bundle(path, config)
    if not os.path.isdir(bundle.root_path):
        _refuse(f"{file}: root.path: {bundle.root_path} is not a directory")
    return bundle


def fault(config: object) -> str:
    """What is wrong with a config.json, or "". The node checks it against the whole schema; here it is what scrun
    reads."""
    if not isinstance(config, dict):
        return "not a JSON object"
    if not isinstance(config.get("ociVersion"), str) or not config["ociVersion"]:
        return "ociVersion: must be a string"
    major = config["ociVersion"].partition(".")[0]
    if major != "1":
        return f"ociVersion: {config['ociVersion']} is not supported"
    root = config.get("root")
    if not isinstance(root, dict) or not isinstance(root.get("path"), str) or not root["path"]:
        return "root.path: must be a string"
    return _process_fault(config.get("process")) or _annotations_fault(config.get("annotations"))


def _process_fault(process: object) -> str:
    if not isinstance(process, dict):
        return "process: must be an object"
    args = process.get("args")
    if not _strings(args) or not args:
        return "process.args: must be a list of at least one string"
    if process.get("env") is not None and not _strings(process["env"]):
        return "process.env: must be a list of strings"
    if not isinstance(process.get("cwd"), str) or not process["cwd"].startswith("/"):
        return "process.cwd: must be an absolute path"
    if process.get("terminal") is not None and not isinstance(process["terminal"], bool):
        return "process.terminal: must be true or false"
    return ""


def _annotations_fault(annotations: object) -> str:
    if annotations is None:
        return ""
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        return "annotations: must be an object of strings"
    return ""


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and "\0" not in one for one in value)


def _refuse(message: str) -> NoReturn:
    raise Stop(1, err=line("scrun", message, "fatal"))
