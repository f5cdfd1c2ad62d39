"""Loops that become machine code on first use, and are kept where numba finds a folder that it may write."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import numba

__all__ = ["compiled", "inner"]

logging.getLogger("numba").setLevel(logging.WARNING)

inner = numba.njit(nogil=True)
"""For loops that only compiled ones call."""


def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code for a loop; where it cannot be kept it is made anew by each process."""
    for_this_process: Callable[..., Any] = numba.njit(nogil=True)(loop)
    try:
        kept: Callable[..., Any] = numba.njit(cache=True, nogil=True)(loop)
    except RuntimeError:  # there is no such folder
        return for_this_process

    @wraps(loop)
    def run(*arguments: Any) -> Any:
        try:
            return kept(*arguments)
        except OSError:  # the folder is full, or what lies there is broken: the loop itself raises none
            return for_this_process(*arguments)

    return run
