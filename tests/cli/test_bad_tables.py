"""Bad tables: each is refused at registration with its exit code, and no text quotes a row."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BOM = b"\xef\xbb\xbf"


def registered(run: Any, fresh: Path, files: Path, source: str = "table.csv") -> Any:
    return run(
        "dataset", "register", files / "policy.yaml", files / source, "--json", state=fresh, person="dana"
    )


def lines_with(kit: Any, old: str, new: str) -> bytes:
    return ("\n".join(kit.table_lines()) + "\n").replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(
            lambda k: lines_with(k, f"{k.canary},1,0", f"{k.canary},1"), "Line 202", id="ragged short"
        ),
        pytest.param(
            lambda k: lines_with(k, f"{k.canary},1,0", f"{k.canary},1,0,9"), "Line 202", id="ragged long"
        ),
        pytest.param(lambda k: lines_with(k, "", "").replace(b",", b";"), "schema", id="wrong delimiter"),
        pytest.param(
            lambda k: lines_with(k, f"{k.canary},1", f'"{k.canary},1'),
            "cannot be parsed",
            id="unclosed quote",
        ),
        pytest.param(lambda k: lines_with(k, f"{k.canary},1", f"{k.canary}\0,1"), "NUL", id="NUL byte"),
        pytest.param(lambda k: BOM * 2 + lines_with(k, "", ""), "schema", id="two byte-order marks"),
        pytest.param(lambda k: lines_with(k, "\n", "\r\n"), "line ends", id="mixed line ends"),
        pytest.param(
            lambda k: lines_with(k, "", "") + f"{k.canary}\xe9,1,0\n".encode("latin-1"),
            "UTF-8",
            id="not UTF-8",
        ),
        pytest.param(lambda k: lines_with(k, k.header, "mdvis,idp"), "schema", id="missing column"),
        pytest.param(lambda k: lines_with(k, k.header, k.header + ",x"), "schema", id="extra column"),
        pytest.param(lambda k: lines_with(k, "mdvis", "visits"), "schema", id="renamed column"),
        pytest.param(lambda k: lines_with(k, "hlthg", "idp"), "schema", id="repeated column"),
        pytest.param(lambda k: b"", "empty", id="empty file"),
    ],
)
def test_a_bad_csv_is_refused_as_bad_input_and_no_row_is_quoted(
    run: Any, kit: Any, fresh: Path, files: Path, spoil: Callable[[Any], bytes], words: str
) -> None:
    (files / "table.csv").write_bytes(spoil(kit))
    answer = registered(run, fresh, files)
    assert (answer.code, answer.error["exit_code"], answer.error["kind"]) == (2, 2, "bad_input")
    assert words in answer.error["what"]
    assert answer.error["remedy"]
    assert kit.canary not in answer.out + answer.err
    assert run("dataset", "list", "--json", state=fresh).json == {"datasets": []}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda k: lines_with(k, "", ""), id="as it is"),
        pytest.param(lambda k: BOM + lines_with(k, "", ""), id="one byte-order mark"),
        pytest.param(lambda k: lines_with(k, "", "").replace(b"\n", b"\r\n"), id="CRLF throughout"),
        pytest.param(lambda k: f"{k.header}\n".encode(), id="header only"),
        pytest.param(
            lambda k: f'{k.header}\nNaN,inf,1e400\n-0,"1,5",{"9" * 400}\n'.encode(), id="odd numbers"
        ),
    ],
)
def test_a_table_that_differs_only_in_form_or_in_values_is_registered(
    run: Any, kit: Any, fresh: Path, files: Path, spoil: Callable[[Any], bytes]
) -> None:
    (files / "table.csv").write_bytes(spoil(kit))
    answer = registered(run, fresh, files)
    assert (answer.code, answer.json["dataset_id"]) == (0, "tiny")


@pytest.mark.parametrize("limit", [{"max_rows": 400}, {"max_bytes": 1000}])
def test_a_table_larger_than_the_policy_allows_is_refused_by_policy(
    run: Any, kit: Any, fresh: Path, files: Path, limit: dict[str, int]
) -> None:
    (files / "policy.yaml").write_text(kit.policy_text(**limit), encoding="utf-8")
    answer = registered(run, fresh, files)
    assert (answer.code, answer.error["kind"]) == (3, "refused_by_policy")
    assert next(iter(limit)) in answer.error["allowed"]
    assert "401" not in answer.out


def link(place: Path) -> None:
    place.symlink_to(place.with_name("table.csv"))


def pipe(place: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize(
    "make", [link, pipe, Path.mkdir, Path.exists], ids=["link", "pipe", "folder", "absent"]
)
def test_what_is_no_plain_file_is_refused(
    run: Any, fresh: Path, files: Path, make: Callable[[Path], object]
) -> None:
    make(files / "odd.csv")
    assert registered(run, fresh, files, "odd.csv").code == 2


def test_a_device_is_refused(run: Any, fresh: Path, files: Path) -> None:
    answer = run(
        "dataset", "register", files / "policy.yaml", "/dev/zero", "--json", state=fresh, person="dana"
    )
    assert answer.code == 2


def test_another_file_under_a_registered_name_is_a_conflict(run: Any, fresh: Path, files: Path) -> None:
    assert registered(run, fresh, files).code == 0
    assert registered(run, fresh, files).code == 0
    (files / "table.csv").write_text("mdvis,idp,hlthg\n1,1,1\n", encoding="utf-8")
    assert registered(run, fresh, files).code == 6


def test_only_a_data_owner_registers(run: Any, fresh: Path, files: Path) -> None:
    words = ("dataset", "register", files / "policy.yaml", files / "table.csv")
    assert run(*words, state=fresh, person="sam").code == 3
    assert run(*words, state=fresh, person="nobody").code == 3
    assert run(*words, state=fresh).code == 2


def test_a_file_that_changes_after_registration_fails_the_run_and_the_charge_stays_spent(
    run: Any, kit: Any, fresh: Path, files: Path
) -> None:
    registered(run, fresh, files)
    run(*kit.submit_words(), state=fresh, person="sam")
    with (files / "table.csv").open("a", encoding="utf-8") as stream:
        stream.write(f"{kit.canary},0,0\n")
    answer = run("run", "--once", "--json", state=fresh)
    view = answer.json["request"]
    assert view["state"] == "failed"
    assert view["message"].startswith("The run ended after its budget was spent.")
    assert kit.canary not in answer.out + answer.err
    kinds = [
        one["kind"] for one in run("ledger", "show", "--json", state=fresh, person="carol").json["entries"]
    ]
    assert kinds[-1] == "forfeited"
    quote = run(*kit.submit_words(), "--dry-run", "--json", state=fresh, person="sam").json
    assert [(one["spent_nano"], one["forfeited_nano"]) for one in quote["scopes"]] == [(10**7, 10**7)] * 4
