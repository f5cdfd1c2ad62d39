"""Whatever the bytes, a policy either loads or is refused as a DpsynthError; nothing else escapes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.core.errors import DpsynthError
from dpsynth.policy.loader import load_policy_text, policy_from_data, policy_sha256
from dpsynth.policy.yaml_strict import load_yaml

SHIPPED = (Path(__file__).parents[2] / "policies" / "rand-health.yaml").read_bytes()
WORDS = "&a |*a|!!int |? |- |{|}|[|]|: |#|\t|\0|\"|'|\n|\r|>-\n|---\n|...\n|%YAML 1.1\n|<<: "
TOKENS = [word.encode() for word in WORDS.split("|")]
TOKENS += [b"null", b"true", b"010", b"1e-6", b".nan", b"|\n", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xae"]
TOKENS += [b'"\\UFFFFFFFF"', b'"\\uD800"', b"9" * 4400]
QUIET = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Edit = tuple[int, int, bytes]
EDITS = st.lists(
    st.tuples(
        st.integers(0, len(SHIPPED)),
        st.integers(0, 12),
        st.one_of(st.sampled_from(TOKENS), st.binary(max_size=6)),
    ),
    min_size=1,
    max_size=4,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _mutated(edits: list[Edit]) -> bytes:
    raw = SHIPPED
    for start, length, new in edits:
        raw = raw[:start] + new + raw[start + length :]
    return raw


@given(EDITS)
@QUIET
def test_mutated_policy_loads_or_is_refused(edits: list[Edit]) -> None:
    try:
        policy = load_policy_text(_mutated(edits), "mutated.yaml")
    except DpsynthError as error:
        assert error.what.startswith("mutated.yaml")
        assert error.remedy
        assert error.exit_code == 2
    else:
        assert len(policy_sha256(policy)) == 64
        assert policy.domain().names


@given(st.binary(max_size=200))
@QUIET
def test_any_bytes_load_or_are_refused(raw: bytes) -> None:
    try:
        load_policy_text(raw, "bytes.yaml")
    except DpsynthError as error:
        assert error.what.startswith("bytes.yaml")


@given(st.integers(0, 10**6), JSON)
@QUIET
def test_any_value_in_any_place_loads_or_is_refused(choice: int, value: object) -> None:
    document = load_yaml(SHIPPED, "shipped.yaml")
    paths = [path for path in document.lines if path]
    path = paths[choice % len(paths)]
    place = document.data
    for part in path[:-1]:
        place = place[part]  # type: ignore[index, call-overload]
    place[path[-1]] = value  # type: ignore[index, call-overload]
    try:
        policy = policy_from_data(document.data, "data")
    except DpsynthError as error:
        assert error.what.startswith("data")
    else:
        assert len(policy_sha256(policy)) == 64
