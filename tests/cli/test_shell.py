"""The shell itself: one JSON document a command, one exit code a fault, a quick start, a clean terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from dpsynth.cli.app import app
from dpsynth.cli.output import columns, paragraph, plain, rho
from dpsynth.service import Platform

COMMANDS = {
    "policy check": ["{files}/policy.yaml"],
    "policy schema": [],
    "policy changes": [],
    "policy approve": ["p-000000000000"],
    "policy diff": ["{files}/policy.yaml", "{files}/policy.yaml"],
    "dataset register": ["{files}/policy.yaml", "{files}/table.csv"],
    "dataset list": [],
    "request submit": [
        "tiny",
        "--synthesizer",
        "mst",
        "--purpose",
        "p" * 80,
        "--recipients",
        "r",
        "--rho",
        "1e-3",
    ],
    "request show": ["{request}"],
    "request list": [],
    "request cancel": ["{request}"],
    "doctor": [],
    "notices set": ["--webhook", "http://localhost:9/"],
    "notices off": [],
    "notices show": [],
    "notices test": [],
    "people list": [],
    "people add": ["zoe", "Zoe", "--role", "auditor"],
    "people grant": ["sam", "auditor"],
    "people take": ["sam", "data_scientist"],
    "people rotate": ["sam"],
    "people link": ["sam", "--issuer", "https://id.test", "--subject", "7"],
    "people unlink": ["--issuer", "https://id.test", "--subject", "7"],
    "people proposals": [],
    "people confirm": ["a-000000000000"],
    "people withdraw": ["a-000000000000"],
    "people looks": [],
    "ledger show": [],
    "ledger sink": ["dir:nowhere"],
    "ledger verify": [],
    "ledger checkpoint": ["--out", "{files}/checkpoint.json"],
    "ledger export": ["{files}/chain.jsonl"],
    "ledger explain": ["{request}"],
    "export gdpr": ["tiny"],
    "budget show": [],
    "budget plan": ["tiny"],
    "db migrate": [],
    "db init": [],
    "serve": [],
    "engine add": ["smartnoise", "--from", "{files}/table.csv"],
    "engine list": [],
    "engine remove": ["smartnoise"],
    "run": ["--once"],
    "audit request": ["{request}"],
    "audit pipeline": ["--synthesizer", "absent_module:Thing", "--out", "{files}/audit"],
    "approve": ["{request}", "--dossier", "0"],
    "reject": ["{request}", "--dossier", "0", "--reason", "because"],
    "publish": ["{request}"],
    "object": ["{request}", "--dossier", "0", "--reason", "because of it"],
    "withdraw": ["o-000000000000"],
    "review": ["{request}", "--dossier", "0"],
    "revoke": ["{request}", "--reason", "because it must be"],
    "revocations": ["--out", "{files}/list.json"],
    "prove": ["{request}", "--out", "{files}/proof.json"],
    "catalogue": ["--out", "{files}/page.html"],
    "dataset pause": ["tiny", "--reason", "because it must be"],
    "dataset resume": ["tiny", "--reason", "because it must be"],
    "dataset withdraw": ["tiny", "--reason", "because it must be"],
    "extension list": [],
    "extension propose": ["{request}", "--last-day", "2027-01-31", "--reason", "because it must be"],
    "extension sign": ["x-000000000000"],
    "extension withdraw": ["x-000000000000"],
    "extension write": ["{request}", "--out", "{files}/extension.json"],
    "download": ["{request}", "--out", "{files}/bundle.zip"],
    "sample": ["{request}", "--rows", "5", "--out", "{files}/more.csv"],
    "verify": ["{files}", "--keys", "{files}"],
    "tune": ["{files}/absent.yaml"],
    "rehearse": ["{files}/absent.yaml", "--synthesizer", "aim"],
    "demo": ["--policy", "{files}/absent.yaml"],
}


def command_names() -> set[str]:
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    nested = {
        f"{name} {one.name or one.callback.__name__}"
        for name, group in groups.items()
        for one in group.registered_commands
    }
    return nested | {str(one.name) for one in app.registered_commands}


def test_the_list_of_commands_is_whole() -> None:
    assert command_names() == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("person", ["", "sam", "carol"])
def test_every_command_prints_one_json_document_whether_it_works_or_not(
    run: Any, walked: Any, files: Path, command: str, person: str
) -> None:
    words = [word.format(files=files, request=walked.sams) for word in COMMANDS[command]]
    answer = run(*command.split(), *words, "--json", state=walked.state, person=person)
    failed = isinstance(answer.json, dict) and "error" in answer.json
    assert failed == (answer.code != 0)
    if failed:
        assert set(answer.error) == {"kind", "what", "allowed", "remedy", "exit_code"}
        assert answer.error["exit_code"] == answer.code
    assert answer.code != 1


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["request"],
        ["request", "submit"],
        ["people", "list", "--frob"],
        ["run", "--once", "--poll", "soon"],
        ["run", "--poll", "-1"],
        ["run"],
        ["people", "add", "Bad Id", "Name", "--role", "auditor"],
        ["people", "add", "zoe", "Zoe", "--role", "emperor"],
    ],
)
def test_a_command_that_is_not_understood_is_exit_2_with_a_remedy(
    run: Any, fresh: Path, words: list[str]
) -> None:
    answer = run(*words, "--json", state=fresh)
    assert (answer.code, answer.error["kind"]) == (2, "bad_input")
    assert answer.error["remedy"]


def test_without_the_flag_an_error_is_a_paragraph_on_stderr(run: Any, fresh: Path) -> None:
    answer = run("request", "show", "nosuch", state=fresh, person="carol")
    assert (answer.code, answer.out) == (2, "")
    assert "To do:" in answer.err
    assert answer.err.count("\n") == 1


def test_a_state_that_is_no_directory_is_bad_input(run: Any, files: Path) -> None:
    for place in (files / "table.csv", files / "table.csv" / "below"):
        assert run("people", "list", "--json", state=place).error["exit_code"] == 2


def test_an_unexpected_fault_quotes_nothing_and_has_a_number(
    run: Any, kit: Any, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Platform) -> list[Any]:
        raise ValueError(f"row 7 is {kit.canary}")

    monkeypatch.setattr(Platform, "people", fail)
    first, second = (run("people", "list", "--json", state=fresh) for _ in range(2))
    assert (first.code, first.error["kind"], first.err) == (1, "unexpected", "")
    assert kit.canary not in first.out
    assert "ValueError at test_shell.py" in first.error["what"]
    assert first.out == second.out
    monkeypatch.setenv("DPSYNTH_DEBUG", "1")
    assert kit.canary in run("people", "list", state=fresh).err


def test_the_environment_names_state_and_person(
    run: Any, walked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPSYNTH_STATE", str(walked.state))
    monkeypatch.setenv("DPSYNTH_USER", "erin")
    assert run("request", "show", walked.erins, "--json").json["requester"] == "erin"


def test_without_a_command_the_help_is_shown(run: Any) -> None:
    answer = run()
    assert answer.code == 0
    assert "verify" in answer.out


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; from dpsynth.cli import main; code = main(['--help']); "
        "heavy = {'torch', 'opendp', 'streamlit', 'dp_accounting', 'pandas', 'numpy', 'sqlalchemy'}; "
        "print('HEAVY', sorted(heavy & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("HEAVY []")


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dpsynth.cli", "nonsense"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command" in done.stderr


def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    command = f"{sys.executable} -m dpsynth.cli policy schema | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_plain_text_keeps_words_and_escapes_what_steers_a_terminal() -> None:
    assert plain("Zoë Ω 日本 = 1") == "Zoë Ω 日本 = 1"
    assert (
        plain("a\x1b[31m\r\n\x9b\u202e\u2028\udc80\x7f") == "a\\x1b[31m\\r\\n\\x9b\\u202e\\u2028\\udc80\\x7f"
    )
    assert paragraph("one\ntwo\x1b") == "one\ntwo\\x1b"


def test_columns_line_up_and_an_empty_list_says_so() -> None:
    assert columns(("A", "B"), [("long", "x"), ("y", "z")]) == ["A     B", "long  x", "y     z"]
    assert columns(("A",), []) == ["(none)"]


def test_rho_is_written_exactly() -> None:
    assert [rho(nano) for nano in (0, 1, 24_355_957, 10**9, 12 * 10**9 + 500_000_000)] == [
        "0",
        "0.000000001",
        "0.024355957",
        "1",
        "12.5",
    ]


def test_typer_still_calls_a_misused_command_a_usage_error() -> None:
    assert typer.BadParameter.__mro__[1].__name__ == "UsageError"
