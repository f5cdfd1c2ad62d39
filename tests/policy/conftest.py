"""A small policy with one column of each type, as text, and a way to change it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.places import PolicyInvalid, show_path

BASE = """\
schema_version: "1"
id: health-survey-2026
version: "3"
title: Regional health survey 2026, person table
owner: {team: Health Statistics, contact: dpo@example.org}
purpose: Teaching and method development by accredited researchers.
lawful_basis_note: DPIA-2026-014
source:
  dataset_id: health-survey-2026
  snapshot: "2026-03-31"
  format: csv
  max_rows: 500000
  max_bytes: 200000000
privacy_unit:
  kind: person
  id_column: person_id
  id_space: national-person-register
  max_rows_per_unit: 2
  adjacency: add_remove
budget:
  accounting: zcdp
  per_release: {rho: "0.10"}
  lifetime: {rho: "0.50"}
  per_requester: {rho: "0.20"}
  report_delta: "1e-6"
  refresh: none
  max_attempts_per_purpose: 3
columns:
  - {name: person_id, role: identifier, type: string, action: drop}
  - name: region
    role: quasi_identifier
    type: categorical
    domain: [North, East, South, West, Unknown]
    domain_source: National statistics region list 2025 (public)
    out_of_domain: Unknown
    missing: Unknown
  - name: height_cm
    role: other
    type: integer
    bounds: ["50", "230"]
    bins: ["50", "140", "160", "180", "230"]
    domain_source: General knowledge, fixed before data access
    out_of_domain: clamp
    missing: category
  - name: score
    role: other
    type: real
    decimals: 2
    bounds: ["-1", "1"]
    bins: ["-1", "-0.5", "0", "0.25", "1"]
    domain_source: Codebook v4 (public)
    out_of_domain: clamp
    missing: "0"
  - name: diabetes
    role: sensitive
    type: categorical
    domain: ["yes", "no", not_stated]
    domain_source: Codebook v4, question 17 (public)
    out_of_domain: not_stated
    missing: not_stated
synthesis:
  allowed: [{name: aim, min_version: "0.1.0"}, {name: mst, min_version: "0.1.0"}]
  seed: os_csprng
  max_model_cells: 5000000
  output_rows: fixed
  output_rows_value: 100000
audits:
  plan: quick
  plan_sha256: "0000000000000000000000000000000000000000000000000000000000000000"
  coin_fraction: "0.10"
  on_inconclusive: block
approval:
  approvers: 2
  roles: [compliance_officer, data_owner]
  requester_may_approve: false
  justification_min_chars: 80
  decide_within_days: 14
release:
  expires_after_days: 365
  terms: terms/research-use-v2.md
  recipients: [accredited-researchers]
  formats: [csv, parquet]
"""


@pytest.fixture
def base() -> str:
    """The small policy."""
    return BASE


@pytest.fixture
def edited() -> Callable[..., str]:
    """``edited(old, new, ...)``: the small policy with each old text, which must be there once, replaced."""

    def edit(*pairs: str) -> str:
        text = BASE
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return text

    return edit


@pytest.fixture
def check_rule(edited: Callable[..., str]) -> Callable[[list[str], str, str, list[str]], None]:
    """``check_rule(bad, key, says, good)``: ``bad`` edits are refused at ``key``, once, in words that hold
    ``says``, with file, line and remedy; ``good`` edits load."""

    def check(bad: list[str], key: str, says: str, good: list[str]) -> None:
        with pytest.raises(PolicyInvalid) as caught:
            load_policy_text(edited(*bad), "bad.yaml")
        there = [one for one in caught.value.problems if show_path(one.path) == key]
        assert [says in one.what and bool(one.remedy) for one in there] == [True]
        assert caught.value.exit_code == 2
        assert re.search(rf"bad\.yaml, line \d+, key {re.escape(key)}: ", caught.value.what)
        load_policy_text(edited(*good), "good.yaml")

    return check
