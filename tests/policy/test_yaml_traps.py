"""Each trap of YAML is refused with file, line, key and remedy; what is meant has a spelling that loads."""

from __future__ import annotations

import pytest

from dpsynth.core.errors import BadInput
from dpsynth.policy.yaml_strict import MAX_BYTES, MAX_DEPTH, load_yaml

TRAPS = [
    ("duplicate key", "e: '1'\ne: '100'\n", "written twice", "e: '100'\n", {"e": "100"}),
    ("alias", "a: &x ['1']\nb: 2\n", "anchor &x", "a: ['1']\nb: 2\n", {"a": ["1"], "b": 2}),
    ("undefined alias", "a: *x\n", "aliases", "a: '*x'\n", {"a": "*x"}),
    ("merge key", "a: {<<: {b: 1}}\n", "special meaning", "a: {b: 1}\n", {"a": {"b": 1}}),
    ("tag", "a: !!float '1'\n", "tags", "a: '1'\n", {"a": "1"}),
    ("bare tag", "a: ! x\n", "tags", "a: x\n", {"a": "x"}),
    ("custom tag", "a: !x {b: 1}\n", "tags", "a: {b: 1}\n", {"a": {"b": 1}}),
    ("integer key", "a:\n  1: x\n", "is not text", "a:\n  '1': x\n", {"a": {"1": "x"}}),
    ("null key", "a:\n  ~: x\n", "is not text", "a:\n  '~': x\n", {"a": {"~": "x"}}),
    ("list as key", "a:\n  ? [b]\n  : x\n", "list or mapping", "a:\n  b: x\n", {"a": {"b": "x"}}),
    ("switch", "a: no\n", "truth value", "a: 'no'\n", {"a": "no"}),
    ("switch in list", "a: [Yes, x]\n", "truth value", "a: ['Yes', x]\n", {"a": ["Yes", "x"]}),
    ("on", "a: ON\n", "truth value", "a: true\n", {"a": True}),
    ("odd truth", "a: True\n", "ambiguous", "a: true\n", {"a": True}),
    ("switch as key", "a: {off: 1}\n", "truth value", "a: {'off': 1}\n", {"a": {"off": 1}}),
    ("float", "a: 0.10\n", "bare number", "a: '0.10'\n", {"a": "0.10"}),
    ("small float", "a: 1e-6\n", "bare number", "a: '1e-6'\n", {"a": "1e-6"}),
    ("dotted float", "a: 1.0e-6\n", "bare number", "a: '1.0e-6'\n", {"a": "1.0e-6"}),
    ("leading point", "a: .5\n", "bare number", "a: '.5'\n", {"a": ".5"}),
    ("octal", "a: 010\n", "bare number", "a: 10\n", {"a": 10}),
    ("new octal", "a: 0o10\n", "bare number", "a: 8\n", {"a": 8}),
    ("hexadecimal", "a: 0x10\n", "bare number", "a: 16\n", {"a": 16}),
    ("underscored", "a: 1_000\n", "bare number", "a: 1000\n", {"a": 1000}),
    ("signed", "a: +5\n", "bare number", "a: 5\n", {"a": 5}),
    ("minus zero", "a: -0\n", "bare number", "a: 0\n", {"a": 0}),
    ("sexagesimal", "a: 12:30:00\n", "bare number", "a: '12:30:00'\n", {"a": "12:30:00"}),
    ("infinity", "a: .inf\n", "bare number", "a: '.inf'\n", {"a": ".inf"}),
    ("minus infinity", "a: -.INF\n", "bare number", "a: '-.INF'\n", {"a": "-.INF"}),
    ("not a number", "a: .nan\n", "bare number", "a: '.nan'\n", {"a": ".nan"}),
    ("python nan", "a: nan\n", "bare number", "a: 'nan'\n", {"a": "nan"}),
    ("huge integer", f"a: {'9' * 5000}\n", "bare number", "a: 999\n", {"a": 999}),
    ("date", "a: 2026-03-31\n", "bare date", "a: '2026-03-31'\n", {"a": "2026-03-31"}),
    ("time", "a: 2026-03-31T10:00:00Z\n", "bare date", "a: x 2026-03-31\n", {"a": "x 2026-03-31"}),
    ("bidi escape", 'a: "x\\u202Ey"\n', "U+202E", "a: xy\n", {"a": "xy"}),
    ("bidi key", 'a: {"x\\u2066": 1}\n', "U+2066", "a: {x: 1}\n", {"a": {"x": 1}}),
    ("nul escape", 'a: "x\\0"\n', "U+0000", "a: x\n", {"a": "x"}),
    ("lone surrogate", 'a: "\\uD800"\n', "U+D800", 'a: "\\u00E5"\n', {"a": "å"}),
]


