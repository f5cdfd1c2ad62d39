from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dpsynth.service import Platform, RequestForm

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
PURPOSE = (
    "Teaching health economics: students compare visit counts by insurance plan, without looking at anybody."
)


@pytest.fixture(scope="session")
def rand_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from statsmodels.datasets import randhie

    frame = randhie.load_pandas().data
    for name in frame:
        if (frame[name] == frame[name].round()).all():
            frame[name] = frame[name].astype(int)
    path = tmp_path_factory.mktemp("source") / "rand.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def small_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped policy with fewer synthetic rows: hundreds of runs write, read and attack them."""
    path = tmp_path_factory.mktemp("policy") / "rand-health.yaml"
    text = POLICY.read_text()
    assert "output_rows_value: 25000" in text
    path.write_text(text.replace("output_rows_value: 25000", "output_rows_value: 2000"))
    return path


@pytest.fixture
def open_platform(tmp_path: Path, rand_csv: Path, small_release: Path) -> Callable[..., Platform]:
    def build(name: str = "state", source: Path = rand_csv, **options: object) -> Platform:
        platform = Platform.open(tmp_path / name, **options)
        for person, role in (
            ("sam", "data_scientist"),
            ("carol", "compliance_officer"),
            ("dana", "data_owner"),
        ):
            platform.add_person(person, person.title(), (role,))
        platform.add_person("otto", "Otto", ("compliance_officer", "data_scientist"))
        platform.add_person("ada", "Ada", ("auditor",))
        platform.register_dataset("dana", small_release, source)
        return platform

    return build


@pytest.fixture
def platform(open_platform: Callable[..., Platform]) -> Platform:
    return open_platform()


@pytest.fixture
def form() -> Callable[..., RequestForm]:
    def build(synthesizer: str = "independent", **more: str) -> RequestForm:
        values = {"epsilon": "1", "purpose": PURPOSE, "recipients": "course participants", **more}
        return RequestForm(dataset_id="rand-health", synthesizer=synthesizer, **values)

    return build
