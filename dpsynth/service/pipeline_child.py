"""Runs as a program of its own: the whole audit of a synthesizer that asks the curator.

It is started by the launcher without network, in a private directory, with an empty environment: the
synthesizer may be anybody's, and works in this process. Each result goes out as a line of JSON as soon as it
is there, so that a synthesizer that never comes back takes with it only what was not yet found.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Read the request, audit, leave an answer."""
    request = json.loads(Path("request.json").read_text())
    sys.path[:] = [*request["path"], *sys.path]
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the synthesizer prints is no result

    def tell(line: dict[str, object]) -> None:
        said.write(json.dumps(line) + "\n")
        said.flush()

    from dpsynth.service.pipeline_inside import inside

    inside(request, tell)
    Path("answer.json").write_text("{}")
    Path("answer.parquet").write_bytes(b"")


if __name__ == "__main__":
    main()
    os._exit(0)
