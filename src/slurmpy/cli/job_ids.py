"""How a user names jobs and steps: ``12``, ``12_3``, ``12_[1-3,7]``, ``12_*``, ``12+1``, ``12.0``, ``12.batch``."""

from __future__ import annotations

from ..core.ids import STEP_NAMES

#: step name: number
STEP_NUMBERS = {name.lower(): number for number, name in STEP_NAMES.items()}


class JobId:
    """One job, set of array tasks, or step. `tasks` is the text of the brackets ("1-3,7", "*") or of the one task."""

    __slots__ = ("job_id", "offset", "step", "tasks", "text")

    def __init__(self, text: str, job_id: int, tasks: str | None, offset: int | None, step: int | None) -> None:
        self.text = text
        self.job_id = job_id
        self.tasks = tasks
        self.offset = offset
        self.step = step

    @property
    def job_text(self) -> str:
        """The job's part of the text, without the step."""
        return self.text.partition(".")[0] if "[" not in self.text else self.text

    @property
    def task(self) -> int | None:
        return int(self.tasks) if self.tasks is not None and self.tasks.isdigit() else None


def parse(text: str) -> JobId:
    """Reads one job or step id. Raises ValueError."""
    job, dot, step_text = text.partition(".") if "[" not in text else (text, "", "")
    step: int | None = None
    if dot:
        step_text = step_text.partition("+")[0]
        if step_text.isdigit():
            step = int(step_text)
        elif step_text.lower() in STEP_NUMBERS:
            step = STEP_NUMBERS[step_text.lower()]
        else:
            raise ValueError(text)
    number, plus, offset = job.partition("+")
    number, underscore, tasks = number.partition("_")
    if not (number.isascii() and number.isdigit()) or (plus and not offset.isdigit()):
        raise ValueError(text)
    found: str | None = None
    if underscore:
        found = tasks[1:-1] if tasks[:1] == "[" and tasks[-1:] == "]" else tasks
        if not found or found.strip("0123456789-,:%") not in ("", "*"):
            raise ValueError(text)
    return JobId(text, int(number), found, int(offset) if plus else None, step)


def split(text: str) -> list[str]:
    """A comma-separated list of ids; commas within brackets do not separate."""
    found: list[str] = []
    word, depth = "", 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter in ", " and depth == 0:
            if word:
                found.append(word)
            word = ""
        else:
            word += letter
    return [*found, word] if word else found
