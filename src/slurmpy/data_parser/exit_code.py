"""Exit codes: a wait status in the record, {"status", "return_code", "signal"} in the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import json_text, yaml_text
from .errors import Context, ParseFailed, slurm_kind
from .types import UNSET, OptionalNumber, Reference, Type, to_integer

if TYPE_CHECKING:
    from .compiler import Compiler
    from .lists import Flags

#: the signals that the documents call by name
SIGNALS = {
    1: "HUP",
    2: "INT",
    3: "QUIT",
    6: "ABRT",
    9: "KILL",
    10: "USR1",
    12: "USR2",
    14: "ALRM",
    15: "TERM",
    18: "CONT",
    19: "STOP",
    20: "TSTP",
    21: "TTIN",
    22: "TTOU",
    23: "URG",
}
_SIGNAL_NUMBERS = {name: number for number, name in SIGNALS.items()}


def signal_name(number: int) -> str:
    return SIGNALS.get(number) or str(number) if number else ""


class ExitCode(Type):
    name = "process_exit_code_verbose"

    def __init__(self, code: OptionalNumber, signal: OptionalNumber, status: Flags) -> None:
        self.code = code
        self.signal = signal
        self.status = status
        self._json: dict[tuple[int | None, int], str] = {}
        self._yaml: dict[tuple[int | None, int], str] = {}

    def schema(self, reference: Reference) -> dict[str, Any]:
        signal = {"type": "object", "properties": {"id": reference(self.signal), "name": {"type": "string"}}}
        return {
            "type": "object",
            "properties": {
                "status": reference(self.status),
                "return_code": reference(self.code),
                "signal": signal,
            },
            "required": [],
        }

    def parts(self) -> tuple[Type, ...]:
        return (self.status, self.code, self.signal)

    def dump(self, value: Any) -> dict[str, Any]:
        code: int | None = None
        signal: int | None = None
        if value is None:
            status = ["PENDING"]
        elif value & 0x7F:
            signal = value & 0x7F
            status = ["SIGNALED", *(["CORE_DUMPED"] if value & 0x80 else [])]
        elif value & 0xFF == 0x80:  # no wait status, but one that a job that never ran may have
            status = ["CORE_DUMPED"]
        else:
            code = value >> 8 & 0xFF
            status = ["ERROR" if code else "SUCCESS"]
        return {
            "status": status,
            "return_code": self.code.dump(code),
            "signal": {
                "id": self.signal.dump(signal),
                "name": signal_name(signal or 0) or (None if self.nullable else ""),
            },
        }

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if document is None:
            return UNSET
        if not isinstance(document, dict):
            number = to_integer(document)
            if number is None:
                context.error(
                    "ESLURM_DATA_EXPECTED_DICT", f"Rejecting {slurm_kind(document)} when dictionary expected", at
                )
                raise ParseFailed
            return number << 8
        status = self.status.parse(document.get("status"), f"{at}status/", context)
        status = () if status is UNSET else status
        code = self.code.parse(document.get("return_code"), f"{at}return_code/", context)
        inner = document.get("signal")
        inner = inner if isinstance(inner, dict) else {}
        signal = self.signal.parse(inner.get("id"), f"{at}signal/id/", context)
        if signal is None:
            signal = _SIGNAL_NUMBERS.get(str(inner.get("name") or ""))
        if "PENDING" in status or "INVALID" in status:
            return None
        return ((code or 0) << 8) | (signal or 0) | (0x80 if "CORE_DUMPED" in status else 0)

    def json_code(self, c: Compiler, value: str, indent: int) -> str:
        texts = self._json

        def write(value: Any) -> str:
            text = texts.get((value, indent))
            if text is None:
                text = json_text.write(self.dump(value), indent)
                if len(texts) < 4096:
                    texts[value, indent] = text
            return text

        return f"{c.bind(write)}({value})"

    def yaml_code(self, c: Compiler, value: str, indent: int, column: int) -> str:
        texts = self._yaml

        def write(value: Any) -> str:
            text = texts.get((value, indent))
            if text is None:
                text = yaml_text.write(self.dump(value), indent, column)
                if len(texts) < 4096:
                    texts[value, indent] = text
            return text

        return f"{c.bind(write)}({value})"
