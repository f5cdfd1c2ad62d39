"""The command line: it shows and asks; it decides nothing."""

from __future__ import annotations

from dpsynth.cli.entry import main

__all__ = ["main"]
