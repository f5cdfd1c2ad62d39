"""A real state for the pages: real people, a real table, real runs. Each test gets a copy of its own."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.service import Platform, RequestForm, RequestView

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "<script>alert(1)</script> [x](javascript:alert(1)) $\\LaTeX$ :smile: **bold** # heading\n"
    "and then plain words, so that the purpose is as long as the policy asks for."
)
Open = Callable[..., AppTest]


class QuietNoise(OpenDPNoise):
    """A broken noise source: half of the noise that was declared and paid for."""

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        return super().gaussian(values, scale * 0.5)

    @staticmethod
    def _agree(theirs: float, ours: float) -> None:
        """A broken source does not check itself."""


@dataclass(frozen=True)
class Desk:
    """A state directory with its platform, and the requests in it."""

    home: Path
    platform: Platform
    request_ids: list[str]

    @property
    def view(self) -> RequestView:
        """The newest request as it is now."""
        return self.platform.request("carol", self.request_ids[0])

    def sql(self, text: str, *values: str) -> None:
        """Change the database behind the platform's back."""
        connection = sqlite3.connect(self.home / "ledger.sqlite")
        connection.execute(text, values)
        connection.commit()
        connection.close()


def form(purpose: str = HOSTILE, epsilon: str = "1") -> RequestForm:
    return RequestForm("rand-health", "independent", purpose, "accredited-researchers", epsilon=epsilon)


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven people of a demonstration and one table; nothing asked for."""
    home = tmp_path_factory.mktemp("state")
    platform = Platform.open(home)
    platform.access.mark_demo()
    platform.add_person("sam", "Sam Rivera", ("data_scientist",))
    platform.add_person("noor", "Noor Haddad", ("data_scientist",))
    platform.add_person("carol", "Carol Okafor", ("compliance_officer",))
    platform.add_person("dana", "Dana Lindqvist", ("data_owner",))
    platform.add_person("ada", "Ada Brandt", ("auditor",))
    platform.add_person("amal", "Amal Said", ("admin",))
    platform.add_person("bela", "Bela Novak", ("admin",))
    source = home / "rand.csv"
    sm.datasets.randhie.load_pandas().data.to_csv(source, index=False)
    platform.register_dataset("dana", ROOT / "policies" / "rand-health.yaml", source)
    return home


def _ran(registered: Path, home: Path, noise: OpenDPNoise) -> Path:
    shutil.copytree(registered, home)
    platform = Platform.open(home, noise=noise)
    platform.submit("sam", form())
    platform.run_once("worker of the test")
    return home


@pytest.fixture(scope="session")
def awaiting(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sam's request has run and waits for two people."""
    return _ran(registered, tmp_path_factory.mktemp("awaiting") / "state", OpenDPNoise())


@pytest.fixture(scope="session")
def blocked(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sam's request ran on a broken noise source, and the audit found it."""
    return _ran(registered, tmp_path_factory.mktemp("blocked") / "state", QuietNoise())


@pytest.fixture(scope="session")
def published_state(awaiting: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sam's request is signed by two people and published."""
    home = tmp_path_factory.mktemp("published") / "state"
    shutil.copytree(awaiting, home)
    platform = Platform.open(home)
    request = platform.requests("carol")[0]
    ticks = tuple(platform.dossier("carol", request.id).body["must_tick"])
    for who in ("carol", "dana"):
        platform.approve(who, request.id, request.dossier_sha256, "Read and discussed.", ticks)
    platform.publish("dana", request.id)
    return home


@pytest.fixture
def desk_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Desk]:
    """Copy a state and point the pages at the copy."""

    def copied(state: Path) -> Desk:
        home = tmp_path / "state"
        shutil.copytree(state, home)
        monkeypatch.setenv("DPSYNTH_DEMO", "1")
        monkeypatch.setenv("DPSYNTH_STATE", str(home))
        platform = Platform.open(home)
        return Desk(home, platform, [one.id for one in platform.requests("carol")])

    return copied


@pytest.fixture
def empty_desk(desk_of: Callable[[Path], Desk], registered: Path) -> Desk:
    """Nothing asked for yet."""
    return desk_of(registered)


@pytest.fixture
def desk(desk_of: Callable[[Path], Desk], awaiting: Path) -> Desk:
    """One request of Sam's waits for two people."""
    return desk_of(awaiting)


@pytest.fixture
def blocked_desk(desk_of: Callable[[Path], Desk], blocked: Path) -> Desk:
    """One request of Sam's is blocked by the audit."""
    return desk_of(blocked)


@pytest.fixture
def published_desk(desk_of: Callable[[Path], Desk], published_state: Path) -> Desk:
    """One request of Sam's is published."""
    return desk_of(published_state)


@pytest.fixture
def open_as() -> Open:
    """Open a page as somebody: the start page, or the one with this address."""

    def run(person: str, page: str = "", request: str = "") -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        if request:
            at.query_params["request"] = request
        if page:
            # AppTest has no way to type an address: pages are told apart by the digest of theirs.
            at._page_hash = calc_hash(page)
        sinks = os.environ.get("DPSYNTH_CHECKPOINTS", "")
        platform = Platform.open(Path(os.environ["DPSYNTH_STATE"]), checkpoints=sinks)
        at.session_state["sign-in"] = platform.access.demo_sign_in(person)
        return at.run()

    return run
