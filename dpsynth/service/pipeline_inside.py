"""stub"""
from pathlib import Path
from typing import Any
def audit_inside(*a: Any, **k: Any) -> Any: raise NotImplementedError
def public_domain(a: Path | None, b: Path | None) -> Any: raise NotImplementedError
