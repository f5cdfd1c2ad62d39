"""Whether a domain fits a model's room at all, from public facts, before anything is charged."""

from __future__ import annotations

from dpsynth.core.domain import Domain
from dpsynth.core.errors import PolicyRefusal

__all__ = ["refuse_if_too_large"]

_NAMED = 5


def refuse_if_too_large(name: str, domain: Domain, rho_nano: int, max_model_cells: int) -> None:
    """Raise PolicyRefusal when not even one-way marginals fit, naming whom to blame and what would fit.

    Args:
        name: of the synthesizer.
        domain: the public domain.
        rho_nano: budget of the run, nano-rho.
        max_model_cells: the policy's room for a model, cells.
    """
    if rho_nano < 1:
        raise PolicyRefusal(
            f"{name} needs a positive privacy budget",
            allowed="at least 1e-9 of rho",
            remedy="ask for a larger epsilon",
        )
    empty = [column.name for column in domain.columns if column.size < 1]
    if empty or not domain.columns:
        raise PolicyRefusal(
            f"{name} cannot model a column without any value: {_some(empty)}"
            if empty
            else f"{name} needs at least one column",
            allowed="columns of at least one value",
            remedy="give each column its public values or bins in the policy",
        )
    cells = sum(domain.shape)
    if cells > max_model_cells:
        raise PolicyRefusal(
            f"{name} cannot hold even the one-way marginals of this domain: {cells} cells, of which "
            f"{_blamed(domain)}",
            allowed=f"at most {max_model_cells} cells in all; {_would_fit(domain, max_model_cells)}",
            remedy="use coarser bins or fewer values for the columns named, or raise "
            "synthesis.max_model_cells in the policy",
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _blamed(domain: Domain) -> str:
    """The largest columns, until they make up nine tenths of the cells."""
    largest = sorted(domain.columns, key=lambda column: -column.size)
    said, covered, cells = [], 0, sum(domain.shape)
    for column in largest[:_NAMED]:
        said.append(f"{column.size} in {column.name}")
        covered += column.size
        if 10 * covered >= 9 * cells:
            break
    return ", ".join(said)


def _would_fit(domain: Domain, room: int) -> str:
    """The largest number of codes that every column may have so that all fit."""
    if len(domain.columns) > room:
        return f"at most {room} columns"
    low, high = 1, max(domain.shape)
    while high - low > 1:
        middle = (low + high) // 2
        fits = sum(min(size, middle) for size in domain.shape) <= room
        low, high = (middle, high) if fits else (low, middle)
    return f"with no column above {low} values all columns would fit"
