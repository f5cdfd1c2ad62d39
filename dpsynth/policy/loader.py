"""Load a policy from a file or text; every refusal names the file, the line, the key and the remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from dpsynth.core.canonical import digest
from dpsynth.core.errors import BadInput
from dpsynth.policy.model import Policy
from dpsynth.policy.places import KeyPath, PolicyInvalid
from dpsynth.policy.translate import all_problems
from dpsynth.policy.yaml_strict import MAX_BYTES, load_yaml

__all__ = ["load_policy", "load_policy_text", "policy_from_data", "policy_sha256"]


def load_policy(path: Path | str) -> Policy:
    """Read and check a policy file.

    Raises:
        BadInput: the file cannot be read, is not strict YAML, or breaks rules of the policy
            (PolicyInvalid, which lists all problems).
    """
    try:
        with Path(path).open("rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable path"
        raise BadInput(f"{path}: cannot be read ({reason})", remedy="check the path and its rights") from None
    return load_policy_text(raw, str(path))


def load_policy_text(text: str | bytes, name: str) -> Policy:
    """Check a policy given as YAML text; ``name`` is what errors call the file. Raises BadInput."""
    document = load_yaml(text, name)
    return policy_from_data(document.data, name, document.lines)


def policy_from_data(data: object, name: str, lines: Mapping[KeyPath, int] | None = None) -> Policy:
    """Check a policy given as plain JSON data (dicts, lists, strings, whole numbers, true, false, null).

    Raises:
        PolicyInvalid: with every problem found; ``lines`` gives the line of each key path, if known.
    """
    if not isinstance(data, dict):
        raise BadInput(f"{name}: a policy is a mapping of keys", remedy='start with schema_version: "1"')
    try:
        text = json.dumps(data)
    except (TypeError, ValueError, RecursionError):
        raise BadInput(
            f"{name}: holds something that is not JSON data", remedy="use text and lists"
        ) from None
    try:
        return Policy.model_validate_json(text)
    except ValidationError as error:
        raise PolicyInvalid(name, all_problems(error, data), dict(lines or {})) from None


def policy_sha256(policy: Policy) -> str:
    """Lower-case hex SHA-256 of the policy's canonical JSON; layout and comments of the file do not count."""
    return digest(policy.model_dump(mode="json"))
