"""How long an outsider waits for `dpsynth-verify` on the demo's bundle, beside pandas reading its rows.

    python -m benchmarks.verifying --times 9     # writes results/verifying.json

Each time is a process of its own from start to exit, as a person waits for it; the median of the runs counts.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "verifying.json"
READ = "import pandas, sys; pandas.read_csv(sys.argv[1])"


def released(state: Path) -> tuple[Path, list[str]]:
    """The bundle of a new demonstration, and the options with which the demo verifies it."""
    command = [sys.executable, "-m", "dpsynth.cli", "--state", str(state), "demo", "--json"]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    bundle, *options = shlex.split(said["verify"])[2:]
    return Path(bundle), options


def waited(command: list[str]) -> float:
    """Wall seconds of a process that must succeed."""
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - start


def measured(times: int) -> dict[str, Any]:
    """Both medians, in turns, so that whatever else the machine does falls on both."""
    verify = str(Path(sys.executable).with_name("dpsynth-verify"))
    with tempfile.TemporaryDirectory() as folder:
        bundle, options = released(Path(folder) / "state")
        pairs = [
            (
                waited([verify, str(bundle), *options]),
                waited([sys.executable, "-c", READ, str(bundle / "data.csv")]),
            )
            for _ in range(times)
        ]
        size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "command": f"python -m benchmarks.verifying --times {times}",
        "bundle_bytes": size,
        "verify_seconds": [round(one, 2) for one, _ in pairs],
        "verify_median_seconds": round(ours, 2),
        "pandas_read_csv_median_seconds": round(theirs, 2),
        "ratio": round(ours / theirs, 2),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=9, help="processes of each kind")
    text = json.dumps(measured(parser.parse_args().times), indent=1)
    print(text)
    RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
