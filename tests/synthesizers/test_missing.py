"""Missing values from the file to the released cells: a column with none, some, and nothing but missing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import plan_cost
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.publish.rows import cell_texts, decode
from dpsynth.publish.tables import check_tables, table_files
from dpsynth.synthesizers.registry import available, load_synthesizer
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.opening import open_table
from dpsynth.vault.sources import fingerprint

RHO = 10**9
ROWS = 400
COLUMNS = """columns:
  - {name: weight, role: other, type: real, decimals: 1, bounds: ["0", "200"],
     bins: ["0", "50", "100", "200"], domain_source: test, out_of_domain: clamp, missing: category}
  - {name: visits, role: other, type: integer, bounds: ["0", "9"], bins: ["0", "1", "5", "9"],
     domain_source: test, out_of_domain: clamp, missing: "0"}
  - {name: place, role: other, type: categorical, domain: [a, b, "?"],
     domain_source: test, out_of_domain: "?", missing: "?"}
  - {name: sex, role: other, type: categorical, domain: [f, m],
     domain_source: test, out_of_domain: f, missing: m}

"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    text = (Path(__file__).parents[2] / "policies" / "rand-health.yaml").read_text(encoding="utf-8")
    head, rest = text.split("columns:\n", 1)
    return load_policy_text(
        head + COLUMNS + "synthesis:\n" + rest.split("synthesis:\n", 1)[1], "missing.yaml"
    )


def released(policy: Policy, name: str, rows: list[tuple[str, ...]]) -> dict[str, list[str]]:
    """Cells of ``ROWS`` rows released from a file with these rows, after the checks of a bundle."""
    stream = io.StringIO()
    csv.writer(stream).writerows([policy.domain().names, *rows])
    data = stream.getvalue().encode()
    synthesizer = load_synthesizer(name)
    plan = synthesizer.plan(policy.domain(), RHO, 10_000)
    budget = PrivacyFilter(plan_cost(plan, "1e-6"))
    table = open_table(data, fingerprint(data), policy)
    model = synthesizer.fit(plan, TableCurator(table, policy.unit(), budget, OpenDPNoise()))
    frame = decode(model.sample(ROWS, np.random.default_rng(1)), np.random.default_rng(2))
    files = table_files(frame, policy.domain(), ("csv", "parquet"))
    check_tables(files, policy.domain(), ROWS)
    read = pd.read_csv(io.BytesIO(files["data.csv"]), dtype=str, keep_default_na=False)
    texts = cell_texts(frame, policy.domain())
    assert {column: read[column].tolist() for column in read} == texts
    return texts


def share(texts: list[str], wanted: Callable[[str], bool]) -> float:
    return sum(map(wanted, texts)) / len(texts)


@pytest.mark.parametrize("name", sorted(available()))
@pytest.mark.parametrize("blank", ["", "  "])
def test_columns_of_nothing_but_missing_values_come_out_missing(
    policy: Policy, name: str, blank: str
) -> None:
    cells = released(policy, name, [(blank, blank, blank, "fm"[row % 2]) for row in range(500)])
    assert share(cells["weight"], lambda text: text == "") > 0.95
    assert share(cells["visits"], lambda text: text == "0") > 0.95
    assert share(cells["place"], lambda text: text == "?") > 0.95
    assert 0.4 < share(cells["sex"], lambda text: text == "m") < 0.6


@pytest.mark.parametrize("name", sorted(available()))
def test_some_missing_values_keep_their_share_and_their_relations(policy: Policy, name: str) -> None:
    rows = [("", "3", "a", "f") if row % 4 == 0 else ("75.0", "7", "b", "m") for row in range(800)]
    cells = released(policy, name, rows)
    # Networks taught by few steps, on few rows, are near; what must not be is that gaps are lost or spread.
    room = 0.15 if name in {"gan", "diffusion"} else 0.05
    assert abs(share(cells["weight"], lambda text: text == "") - 0.25) < room
    assert share(cells["visits"], lambda text: text == "") == 0.0
    if name != "independent":
        both = [place for weight, place in zip(cells["weight"], cells["place"], strict=True) if weight == ""]
        assert share(both, lambda text: text == "a") > 0.8


@pytest.mark.parametrize("name", sorted(available()))
def test_a_column_without_missing_values_gets_hardly_any(policy: Policy, name: str) -> None:
    cells = released(policy, name, [("75.0", "3", "a", "f")] * 500)
    assert share(cells["weight"], lambda text: text == "") < 0.05
    assert share(cells["weight"], lambda text: bool(text) and 50 <= float(text) < 100) > 0.95


@pytest.mark.parametrize("name", sorted(available()))
@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row_with_nothing_in_it_are_no_error(policy: Policy, name: str, rows: int) -> None:
    cells = released(policy, name, [("", "", "", "")] * rows)
    assert {len(texts) for texts in cells.values()} == {ROWS}
