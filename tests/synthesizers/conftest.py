"""Fewer steps of training, so that tests over all synthesizers stay short: the shape of a run is the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dpsynth.synthesizers import diffusion, gan


@pytest.fixture(scope="module", autouse=True)
def short_trainings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan, "_STEPS", 60)
        patch.setattr(gan, "_GUIDED_STEPS", 150)
        patch.setattr(diffusion, "_STEPS", 20)
        patch.setattr(diffusion, "_TEACHING_STEPS", 500)
        yield
