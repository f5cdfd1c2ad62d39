"""The real smartnoise-synth in its real environment, from a request to a verified bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import verify_bundle
from dpsynth.service import Platform, RequestForm

Ask = Callable[..., RequestForm]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def real(home: Path, trust_in: Callable[..., Platform], engine_python: Path) -> Platform:
    """A platform that was given the real environment, which passed its self-test on the way."""
    return trust_in(home, seconds=600, python=engine_python)


@pytest.mark.parametrize("method", ["mst", "aim"])
def test_a_real_library_walks_from_request_to_a_verified_bundle(
    real: Platform, home: Path, ask: Ask, approved: Any, method: str
) -> None:
    name = f"smartnoise:{method}"
    request = real.submit("sam", ask(name, key=method))
    real.run_once("worker")
    assert real.request("sam", request.id).state == "awaiting_decision", review(home)
    verdict = real.dossier("carol", request.id).body["audit"]["verdict"]
    assert verdict not in ("block", "stop"), review(home)
    bundle = approved(real, request)
    report = verify_bundle(bundle, load_public_keys(real.keys_dir), datetime.now(UTC))
    assert "mind: this guarantee relies on smartnoise-synth 1.0.8, not structurally audited" in report.lines
    said = json.loads((bundle / "privacy-statement.json").read_text())
    assert said["mechanism"]["synthesizer"] == name
    assert said["mechanism"]["events"] == {"entrusted": "1"}
    check_likeness(home / "table.csv", bundle / "data.csv")
    assert real.verify_ledger() > 0


def check_likeness(source: Path, released: Path) -> None:
    """The rows are the library's: alike in what it measured, and of the number that the policy fixes."""
    real, found = pd.read_csv(source), pd.read_csv(released)
    assert len(found) == 500
    assert list(found) == list(real)

    def share(table: pd.DataFrame) -> float:
        return float(np.mean((table["idp"] == 1) & (table["fmde"] >= 5)))

    assert abs(share(real) - share(found)) < 0.12


def review(home: Path) -> str:
    return "\n".join(path.read_text() for path in (home / "state" / "review").glob("*.txt"))
