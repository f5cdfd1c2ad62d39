"""The README shows what the committed code prints, and names only commands and files that exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def shown(name: str) -> str:
    found = re.search(f"<!-- {name}:start -->\n```text\n(.*?)\n```\n<!-- {name}:end -->", README, re.DOTALL)
    assert found is not None
    return found.group(1)


def plain(text: str) -> list[str]:
    """Without what differs from run to run: ids, digests, times, the smallest leak that would be found."""
    text = re.sub(r"r-[0-9a-f]{12}|[0-9a-f]{16}|[0-9]+:[0-9]{2}:[0-9]{2}|[0-9]+%", "*", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def demo(state: Path, *options: str) -> str:
    environment = {**os.environ, "COLUMNS": "112", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "dpsynth.cli", "--state", str(state), "demo", *options]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).replace(str(state), ".state")


def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    first = demo(tmp_path / "state")
    assert "aim" in first
    # How the attacks end may differ between runs; every other line may not.
    printed, expected = (
        [line for line in plain(text) if not line.startswith("verdict")] for text in (first, shown("demo"))
    )
    assert printed == expected
    demo(tmp_path / "state", "--synthesizer", "independent")
    assert plain(demo(tmp_path / "state"))[-1] == plain(shown("refusal"))[-1]


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:tests|policies|audits|benchmarks)/[^` ]*)`", README)))
)
def test_every_file_that_the_readme_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_commands_of_the_readme_work_as_they_stand(
    run: Any, kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    for name in ("old.yaml", "new.yaml"):
        shutil.copy(ROOT / "policies" / "adult.yaml", name)
    header = "mdvis,lncoins,idp,lpi,fmde,physlm,disea,hlthg,hlthf,hlthp"
    Path("table.csv").write_text(header + "\n" + "1,0,0,5,6,0,12.5,1,0,0\n" * 300)
    values = {"WHY": kit.purpose, "my_pkg:MySynth": "independent"}
    lines = [
        line.split(" #")[0].split(" > ")[0] for line in README.splitlines() if line.startswith("    dpsynth")
    ]
    assert len(lines) >= 10
    for words in map(shlex.split, lines):
        if "verify" in words:  # needs a bundle of its own; the demo's test above verifies one
            continue
        if "REQUEST" in words:
            values["REQUEST"] = run("request", "list", "--json", person="sam").json["requests"][0]["id"]
        assert run(*[values.get(word, word) for word in words[1:]]).code == 0, words
