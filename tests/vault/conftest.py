from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def rand_policy_text() -> str:
    return (Path(__file__).parents[2] / "policies" / "rand-health.yaml").read_text()
