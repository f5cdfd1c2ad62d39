"""``dpsynth-verify`` within limits of memory, time and files written, for bundles that strangers hand in.

A program of its own (``python -m dpsynth.publish.confined``): what was dropped on a page is never parsed in
the process that serves pages, and a file that would fill memory ends this one only.
"""

from __future__ import annotations

import resource
import sys

__all__ = ["main"]

_MEMORY = 4 * 2**30
_SECONDS = 60


def main() -> int:
    """Take the limits, then verify as the command line does; its exit codes."""
    limits = {
        resource.RLIMIT_AS: _MEMORY,
        resource.RLIMIT_CPU: _SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    from dpsynth.publish.offline import main as verify

    return verify()


if __name__ == "__main__":
    sys.exit(main())
