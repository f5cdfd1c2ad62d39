"""Scalar types of audit plans."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

__all__ = ["Count", "Share"]


def _decimal(value: object) -> float:
    """Numbers with a point are quoted in strict YAML; anything but a plain decimal is refused."""
    if not (isinstance(value, str) and re.fullmatch(r"[0-9]\.[0-9]{1,12}", value)):
        raise ValueError('write a quoted decimal such as "0.05"')
    return float(value)


Share = Annotated[float, BeforeValidator(_decimal), Field(gt=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
