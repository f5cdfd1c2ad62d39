"""The one exception tree. Each error says what was wrong, what was allowed and what to do.

No message may quote a row, a value of a person, or an exact count of the sensitive table.
"""

from __future__ import annotations

__all__ = [
    "AuditBlocked",
    "AuditInconclusive",
    "BadInput",
    "BudgetExceeded",
    "Conflict",
    "DpsynthError",
    "EngineFailure",
    "IntegrityError",
    "PolicyRefusal",
]


class DpsynthError(Exception):
    """Base of every error that dpsynth raises on purpose.

    Attributes:
        what: what was wrong.
        allowed: what would have been accepted (may be empty).
        remedy: what the reader should do next (may be empty).
        exit_code: the process exit code of the command line.
    """

    exit_code = 2
    kind = "error"

    def __init__(self, what: str, *, allowed: str = "", remedy: str = "") -> None:
        self.what = what
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(self.text())

    def text(self) -> str:
        """One paragraph: what was wrong, what is allowed, what to do."""
        parts = [self.what]
        if self.allowed:
            parts.append(f"Allowed: {self.allowed}")
        if self.remedy:
            parts.append(f"To do: {self.remedy}")
        return ". ".join(part.rstrip(". ") for part in parts) + "."


class BadInput(DpsynthError):
    """Malformed input: a file, a value or a command that cannot be understood (exit 2)."""

    exit_code = 2
    kind = "bad_input"


class PolicyRefusal(DpsynthError):
    """Understood, but the policy or a person's role does not allow it (exit 3)."""

    exit_code = 3
    kind = "refused_by_policy"


class BudgetExceeded(DpsynthError):
    """There is not enough privacy budget left (exit 4)."""

    exit_code = 4
    kind = "budget"


class IntegrityError(DpsynthError):
    """A hash, signature, chain or file is not what it was (exit 5)."""

    exit_code = 5
    kind = "integrity"


class Conflict(DpsynthError):
    """The state changed meanwhile, or one key was used for two things (exit 6)."""

    exit_code = 6
    kind = "conflict"


class AuditBlocked(DpsynthError):
    """The audit verdict does not allow a release (exit 7)."""

    exit_code = 7
    kind = "blocked_by_audit"


class EngineFailure(DpsynthError):
    """A library that was entrusted with rows, or its environment, failed (exit 8).

    The text says what kind of failure it was and never what the library printed: that may hold rows.
    """

    exit_code = 8
    kind = "engine"


class AuditInconclusive(DpsynthError):
    """An audit on made-up rows refuted nothing and could not test everything (exit 9)."""

    exit_code = 9
    kind = "audit_inconclusive"
