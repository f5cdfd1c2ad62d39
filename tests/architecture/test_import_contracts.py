"""The import contracts hold on the package as it is, and each one breaks when it is breached on purpose."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FLOORS = "Imports only go down the floors"
CYCLES = "No cycles, between rooms or inside one"
DOOR = "Only the service and the release runner open the vault"
AMBER = "Amber rooms cannot reach rows, the ledger or the policy, even through a friend"
GREEN = "Green rooms cannot reach the vault, even through a friend, except by asking the service"
SHELLS = "The shells ask the service and decide nothing"
OPENDP = "OpenDP is called from mechanisms only"
ACCOUNTANT = "dp-accounting is called from accounting only"
OFFLINE = "Verifying needs no ledger, no pages and no synthesizer, even through a friend"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its contracts that a test may spoil."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dpsynth", tmp_path / "dpsynth", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> tuple[int, str]:
    """Exit status and report of lint-imports on a tree; one line a contract, however long its name."""
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=tree,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def breach(tree: Path, files: dict[str, str]) -> None:
    """Add an import to each named file, which is made if it is not there."""
    for name, line in files.items():
        path = tree / "dpsynth" / name
        path.parent.mkdir(exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(f"{before}\n{line}\n", encoding="utf-8")


def test_the_package_keeps_every_contract(copy: Path) -> None:
    status, report = lint(copy)
    assert status == 0, report
    for name in (FLOORS, CYCLES, DOOR, AMBER, GREEN, SHELLS, OPENDP, ACCOUNTANT, OFFLINE):
        assert f"{name} KEPT" in report


@pytest.mark.parametrize(
    ("contract", "files"),
    [
        pytest.param(
            DOOR, {"synthesizers/breach.py": "import dpsynth.vault.table"}, id="a synthesizer opens the vault"
        ),
        pytest.param(
            AMBER,
            {
                "synthesizers/breach.py": "import dpsynth.mechanisms.friend",
                "mechanisms/friend.py": "import dpsynth.vault.table",
            },
            id="a synthesizer reaches the vault through a friend",
        ),
        pytest.param(
            AMBER, {"graphical/breach.py": "import dpsynth.ledger"}, id="graphical reads the ledger"
        ),
        pytest.param(DOOR, {"attacks/breach.py": "import dpsynth.vault"}, id="an attack opens the vault"),
        pytest.param(DOOR, {"ui/breach.py": "import dpsynth.vault.table"}, id="a page opens the vault"),
        pytest.param(
            GREEN,
            {
                "publish/breach.py": "import dpsynth.audit.release_runner",
                "audit/release_runner.py": "import dpsynth.vault.table",
            },
            id="publish reaches the vault through the release runner",
        ),
        pytest.param(
            DOOR, {"audit/verdict.py": "import dpsynth.vault.curator"}, id="the verdict opens the vault"
        ),
        pytest.param(FLOORS, {"core/breach.py": "import dpsynth.policy"}, id="core knows policy"),
        pytest.param(
            FLOORS, {"accounting/breach.py": "import dpsynth.ledger"}, id="accounting knows the ledger"
        ),
        pytest.param(FLOORS, {"newroom/__init__.py": "ROOM = 1"}, id="a new room has no floor"),
        pytest.param(
            CYCLES,
            {
                "core/one.py": "import dpsynth.core.two",
                "core/two.py": "import dpsynth.core.one",
            },
            id="two files of a room import each other",
        ),
        pytest.param(SHELLS, {"ui/breach.py": "import dpsynth.ledger"}, id="a page reads the ledger"),
        pytest.param(
            SHELLS,
            {"ui/breach.py": "import dpsynth.accounting.statement"},
            id="a page converts a loss itself",
        ),
        pytest.param(
            FLOORS, {"ledger/breach.py": "import dpsynth.publish.dsse"}, id="the ledger signs by itself"
        ),
        pytest.param(SHELLS, {"cli/breach.py": "import dpsynth.audit"}, id="the command line runs an audit"),
        pytest.param(
            OFFLINE,
            {"publish/verify.py": "import dpsynth.publish.breach", "publish/breach.py": "import sqlalchemy"},
            id="verifying needs a database",
        ),
        pytest.param(OPENDP, {"vault/breach.py": "import opendp.prelude"}, id="the vault draws noise itself"),
        pytest.param(
            ACCOUNTANT, {"ledger/breach.py": "import dp_accounting"}, id="the ledger counts by itself"
        ),
    ],
)
def test_a_breach_is_refused_by_name(copy: Path, contract: str, files: dict[str, str]) -> None:
    breach(copy, files)
    status, report = lint(copy)
    assert status != 0
    assert f"{contract} BROKEN" in report


def test_the_command_line_may_verify_a_bundle_offline(copy: Path) -> None:
    breach(copy, {"cli/allowed.py": "import dpsynth.publish.verify"})
    status, report = lint(copy)
    assert status == 0, report
