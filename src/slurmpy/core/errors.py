"""Every error has a number, Slurm's name and a message, from one table."""

from __future__ import annotations

#: name: (number, message); numbers as `scontrol errnumstr` knows them. Names below 1000 are errno's.
TABLE: dict[str, tuple[int, str]] = {
    "SLURM_ERROR": (-1, "Unspecified error"),
    "ESLURM_INVALID_PARTITION_NAME": (2000, "Invalid partition name specified"),
    "ESLURM_ACCESS_DENIED": (2002, "Access/permission denied"),
    "ESLURM_INVALID_JOB_ID": (2017, "Invalid job id specified"),
}


class SlurmError(Exception):
    """An error of the table, with an optional text of its own instead of the table's message.

    `data` is what a caller may want besides (a rejected job's id, for instance); it travels with the error.
    """

    def __init__(self, name: str, message: str | None = None, data: dict[str, object] | None = None) -> None:
        self.name = name
        self.number, self.standard = TABLE[name]
        self.message = message or self.standard
        self.data = data or {}
        super().__init__(self.message)

    @classmethod
    def from_number(cls, number: int, message: str | None = None, data: dict[str, object] | None = None) -> SlurmError:
        for name, (known, _) in TABLE.items():
            if known == number:
                return cls(name, message, data)
        error = cls("SLURM_ERROR", message or f"Unknown error {number}", data)
        error.number = number
        return error
