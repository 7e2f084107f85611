"""Configuration files that are one table of parameters: slurmdbd.conf, cgroup.conf. Attributes have Slurm's names."""

from __future__ import annotations

import os

from ..core.purge_time import PurgeTime
from ..core.purge_time import parse as parse_purge
from .errors import ConfError
from .slurm_conf import convert
from .syntax import lines, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


class PlainConf:
    """A file of ``Key=Value`` lines; what it does not set has its default of the table.

    TABLE: name -> (kind as in `slurm_parameters`, default, whether slurmpy uses it).
    """

    TABLE: ClassVar[dict[str, tuple[str, object, bool]]] = {}

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.directory = os.path.dirname(self.path)
        #: names of parameters that are set, that Slurm knows and slurmpy does not use
        self.warnings: list[str] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return type(self).TABLE[name][1]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no parameter {name}") from None

    def read(self) -> None:
        """Reads the file. Raises `ConfError`."""
        known = {name.lower(): name for name in self.TABLE}
        for where, number, line in lines(self.path):
            for key, value in pairs(line, where, number):
                name = known.get(key.lower())
                if name is None:
                    raise ConfError(f"_parse_next_key: Parsing error at unrecognized key: {key}")
                kind, _, used = self.TABLE[name]
                if not used and name not in self.warnings:
                    self.warnings.append(name)
                self.__dict__[name] = _purge(name, value) if kind == "purge" else convert(name, kind, value)


def _purge(name: str, value: str) -> PurgeTime:
    try:
        return parse_purge(value)
    except ValueError as error:
        raise ConfError(str(error), message=f'Bad value "{value}" for {name}') from None
