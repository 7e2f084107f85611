"""Methods that change the books; each checks what its role in `dbd_messages.METHODS` leaves open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

METHODS: dict[str, Callable[..., Any]] = {}
