"""The demo's inputs: rows of the RAND Health Insurance Experiment, and the policy that governs them."""

from __future__ import annotations

import os
from pathlib import Path

import dpsynth
from dpsynth.core.errors import BadInput

__all__ = ["find_policy", "write_rand_hie"]

_POLICY = Path("policies") / "rand-health.yaml"


def find_policy(chosen: Path | None) -> Path:
    """The policy of the demo: as chosen, else of the current directory, else of the repository."""
    if chosen is not None:
        return chosen
    places = [Path.cwd(), Path(dpsynth.__file__).resolve().parents[1]]
    for place in places:
        if (place / _POLICY).is_file():
            return place / _POLICY
    raise BadInput(
        f"The demo's policy {_POLICY} was not found",
        allowed="a checkout of the repository, or --policy FILE",
        remedy="run the demo in the repository's directory, or name the file",
    )


def write_rand_hie(path: Path) -> None:
    """Write the RAND HIE rows that statsmodels ships as CSV, readable by its owner only.

    The same bytes each time, so that the dataset stays the one that was registered. Values that are whole
    are written without a point. Raises BadInput when statsmodels is not installed.
    """
    try:
        from statsmodels.datasets import randhie
    except ImportError as error:
        raise BadInput(
            "The demo's table comes with the package statsmodels, which is not installed",
            remedy="pip install 'dpsynth-platform[demo]'",
        ) from error
    frame = randhie.load_pandas().data
    cells = {name: [_cell(value) for value in frame[name].tolist()] for name in frame.columns}
    lines = [",".join(cells), *(",".join(row) for row in zip(*cells.values(), strict=True))]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write("\n".join(lines) + "\n")
    draft.replace(path)


def _cell(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
