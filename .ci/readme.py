"""Put into the README what the demo prints: ``.venv/bin/python .ci/readme.py`` (in a state of its own)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def demo(home: str) -> str:
    """Output of one ``dpsynth demo``, as wide as a page and without colours."""
    environment = {**os.environ, "COLUMNS": "112", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "dpsynth.cli", "--state", home, "demo"]
    done = subprocess.run(
        command, env=environment, cwd=README.parent, capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).replace(home, ".state").strip()


def block(text: str) -> str:
    """The output as a fenced block."""
    return "\n```text\n" + "\n".join(line.rstrip() for line in text.splitlines()) + "\n```\n"


def replaced(page: str, name: str, text: str) -> str:
    """The page with the named block replaced."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    return re.sub(f"{start}.*?{end}", lambda _: start + block(text) + end, page, flags=re.DOTALL)


def main() -> None:
    """Three runs on one ledger: the first is shown whole, of the third its refusal."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [demo(f"{folder}/state") for _ in range(3)]
    page = replaced(README.read_text(), "demo", runs[0])
    README.write_text(replaced(page, "refusal", runs[2].splitlines()[-1]))


if __name__ == "__main__":
    main()
