"""Row takers for tests of audits from outside: a correct one, leaking ones and ones that answer badly."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd


class Correct:
    """Each column's counts with Laplace noise; one row moves each of them by one."""

    name, version = "correct", "1"

    def fit_sample(
        self,
        rows: pd.DataFrame,
        domain: Mapping[str, int],
        epsilon: float,
        delta: float,
        rows_out: int | None,
    ) -> pd.DataFrame:
        rng, drawn = np.random.default_rng(), {}
        for name, size in domain.items():
            noise = rng.laplace(0.0, len(domain) / epsilon, size)
            counts = np.maximum(np.bincount(rows[name], minlength=size) + noise, 1e-9)
            drawn[name] = rng.choice(size, rows_out or 100, p=counts / counts.sum())
        return pd.DataFrame(drawn)


class Copies(Correct):
    name = "copies"

    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        return rows.sample(rows_out or 100, replace=True)


class SomeCopies(Correct):
    """A tenth of the rows are real ones, drawn uniformly."""

    name = "some copies"

    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        made = super().fit_sample(rows, domain, epsilon, delta, rows_out)
        made.iloc[: len(made) // 10] = rows.sample(len(made) // 10, replace=True).to_numpy()
        return made


class CategoriesOfRows(Correct):
    """Noise on the categories that the rows have, and on no others."""

    name = "categories of rows"

    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        rng, drawn = np.random.default_rng(), {}
        for name in domain:
            found, counts = np.unique(rows[name], return_counts=True)
            noisy = np.maximum(counts + rng.laplace(0.0, len(domain) / epsilon, len(found)), 1.0)
            drawn[name] = rng.choice(found, rows_out or 100, p=noisy / noisy.sum())
        return pd.DataFrame(drawn)


class ExactCount(Correct):
    name = "exact count"

    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        return super().fit_sample(rows, domain, epsilon, delta, rows_out or len(rows))


class CrashesAtRareRow(Correct):
    name = "fails by rows"

    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        if rows["b"].max() == 2:
            raise KeyError("the rare value 2 of person 17")
        return super().fit_sample(rows, domain, epsilon, delta, rows_out)


class Crashes(Correct):
    def fit_sample(self, *_):  # type: ignore[no-untyped-def]
        raise RuntimeError("row 17 holds a secret")


class Dies(Correct):
    def fit_sample(self, *_):  # type: ignore[no-untyped-def]
        os.kill(os.getpid(), 9)


class Hangs(Correct):
    def fit_sample(self, *_):  # type: ignore[no-untyped-def]
        time.sleep(600)


class Hungry(Correct):
    def fit_sample(self, *_):  # type: ignore[no-untyped-def]
        return np.ones(2**36)


class OtherColumns(Correct):
    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        return super().fit_sample(rows, domain, epsilon, delta, rows_out).rename(columns={"a": "person"})


class Missing(Correct):
    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        made = super().fit_sample(rows, domain, epsilon, delta, rows_out).astype(float)
        made.iloc[0, 0] = np.nan
        return made


class Words(Correct):
    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        return super().fit_sample(rows, domain, epsilon, delta, rows_out).astype(str) + "!"


class Outside(Correct):
    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        return super().fit_sample(rows, domain, epsilon, delta, rows_out) + 1


class TooFew(Correct):
    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        return super().fit_sample(rows, domain, epsilon, delta, rows_out).iloc[1:]


class TooMany(Correct):
    def fit_sample(self, rows, domain, epsilon, delta, rows_out):  # type: ignore[no-untyped-def]
        return super().fit_sample(rows, domain, epsilon, delta, (rows_out or 100) + 1)


class LooksAround(Correct):
    """Answers with the class of an error whether it finds the auditor's environment."""

    def fit_sample(self, *_):  # type: ignore[no-untyped-def]
        seen = Path("/proc/self/environ").read_bytes() + repr(dict(os.environ)).encode()
        raise PermissionError if b"AUDITORS_SECRET" in seen else FileNotFoundError


class NoSynthesizer:
    name, version = "nothing", "1"
