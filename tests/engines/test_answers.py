"""What an entrusted library may answer: exactly what was asked for, and nothing else comes through."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import entrusted_cost, entrusted_event
from dpsynth.core.curator import Entrustment
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BudgetExceeded, EngineFailure, PolicyRefusal
from dpsynth.core.unit import PrivacyUnit
from dpsynth.engines.catalog import kind_of
from dpsynth.engines.sandbox import Limits
from dpsynth.engines.store import Engine
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.entrusting import Trustee, checked_answer
from dpsynth.vault.table import SensitiveTable

StandIn = Callable[[str], Path]

TRUST = Entrustment("smartnoise", "smartnoise-synth", "1.0.8", "mst", "1", "1e-7")
DOMAIN = Domain(
    tuple(
        Column(name, "categorical", values)
        for name, values in (
            ("color", ("red", "green", "blue")),
            ("size", ("s", "m")),
            ("shape", ("a", "b", "c", "d")),
        )
    )
)
UNIT = PrivacyUnit("person", None, 1, "add_remove")
ROWS = 40
PEOPLE = 123


def table() -> SensitiveTable:
    codes = {column.name: np.arange(PEOPLE) * 7 % column.size for column in DOMAIN.columns}
    return SensitiveTable(DOMAIN, codes, np.arange(PEOPLE))


def trustee(python: Path, home: Path, seconds: int = 60) -> Trustee:
    engine = Engine(kind_of("smartnoise"), home / "state", python, Limits(seconds), False, "", {})
    return Trustee(TRUST, engine)


def curator(found: Trustee | None, budget: PrivacyFilter, unit: PrivacyUnit = UNIT) -> TableCurator:
    return TableCurator(table(), unit, budget, OpenDPNoise(), trustee=found)


def whole() -> PrivacyFilter:
    return PrivacyFilter(entrusted_cost(TRUST.epsilon, TRUST.delta))


def test_what_was_asked_for_comes_through_in_the_order_of_the_domain(
    stand_in: StandIn, tmp_path: Path
) -> None:
    budget = whole()
    released = curator(trustee(stand_in(), tmp_path), budget).entrust(TRUST, ROWS)
    assert released.domain == DOMAIN
    assert released.rows == ROWS
    for column in DOMAIN.columns:
        assert released.codes[column.name].tolist() == [row % column.size for row in range(ROWS)]
    assert budget.events == (entrusted_event("1", "1e-7"),)


def test_the_library_gets_every_row_as_codes_under_names_that_say_nothing(
    stand_in: StandIn, tmp_path: Path
) -> None:
    python = stand_in(
        """
        assert rows.column_names == ["c0", "c1", "c2"]
        assert rows.num_rows == 123
        assert sorted(request) == ["delta", "epsilon", "method", "rows", "sizes"]
        assert [rows[name].to_pylist()[5] for name in rows.column_names] == [35 % 3, 35 % 2, 35 % 4]
        assert not os.path.exists(f"/proc/self/fd/0") or "rows" in os.readlink("/proc/self/fd/0")
        assert os.listdir(".") == ["request.json"]
        leave(pa.table(codes()))
        """
    )
    assert curator(trustee(python, tmp_path), whole()).entrust(TRUST, ROWS).rows == ROWS


FAILURES = {
    "a crash": ("os._exit(3)", "ended with an error"),
    "killed by a signal": ("import ctypes; ctypes.string_at(0)", "ended with an error"),
    "no answer": ("pass", "left no answer"),
    "a link for an answer": (
        "leave(pa.table(codes())); os.rename('answer.parquet', 'x'); os.symlink('x', 'answer.parquet')",
        "left no answer",
    ),
    "too large an answer": (
        "leave(pa.table(codes())); os.truncate('answer.parquet', 2**23)",
        "left no answer",
    ),
    "as many rows as there are people": ("leave(pa.table(codes(rows.num_rows)))", "another number"),
}


def codes(rows: int = ROWS) -> dict[str, list[int | None]]:
    return {f"c{index}": [row % size for row in range(rows)] for index, size in enumerate(DOMAIN.shape)}


def changed(column: str, code: int | None) -> pa.Table:
    found = codes()
    found[column][7] = code
    return pa.table(found)


GOOD = pa.table(codes())
WRONG = {
    "a column too few": (GOOD.drop(["c2"]), "other columns"),
    "a column too many": (GOOD.append_column("c3", GOOD["c0"]), "other columns"),
    "a column under another name": (GOOD.rename_columns(["c0", "c1", "name"]), "other columns"),
    "columns in another order": (GOOD.select(["c1", "c0", "c2"]), "other columns"),
    "columns of text": (GOOD.cast(pa.schema([(n, pa.string()) for n in GOOD.column_names])), "other columns"),
    "columns of floats": (GOOD.cast(pa.schema([(n, pa.float64()) for n in GOOD.column_names])), "other"),
    "a row too many": (pa.table(codes(ROWS + 1)), "another number"),
    "a row too few": (pa.table(codes(ROWS - 1)), "another number"),
    "a value left out": (changed("c1", None), "left values out"),
    "a code above the domain": (changed("c0", 3), "left the public domain"),
    "a huge code": (changed("c0", 2**63 - 1), "left the public domain"),
    "a code below zero": (changed("c2", -1), "left the public domain"),
}


def parquet_bytes(found: pa.Table) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(found, stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_of_another_shape_is_refused(name: str) -> None:
    found, words = WRONG[name]
    with pytest.raises(EngineFailure, match=words):
        checked_answer(parquet_bytes(found), DOMAIN, ROWS)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(60) + b"PAR1", parquet_bytes(GOOD)[:-9]])
def test_what_is_no_parquet_file_is_refused(data: bytes) -> None:
    with pytest.raises(EngineFailure, match="no Parquet file"):
        checked_answer(data, DOMAIN, ROWS)


def test_a_footer_that_lies_about_the_number_of_rows_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lying(parquet.ParquetFile):  # type: ignore[misc, unused-ignore]
        def read(self) -> pa.Table:
            return super().read().slice(1)

    monkeypatch.setattr(parquet, "ParquetFile", Lying)
    with pytest.raises(EngineFailure, match="another number of rows"):
        checked_answer(parquet_bytes(GOOD), DOMAIN, ROWS)


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int16(), pa.uint64(), pa.int64()])
def test_any_width_of_integers_will_do(kind: pa.DataType) -> None:
    found = GOOD.cast(pa.schema([(name, kind) for name in GOOD.column_names]))
    assert checked_answer(parquet_bytes(found), DOMAIN, ROWS).rows == ROWS


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_of_the_process_is_told_and_stays_charged(
    stand_in: StandIn, tmp_path: Path, name: str
) -> None:
    behaviour, words = FAILURES[name]
    budget = whole()
    with pytest.raises(EngineFailure, match=words) as failure:
        curator(trustee(stand_in(behaviour), tmp_path), budget).entrust(TRUST, ROWS)
    assert budget.events == (entrusted_event("1", "1e-7"),)
    assert failure.value.exit_code == 8
    assert str(PEOPLE) not in failure.value.text()
    assert not list((tmp_path / "state" / "engines" / "work").iterdir())


def test_the_charge_comes_before_the_library_is_given_anything(stand_in: StandIn, tmp_path: Path) -> None:
    small = PrivacyFilter(entrusted_cost("0.9", TRUST.delta))
    found = trustee(stand_in(), tmp_path)
    with pytest.raises(BudgetExceeded):
        curator(found, small).entrust(TRUST, ROWS)
    assert found.isolation is None
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("other", ["epsilon", "method", "library", "none"])
def test_a_run_gives_rows_to_the_library_of_its_plan_and_to_no_other(
    stand_in: StandIn, tmp_path: Path, other: str
) -> None:
    budget = PrivacyFilter(entrusted_cost("5", "1e-6"))
    found = None if other == "none" else trustee(stand_in(), tmp_path)
    trust = TRUST if other == "none" else replace(TRUST, **{other: "2"})
    with pytest.raises(PolicyRefusal, match="may not give rows"):
        curator(found, budget).entrust(trust, ROWS)
    assert budget.events == ()


@pytest.mark.parametrize(
    "unit", [PrivacyUnit("person", "id", 3, "add_remove"), PrivacyUnit("person", None, 1, "replace_one")]
)
def test_a_budget_for_one_row_is_not_taken_for_a_unit_of_more(
    stand_in: StandIn, tmp_path: Path, unit: PrivacyUnit
) -> None:
    budget = whole()
    with pytest.raises(PolicyRefusal, match="one row that is added or removed"):
        curator(trustee(stand_in(), tmp_path), budget, unit).entrust(TRUST, ROWS)
    assert budget.events == ()
