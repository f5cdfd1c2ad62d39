"""Randomness and unpickling have one room; elsewhere ruff refuses them under the project's own settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUMPY = "import numpy as np\n\n"
TORCH = "import torch\n\n"


def codes(source: str, filename: str) -> set[str]:
    """Rule codes that ruff reports for a source text as though it stood in the named file."""
    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("ruff"), "check", "--no-cache", "--output-format", "concise"),
            *("--select", "TID251,NPY002", "--stdin-filename", filename, "-"),
        ],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode in (0, 1), run.stderr
    return {code for code in ("TID251", "NPY002") if f" {code} " in run.stdout}


BANNED = [
    "import random\n",
    "from random import gauss\n",
    "import pickle\n",
    "from pickle import loads\n",
    "import shelve\n",
    NUMPY + "x = np.random.default_rng()\n",
    "from numpy.random import default_rng\n\nx = default_rng()\n",
    "from numpy import random\n\nx = random.default_rng(3)\n",
    NUMPY + "x = np.random.Generator(np.random.PCG64(1))\n",
    NUMPY + "np.random.seed(0)\n",
    NUMPY + "x = np.random.normal(0, 1)\n",
    NUMPY + "x = np.random.laplace(0, 1)\n",
    TORCH + "torch.manual_seed(0)\n",
    TORCH + "x = torch.load('model.pt')\n",
]


@pytest.mark.parametrize("source", BANNED)
@pytest.mark.parametrize("filename", ["dpsynth/synthesizers/x.py", "dpsynth/mechanisms/noise.py", "app.py"])
def test_it_is_refused_outside_the_one_file(source: str, filename: str) -> None:
    assert codes(source, filename)


@pytest.mark.parametrize("source", BANNED)
def test_the_one_file_may(source: str) -> None:
    assert not codes(source, "dpsynth/mechanisms/rng.py")


@pytest.mark.parametrize(
    "source",
    [
        NUMPY + "def draw(rng: np.random.Generator) -> float:\n    return float(rng.normal())\n",
        "import secrets\n\nx = secrets.token_hex(8)\n",
        "from dpsynth.mechanisms.rng import os_generator\n\nrng = os_generator()\n",
    ],
)
def test_taking_a_generator_as_an_argument_stays_free(source: str) -> None:
    assert not codes(source, "dpsynth/synthesizers/x.py")


def test_no_file_of_the_package_switches_the_ban_off() -> None:
    waivers = ("noqa: TID251", "noqa: NPY002", "ruff: noqa")
    for path in (ROOT / "dpsynth").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not any(waiver in text for waiver in waivers), path.relative_to(ROOT)
