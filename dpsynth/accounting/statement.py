"""Numbers that people read, and what each may be used for.

- *Epsilon of a cap* (Renyi filter): the promise of a scope. The cap was set in advance, so it holds under
  full adaptivity.
- *Epsilon of a release* (its reserved curve): the promise of that release. The charge is fixed before the
  run, and the run's own filter keeps it.
- *Gaussian epsilon of a release* (its reserved sum of mu squared): the same promise, where smaller; the
  Gaussian-DP filter has that sum as its cap.
- *Epsilon spent so far* (running sum): orientation. It is the filter's own count; where requests were chosen
  after seeing answers it is not a bound by itself, and the cap's epsilon is. Shells print SPENT_NOTE with it.
- *PLD* (:mod:`dpsynth.accounting.recount`): nothing. Its theorem wants parameters fixed in advance; it is
  printed as "not used for decisions".

Conversions: :mod:`dpsynth.accounting.conversion` (Renyi), :mod:`dpsynth.accounting.gaussian_dp` (exact).
Approximate-DP mass is taken off delta before converting, so that the delta people read is the whole of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

from dpsynth.accounting.conversion import offset
from dpsynth.accounting.cost import ATTO, Cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.gate import Cap
from dpsynth.accounting.gaussian_dp import MICRO, gaussian_epsilon_micro
from dpsynth.accounting.numbers import parse_delta
from dpsynth.core.errors import BadInput

__all__ = [
    "PLD_LABEL",
    "SPENT_NOTE",
    "Statement",
    "epsilon_at",
    "epsilon_of_cap",
    "gaussian_epsilon_at",
    "state",
]

PLD_LABEL = "not used for decisions"
SPENT_NOTE = (
    "a running sum; if later requests were chosen after seeing earlier answers, the bound that holds is the "
    "cap's epsilon"
)
_DIGITS = Decimal("0.000001")
# Wide enough for the cost of any float: nothing is rounded before the last digit is.
_WIDE = Context(prec=2000, rounding=ROUND_CEILING)


@dataclass(frozen=True)
class Statement:
    """Epsilon at delta for a cost, as decimal strings with six digits, rounded up.

    Attributes:
        epsilon: from the Renyi curve; always there.
        gaussian: by the exact Gaussian conversion, or "" where that has no number.
        delta: the whole probability of failure, mass included.
    """

    epsilon: str
    gaussian: str
    delta: str

    @property
    def smallest(self) -> str:
        """The smaller of the two; both are promises about the same cost."""
        return min(self.epsilon, self.gaussian or self.epsilon, key=Decimal)


def _rest(cost: Cost, delta: str) -> Decimal:
    rest = _WIDE.subtract(parse_delta(delta), _WIDE.divide(Decimal(cost.delta), Decimal(ATTO)))
    if rest <= 0:
        raise BadInput(
            "The failure probabilities of entrusted libraries use up the whole delta",
            allowed=f"a delta above {Decimal(cost.delta) / ATTO:e}",
            remedy="state the loss at a larger delta",
        )
    return rest


def _text(value: Decimal) -> str:
    return format(value.quantize(_DIGITS, context=_WIDE).normalize(_WIDE), "f")


def epsilon_at(cost: Cost, delta: str, omega: int = ORDERS[-1]) -> str:
    """Epsilon at delta from the curve up to order omega; decimal string, six digits, rounded up, >= 0.

    Raises BadInput where the mass of entrusted libraries leaves nothing of delta.
    """
    rest = _rest(cost, delta)
    best = min(
        _WIDE.add(_WIDE.divide(Decimal(value), Decimal(NANO)), offset(order, rest))
        for order, value in zip(ORDERS, cost.rdp, strict=True)
        if order <= omega
    )
    return _text(max(Decimal(0), best))


def epsilon_of_cap(cap: Cap, delta: str) -> str:
    """Epsilon at delta that a scope with this cap promises, whatever happens in it."""
    line = tuple(order * cap.rho for order in ORDERS)
    return epsilon_at(Cost(line, cap.delta), delta, cap.omega)


def gaussian_epsilon_at(cost: Cost, delta: str) -> str:
    """Epsilon at delta by the exact Gaussian-DP conversion, rounded up.

    "" if some event has no mu, or the sum is too large for the conversion.
    """
    if cost.undominated:
        return ""
    micro = gaussian_epsilon_micro(cost.mu2, _rest(cost, delta))
    return "" if micro is None else _text(Decimal(micro) / MICRO)


def state(cost: Cost, delta: str) -> Statement:
    """Both statements of a cost."""
    return Statement(epsilon_at(cost, delta), gaussian_epsilon_at(cost, delta), delta)
