"""Which rows of usage a start and an end ask for: as slurmdbd of 24.11 answers them."""

from __future__ import annotations

import pytest

from slurmpy.accounting.periods import DAY, HOUR, MONTH
from slurmpy.accounting.usage_rows import stretch

from .zones import zone

DAY0 = 1795824000  # 2026-11-28T00:00:00Z
NOW = DAY0 + 23 * 3600 + 646
H = 3600


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 0, (DAY, DAY0 - 86400, DAY0)),
        (NOW - 7200, 0, (HOUR, DAY0 + 21 * H, DAY0 + 23 * H)),
        (DAY0, 0, (HOUR, DAY0, DAY0 + 23 * H)),
        (0, DAY0, (DAY, DAY0 - 86400, DAY0)),
        (0, NOW, (HOUR, DAY0 - 86400, DAY0 + 23 * H)),
        (DAY0 - 3 * 86400, DAY0, (DAY, DAY0 - 3 * 86400, DAY0)),
        (DAY0 - 3 * 86400, DAY0 - H, (HOUR, DAY0 - 3 * 86400, DAY0 - H)),
        (DAY0 - 3 * H + 60, DAY0 - H + 60, (HOUR, DAY0 - 3 * H, DAY0 - H)),
        (1790812800, 1793491200, (MONTH, 1790812800, 1793491200)),  # October
        (1788220800, 1793491200, (MONTH, 1788220800, 1793491200)),
        (1790812800 + 86400, 1793491200, (DAY, 1790812800 + 86400, 1793491200)),
        (1790812800, DAY0 + 3 * 86400, (HOUR, 1790812800, NOW)),  # an end that is yet to come
        (NOW, NOW - 7200, (HOUR, DAY0 + 21 * H, DAY0 + 23 * H)),  # the wrong way round
        (NOW, 0, (HOUR, DAY0 + 23 * H, DAY0 + 24 * H)),
        (DAY0, DAY0, (HOUR, DAY0, DAY0 + H)),
        (0, DAY0 - 5 * 86400, (HOUR, DAY0 - 86400, DAY0 - 86400 + H)),
        (NOW + 7200, NOW + 14400, (HOUR, DAY0 + 25 * H, DAY0 + 26 * H)),
    ],
)
def test_stretch(start: int, end: int, expected: tuple[int, int, int]) -> None:
    with zone("UTC"):
        assert stretch(start, end, NOW) == expected
