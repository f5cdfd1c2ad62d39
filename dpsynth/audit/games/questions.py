"""What each game is called, and what it asks."""

from __future__ import annotations

from dpsynth.audit.result import CheckResult

__all__ = ["GAME_QUESTIONS", "not_played"]

GAME_QUESTIONS = {
    "G1": (
        "Black-box distinguishing game",
        "Do released rows show whether one unit was in the table, more often than the claim allows?",
    ),
    "G2": (
        "White-box distinguishing game",
        "Do noisy answers show whether one unit was in the table, more often than the claim allows?",
    ),
    "G3": (
        "Full-size shadow game",
        "Do releases of the real schema show whether a unit that stands apart was in the table?",
    ),
    "G4": (
        "One-run canaries",
        "Do noisy answers tell which canaries were in the table, more often than the claim allows?",
    ),
}
"""Name and question of each test id."""


def not_played(test: str, why: str) -> CheckResult:
    """Inconclusive: the game could not be played, or not to an end."""
    return CheckResult(test, *GAME_QUESTIONS[test], evidence="A", outcome="inconclusive", plain=why)
