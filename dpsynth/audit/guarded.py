"""Fits and checks that may crash, hang or answer anything: what comes of them is a result in words."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np

from dpsynth.audit.pipeline import Fit
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.core.domain import Domain
from dpsynth.core.table import SyntheticTable

__all__ = ["Broken", "checked", "fits_result", "guarded_check", "guarded_fit"]


class Broken(Exception):
    """A fit that is no fit.

    Attributes:
        fault: what was wrong, in words that depend on no row; of an error its class alone.
        grave: the release was wrong, and not only absent.
    """

    def __init__(self, fault: str, grave: bool = False) -> None:
        super().__init__(fault)
        self.fault, self.grave = fault, grave


class _OutOfTime(BaseException):
    """No ordinary exception: a fit that catches those must not catch this."""


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    """Raise _OutOfTime inside after so many seconds; in the main thread alone, where signals arrive.

    Code that never comes back to the interpreter is not interrupted: whoever audits foreign code gives the
    process a limit as well.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def late(_number: int, _frame: FrameType | None) -> None:
        raise _OutOfTime

    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def guarded_fit(step: Callable[[], Fit], seconds: int) -> Fit:
    """What the step returns. Raises Broken where it raises anything, or takes longer than ``seconds``."""
    try:
        with _limited(seconds):
            return step()
    except _OutOfTime:
        raise Broken("a fit did not end within its time and was stopped") from None
    except (Exception, SystemExit) as error:
        raise Broken(f"a fit crashed: {type(error).__name__}") from error


def checked(fit: Fit, domain: Domain, rows: int) -> Fit:
    """The fit, if its release has ``rows`` whole rows of the public domain. Raises Broken otherwise."""
    release: object = fit.release
    if not isinstance(release, SyntheticTable) or release.domain != domain:
        raise Broken("it released other columns than the domain's", grave=True)
    for column in domain.columns:
        codes = np.asarray(release.codes[column.name])
        if codes.dtype.kind not in "iu" or codes.ndim != 1:
            raise Broken("it released values that are no codes", grave=True)
        if codes.size and not (int(codes.min()) >= 0 and int(codes.max()) < column.size):
            raise Broken("it released codes outside the public domain", grave=True)
        if len(codes) != rows:
            few = "fewer" if len(codes) < rows else "more"
            raise Broken(f"it released {few} rows than were asked for", grave=True)
    return fit


def fits_result(outcome: Outcome, plain: str, fits: int, faults: dict[str, int]) -> CheckResult:
    """S0: whether every fit ended, with rows of the public domain, as many as were asked for."""
    return CheckResult(
        id="S0",
        name="Fits",
        question="Did every fit end with rows of the public domain, as many as were asked for?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        n=fits,
        details={"fits": fits, "faults": faults},
    )


def guarded_check(test: str, step: Callable[[], CheckResult]) -> CheckResult:
    """The check's result; where it raises, the question stays open."""
    try:
        return step()
    except Exception as error:
        return CheckResult(
            id=test,
            name="Not made",
            question="Could this test be made on the pipeline's surrogate fits?",
            evidence="A",
            outcome="inconclusive",
            plain=f"The test ended with an error ({type(error).__name__}) and says nothing.",
        )
