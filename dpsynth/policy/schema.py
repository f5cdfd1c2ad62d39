"""The published JSON Schema of a policy, for editors and for checks outside Python.

The schema states shapes, patterns and lists of allowed words. Rules between fields (sub-caps, bins and
bounds, spellings that look alike) are checked by the loader alone, so a valid instance may still be refused.
"""

from __future__ import annotations

import json
from typing import Any

from dpsynth.policy.model import Policy

__all__ = ["SCHEMA_FILE", "json_schema", "schema_text"]

SCHEMA_FILE = "policies/policy.schema.json"
"""Where the published schema lies, relative to the repository."""


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a policy file."""
    schema = Policy.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "dpsynth policy, schema version 1"
    return schema


def schema_text() -> str:
    """The schema as published: sorted keys, two blanks of indentation, a final line feed."""
    return json.dumps(json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
