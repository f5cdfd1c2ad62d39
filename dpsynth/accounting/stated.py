"""A policy's cap, as written, compiled to the gate it stands for."""

from __future__ import annotations

from dpsynth.accounting.gate import Cap, compile_cap, rho_cap
from dpsynth.policy.model import Cap as StatedCap

__all__ = ["cap_of"]


def cap_of(stated: StatedCap) -> Cap:
    """The gate of a stated cap, rounded against the spender. Raises BadInput where it leaves no room."""
    if stated.rho is not None:
        return rho_cap(stated.rho, stated.entrusted_delta)
    return compile_cap(str(stated.epsilon), str(stated.delta), stated.entrusted_delta)
