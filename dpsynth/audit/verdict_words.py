"""What a verdict means and what a person may do next, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.audit.verdict import VerdictOutcome

__all__ = ["VerdictWords", "verdict_words"]


@dataclass(frozen=True)
class VerdictWords:
    """A verdict for people.

    Attributes:
        headline: one sentence.
        meaning: what it says, and what it does not.
        next_steps: what a person may do now, one sentence each.
    """

    headline: str
    meaning: str
    next_steps: tuple[str, ...]


_HEADLINE: dict[VerdictOutcome, str] = {
    "warn": "No violation found, with remarks",
    "inconclusive": "Inconclusive: this audit could not have told",
    "block": "Blocked: the mechanism breaks its claim",
    "stop": "Stopped: attacks on the release found too much",
}
_MEANING: dict[VerdictOutcome, str] = {
    "pass": (
        "The tests that were made found nothing. That does not show that there is nothing to find: a smaller "
        "leak may be there."
    ),
    "warn": (
        "Nothing contradicts the claim, but something is not as it should be, or a risk near its limit "
        "cannot be ruled out."
    ),
    "inconclusive": ("This is not a pass: a test was not made, or could not have found a leak that matters."),
    "block": (
        "The mechanism does not do what was claimed. That was shown on made-up rows, so it holds for every "
        "release that this program makes."
    ),
    "stop": (
        "Attacks on this very release found more than the claim or the limits allow. Either the mechanism "
        "has a fault that its own tests do not see, or the finding has another explanation."
    ),
}
# One sentence a line.
_NEXT: dict[VerdictOutcome, str] = {
    "pass": """
Two people may now decide on the release: a pass makes it eligible, it does not approve it.
Compare the smallest leak that would have been found with the claim; if it is far above it, ask for more.
""",
    "warn": """
Read each reason, and find out what causes it.
The release may be approved with a written reason that answers the warning.
Or reject it. A new run is a new request with its own charge; the budget of this one stays spent.
""",
    "inconclusive": """
Read which test is missing or was too weak.
Where the policy allows it, an officer may approve with a written reason why that test is not needed here.
Or have the audit made with a larger plan, or with more rows or people, before anything is decided.
""",
    "block": """
The release must not be approved, and no written reason lifts this.
Give the failed test to whoever keeps the synthesizer; have it repaired and the repaired program audited.
Look at earlier releases of the same program: they may be affected.
A new run is a new request with its own charge; the budget of this one stays spent.
""",
    "stop": """
The release stands still until somebody has written down what was found.
Do not change epsilon or settings because of it: the attacks read people's rows, and a choice by them leaks.
If a fault is found, have it repaired and audited, and ask anew, with a charge of its own.
""",
}


def verdict_words(outcome: VerdictOutcome, could_have_found: str) -> VerdictWords:
    """Words for one verdict.

    Args:
        outcome: of :func:`dpsynth.audit.verdict.judge`.
        could_have_found: the smallest leak that the mechanism evidence would have found, as ``judge`` says.
    """
    headline = _HEADLINE.get(outcome, f"No violation found; {could_have_found}")
    return VerdictWords(f"{headline}.", _MEANING[outcome], tuple(_NEXT[outcome].strip().splitlines()))