@pytest.mark.parametrize(("name", "bad", "says", "good", "value"), TRAPS, ids=[trap[0] for trap in TRAPS])
def test_trap_is_refused_with_place_and_remedy_and_its_plain_spelling_loads(
    name: str, bad: str, says: str, good: str, value: object
) -> None:
    with pytest.raises(BadInput) as caught:
        load_yaml(bad, "trap.yaml")
    assert says in caught.value.what
    assert caught.value.what.startswith("trap.yaml, line ")
    assert f"key {'e' if name == 'duplicate key' else 'a'}" in caught.value.what
    assert caught.value.remedy
    assert caught.value.exit_code == 2
    assert load_yaml(good, "good.yaml").data == value


WHOLE = [
    ("empty file", b"", "empty", b"a: 1"),
    ("only a comment", b"# a\n", "empty", b"# a\na: 1"),
    ("two documents", b"a: 1\n---\na: 2\n", "more than one document", b"---\na: 1\n...\n"),
    ("directive", b"%YAML 1.1\n---\na: 1\n", "directives", b"---\na: 1\n"),
    ("UTF-16", "a: 1".encode("utf-16"), "not UTF-8", b"a: 1"),
    ("bad UTF-8", b"a: \xff", "not UTF-8", "a: ÿ".encode()),
    ("NUL", b"a: x\0y", "U+0000", b"a: xy"),
    ("two byte-order marks", b"\xef\xbb\xbf\xef\xbb\xbfa: 1", "U+FEFF", b"\xef\xbb\xbfa: 1"),
    ("bidi in a comment", "a: 1 # \u202e".encode(), "U+202E", b"a: 1 # x"),
    ("escape in a comment", b"a: 1 # \x1b[31m", "U+001B", b"a: 1 # red"),
    ("too large", b"a: '" + b"x" * MAX_BYTES + b"'", "larger than", b"a: '" + b"x" * (MAX_BYTES - 5) + b"'"),
    ("open bracket", b"a: [1\n", "not readable", b"a: [1]\n"),
    ("tab indent", b"a:\n\t- 1\n", "not readable", b"a:\n  - 1\n"),
    ("impossible escape", b'a: "\\UFFFFFFFF"', "does not allow", b'a: "\\U0001F600"'),
    ("windows lines", b"a: 1\rb: 2\x07", "U+0007", b"a: 1\r\nb: 2\r\n"),
]


@pytest.mark.parametrize(("name", "bad", "says", "good"), WHOLE, ids=[case[0] for case in WHOLE])
def test_file_that_is_not_one_clean_document_is_refused(
    name: str, bad: bytes, says: str, good: bytes
) -> None:
    with pytest.raises(BadInput) as caught:
        load_yaml(bad, "trap.yaml")
    assert says in caught.value.what
    assert caught.value.what.startswith("trap.yaml")
    assert caught.value.remedy
    assert isinstance(load_yaml(good, "good.yaml").data, dict)


def _nested(depth: int) -> str:
    return "a: " + "[" * (depth - 1) + "]" * (depth - 1)


def test_depth_is_limited() -> None:
    assert load_yaml(_nested(MAX_DEPTH), "deep.yaml").data is not None
    for depth in (MAX_DEPTH + 1, 200, 100_000):
        with pytest.raises(BadInput, match="nested deeper") as caught:
            load_yaml(_nested(depth), "deep.yaml")
        assert "line 1, key a[0]" in caught.value.what


def test_alias_bomb_is_refused_at_its_first_anchor() -> None:
    rows = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    rows += [
        f"{after}: &{after} [{', '.join(['*' + before] * 9)}]"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    with pytest.raises(BadInput, match="line 1, key a: anchor &a"):
        load_yaml("\n".join(rows), "bomb.yaml")


def test_lines_are_known_for_each_value() -> None:
    document = load_yaml("a: 1\nb:\n  - x\n  - {c: y}\n", "lines.yaml")
    assert document.lines[("b", 1, "c")] == 4
    assert document.lines[("a",)] == 1


def test_long_text_may_be_folded_over_lines() -> None:
    assert load_yaml("a: >-\n  one\n  two\n", "fold.yaml").data == {"a": "one two"}
