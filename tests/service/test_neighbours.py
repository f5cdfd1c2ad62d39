"""Nothing but the mechanisms' answers depends on the rows: two neighbouring tables, one noise tape."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.service import Platform, RequestForm, pipeline

STRANGE_ROWS = [
    "0,0,0,0,0,0,0,0,0,0",
    "77,4.61512,1,7.163699,8.294049,1,58.6,1,1,1",
    "-999,1e400,maybe,NaN,inf,-inf,,2,unknown,\u00e9",
    '"=1+1","@x","-1","1,5",nan,0x10,1_000,yes,no,null',
]


class Tape:
    """Fixed answers that ignore the rows: what is left in an artefact then came past the mechanisms."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(11)

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        return self._rng.integers(0, 2000, values.shape)

    def noisy_max(self, scores: NDArray[np.int64], scale: float) -> int:
        return int(self._rng.integers(len(scores)))


def artefacts(home: Path, platform: Platform, request_id: str) -> dict[str, Any]:
    """Everything a requester, an approver or a recipient can see, without times and digests of reports."""
    candidate = home / "candidates" / request_id
    files = {path.relative_to(candidate).as_posix(): path.read_bytes() for path in candidate.rglob("*.*")}
    timed = {"README.md", "VERIFY.md", "manifest.json", "privacy-statement.json", "privacy-statement.md"}
    timed |= {"TERMS.md", "croissant.json", "datasheet.md", "registry-entry.yaml", "sbom.cdx.json"}
    view = platform.request("sam", request_id)
    statement = json.loads(files["privacy-statement.json"])
    return {
        "names": sorted(files),
        "model": (home / "models" / f"{request_id}.npz").read_bytes(),
        "bytes": {name: data for name, data in files.items() if name not in timed | {"audits/audit.json"}},
        "sizes": {name: len(files[name]) for name in timed},
        "guarantee": statement["guarantee"],
        "view": (view.state, view.stage, view.message, view.rho_nano, view.verdict, view.waiting_for),
        "entries": [(entry.kind, sorted(entry.body)) for entry in platform.ledger_entries("ada")],
        "budget": platform.budget("sam"),
        "dossier": sorted(platform.dossier("carol", request_id).body),
        "review": sorted(path.suffix for path in (home / "review").iterdir()),
    }


def run(
    home: Path, platform: Platform, form: RequestForm, logs: pytest.LogCaptureFixture
) -> tuple[dict[str, Any], list[str], list[str]]:
    stages: list[str] = []
    logs.clear()
    with logs.at_level(logging.DEBUG):
        request = platform.submit("sam", form)
        platform.run_once("worker", stages.append)
    return artefacts(home, platform, request.id), stages, [record.getMessage() for record in logs.records]


@pytest.mark.parametrize(
    ("synthesizer", "extra"),
    [("independent", 0), ("independent", 1), ("independent", 2), ("independent", 3), ("mst", 3), ("aim", 2)],
)
def test_one_more_row_however_strange_changes_nothing_but_the_answers(
    open_platform: Callable[..., Platform],
    form: Callable[..., RequestForm],
    rand_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    synthesizer: str,
    extra: int,
) -> None:
    lines = rand_csv.read_text().splitlines()[:2001]
    seen = []
    for name, rows in (("without", lines), ("with", [*lines, STRANGE_ROWS[extra]])):
        monkeypatch.setattr(pipeline, "os_generator", lambda: np.random.default_rng(7))
        source = tmp_path / f"{name}.csv"
        source.write_text("\n".join(rows) + "\n")
        platform = open_platform(name, source, noise=Tape())
        one_key = form(synthesizer, key="the same key")
        seen.append((*run(tmp_path / name, platform, one_key, caplog), capfd.readouterr()))
    for key in seen[0][0]:
        assert seen[0][0][key] == seen[1][0][key], key
    assert seen[0] == seen[1]


def test_a_leak_past_the_mechanism_would_be_seen(
    open_platform: Callable[..., Platform],
    form: Callable[..., RequestForm],
    rand_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The counter-example: a synthesizer that is handed the exact row count through a side door."""
    lines = rand_csv.read_text().splitlines()[:2001]
    honest = pipeline.flip_coin

    def leaky(table: Any, fraction: float, rng: Any) -> Any:
        rows = int(table._marginal(())[0])
        monkeypatch.setattr(pipeline, "os_generator", lambda: np.random.default_rng(rows))
        return honest(table, 0.0001, np.random.default_rng(1))

    monkeypatch.setattr(pipeline, "flip_coin", leaky)
    seen = []
    for name, rows in (("without", lines), ("with", [*lines, STRANGE_ROWS[0]])):
        source = tmp_path / f"{name}.csv"
        source.write_text("\n".join(rows) + "\n")
        platform = open_platform(name, source, noise=Tape())
        seen.append(run(tmp_path / name, platform, form(key="the same key"), caplog))
    assert seen[0] != seen[1]
