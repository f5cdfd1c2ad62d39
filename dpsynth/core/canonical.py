"""Canonical JSON (RFC 8785) and the SHA-256 of it: the form in which anything is hashed or signed."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

__all__ = ["canonical_bytes", "digest", "sha256_hex"]


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value. Numbers that must be exact are passed as strings or ints."""
    return rfc8785.dumps(value)


def sha256_hex(data: bytes) -> str:
    """Lower-case hex SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """Lower-case hex SHA-256 of the canonical JSON of a value."""
    return sha256_hex(canonical_bytes(value))
