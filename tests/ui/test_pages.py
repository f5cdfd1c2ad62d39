"""Who sees what, what is refused in words, and what a requester is shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dpsynth.core.errors import PolicyRefusal
from dpsynth.service import Platform, RequestForm
from dpsynth.ui.places import PLACES
from dpsynth.ui.words import SPENT_NOTE

APP = str(Path(__file__).parents[2] / "app.py")
PURPOSE = (
    "Compare counts of outpatient visits between insurance plans in a method course, week four of the term."
)


def form(epsilon: str = "0.3", key: str = "") -> RequestForm:
    return RequestForm(
        "rand-health",
        "independent",
        PURPOSE,
        "accredited-researchers",
        epsilon=epsilon,
        delta="1e-6",
        key=key,
    )


def everything(at: AppTest) -> str:
    """All text of a page: every element of the tree, charts and tables with their data."""
    parts: list[str] = []
    for node in at:
        proto = getattr(node, "proto", None)
        parts.append(str(proto))
        value = getattr(node, "value", "")
        parts.append(value.to_csv() if hasattr(value, "to_csv") else str(value))
    return "\n".join(parts).replace("\\", "")


def words(at: AppTest) -> list[str]:
    kinds = (
        at.title,
        at.header,
        at.subheader,
        at.markdown,
        at.text,
        at.error,
        at.warning,
        at.info,
        at.success,
    )
    return [re.sub(r"\\(.)", r"\1", element.value) for kind in kinds for element in kind]


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def press(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def test_without_the_demo_switch_nobody_can_sign_in(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DPSYNTH_DEMO")
    at = AppTest.from_file(APP, default_timeout=60)
    at.session_state["sign-in"] = desk.platform.access.demo_sign_in("carol")
    at.run()
    assert at.title[0].value == "Sign-in is not configured"
    assert not at.button
    assert not at.selectbox
    assert "rand-health" not in everything(at)


@pytest.mark.parametrize("value", ["0", "true", ""])
def test_only_a_one_switches_the_demo_on(desk: Any, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DPSYNTH_DEMO", value)
    assert AppTest.from_file(APP, default_timeout=60).run().title[0].value == "Sign-in is not configured"


def test_the_demo_sign_in_says_that_anyone_can_act_as_anyone(desk: Any) -> None:
    at = AppTest.from_file(APP, default_timeout=60).run()
    assert at.error[0].value == "Demo sign-in: anyone at this machine can act as anyone"
    assert at.title[0].value == "Who are you?"
    at.sidebar.selectbox[0].set_value("carol").run()
    assert at.title[0].value == "Inbox"
    assert at.error[0].value == "Demo sign-in: anyone at this machine can act as anyone"


def test_a_state_without_people_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_DEMO", "1")
    monkeypatch.setenv("DPSYNTH_STATE", str(tmp_path / "new"))
    at = AppTest.from_file(APP, default_timeout=60).run()
    assert "Nobody is known here yet" in at.info[0].value


def test_a_broken_state_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DPSYNTH_DEMO", "1")
    monkeypatch.setenv("DPSYNTH_STATE", str(tmp_path / "file"))
    at = AppTest.from_file(APP, default_timeout=60).run()
    assert "The state path is not a directory." in words(at)
    assert not at.exception


THEIRS = {
    "sam": {"new-request", "catalogue", "my-requests", "downloads", "budget"},
    "carol": {"inbox", "dossier", "releases", "policies", "budget", "attack-reports", "ledger", "verify"},
    "dana": {"inbox", "dossier", "releases", "policies", "datasets", "budget", "ledger", "verify"},
    "ada": {
        "inbox",
        "dossier",
        "releases",
        "policies",
        "budget",
        "attack-reports",
        "ledger",
        "access-log",
        "verify",
    },
    "amal": {"people"},
}


@pytest.mark.parametrize("person", sorted(THEIRS))
def test_a_typed_address_of_a_page_for_another_role_is_answered_in_words(
    desk: Any, open_as: Any, person: str
) -> None:
    for page in (place.url for place in PLACES):
        at = open_as(person, page)
        assert not at.exception
        refused = any("This page is for the" in text for text in words(at))
        assert refused == (page not in THEIRS[person])


def test_hiding_is_not_what_refuses(desk: Any) -> None:
    with pytest.raises(PolicyRefusal):
        desk.platform.approve("sam", desk.view.id, desk.view.dossier_sha256, "I like it", ())
    with pytest.raises(PolicyRefusal):
        desk.platform.audit_report("sam", desk.view.id)


def test_a_link_to_somebody_elses_request_is_refused_like_one_that_does_not_exist(
    desk: Any, open_as: Any
) -> None:
    theirs, absent = open_as("noor", request=desk.view.id), open_as("noor", request="r-000000000000")
    assert theirs.title[0].value == "My requests"
    assert "There is no request with this id that you may see." in words(theirs)
    assert words(theirs) == words(absent)
    assert desk.view.dataset_id not in everything(theirs)


def test_a_link_opens_the_request_where_its_reader_can_see_it(desk: Any, open_as: Any) -> None:
    assert open_as("sam", request=desk.view.id).title[0].value == "My requests"
    assert open_as("carol", request=desk.view.id).title[0].value == "Dossier"


@pytest.mark.parametrize(
    ("person", "page"), [("carol", "inbox"), ("carol", "dossier"), ("sam", "my-requests")]
)
def test_words_of_the_requester_are_never_markup(desk: Any, open_as: Any, person: str, page: str) -> None:
    at = open_as(person, page, desk.view.id)
    assert any(desk.view.purpose == element.value for element in at.text)
    for piece in ("<script>", "javascript:", "LaTeX", ":smile:"):
        assert piece in desk.view.purpose
        elsewhere = [*at.markdown, *at.caption, *at.info, *at.title, *at.header, *at.subheader]
        assert not any(piece in element.value for element in elsewhere)


def test_a_requester_sees_no_exact_number_of_the_audit(desk: Any, open_as: Any) -> None:
    report = desk.platform.audit_report("carol", desk.view.id)
    exact = [
        number
        for check in report["class_b"]
        for name in ("estimate", "low", "high")
        if (number := check[name]) is not None
    ]
    canaries = {text[:7] for number in exact if len(text := repr(abs(number))) > 7 and "e" not in text}
    assert len(canaries) >= 3
    for page in ("new-request", "catalogue", "my-requests", "downloads", "budget"):
        shown = everything(open_as("sam", page))
        assert "Sam Rivera" in shown
        assert not [canary for canary in canaries if canary in shown]
    with_numbers = press(open_as("carol", request=desk.view.id), "Show exact numbers (this look is logged)")
    assert any(canary in everything(with_numbers) for canary in canaries)


def test_the_inbox_says_who_waits_for_whom(desk: Any, open_as: Any) -> None:
    at = open_as("carol")
    text = "\n".join(words(at))
    assert "Waiting for you: 1" in text
    assert "Signed: nobody yet · Asked: compliance officer, data owner" in text
    assert "Due: " in text
    desk.platform.approve("carol", desk.view.id, desk.view.dossier_sha256, "fits the purpose", ticks(desk))
    assert "Signed: carol (compliance officer) · Asked: data owner" in "\n".join(words(at.run()))
    assert "Waiting for you: 1" in "\n".join(words(open_as("dana")))


def ticks(desk: Any) -> tuple[str, ...]:
    return tuple(desk.platform.dossier("carol", desk.view.id).body["must_tick"])


def cells(table: Any) -> list[dict[str, str]]:
    """A table of a page as rows of text; the first column under its name."""
    frame = table.value.reset_index()
    return [{name: str(cell).replace("\\", "") for name, cell in row.items()} for _, row in frame.iterrows()]


def test_the_budget_board_shows_what_the_ledger_says(desk: Any, open_as: Any) -> None:
    desk.platform.submit("noor", form())
    at = open_as("carol", "budget")
    scopes = desk.platform.budget("carol")
    assert [scope.kind for scope in scopes] == ["id_space", "dataset", "table", *["requester"] * 2]
    shown = [*cells(at.table[0]), *cells(at.table[1])]
    assert len(shown) == len(scopes)
    for scope, row in zip(scopes, shown, strict=True):
        numbers = [round(float(row[name]) * 1e9) for name in ("Cap (rho)", "Spent", "Held", "Left")]
        assert numbers == [scope.rho_cap_nano, scope.spent_nano, scope.held_nano, scope.left_nano]
        assert (row["Promise"], row["Spent so far"]) == (scope.epsilon_cap, scope.epsilon_spent)
    assert [row["Requester"] for row in shown[3:]] == ["noor", "sam"]
    assert SPENT_NOTE in everything(at)


@pytest.mark.parametrize("place", [0, 3])
def test_the_board_follows_a_budget_by_the_entries_of_the_ledger(desk: Any, open_as: Any, place: int) -> None:
    desk.platform.submit("noor", form())
    at = open_as("ada", "budget")
    history = desk.platform.board.history("ada")[place]
    at.selectbox(key="scope").set_value(history.scope.id).run()
    rows = cells(at.table[2])
    assert [int(row["Entry"]) for row in rows] == [step.seq for step in history.steps[::-1]]
    for row, step in zip(rows, history.steps[::-1], strict=True):
        numbers = [round(float(row[name]) * 1e9) for name in ("Cap (rho)", "Spent", "Held", "Left")]
        assert numbers == [step.cap_nano, step.spent_nano, step.held_nano, step.left_nano]
        assert row["Asked for by"] == (step.requester or "nobody")


def test_a_requesters_board_has_bands_and_no_amount(desk: Any, open_as: Any) -> None:
    desk.platform.submit("noor", form())
    at = open_as("sam", "budget")
    text = everything(at)
    assert text.count("is left") >= 4
    for scope in desk.platform.budget("carol"):
        for nano in (scope.spent_nano, scope.held_nano, scope.left_nano):
            assert not nano or f"{nano / 1e9:.9f}".rstrip("0") not in text
    assert "noor" not in text
    assert not [button for button in at.button if button.label.startswith("Pause")]


def test_a_dataset_is_paused_and_resumed_on_the_board_with_a_reason(desk: Any, open_as: Any) -> None:
    at = press(open_as("carol", "budget"), "Pause rand\\-health")
    assert any("This needs a written reason" in text for text in words(at))
    at.text_area(key="Pause-why-rand-health").set_value("The consent forms are being checked.").run()
    press(at, "Pause rand\\-health")
    (pause,) = desk.platform.releases.paused("dana")
    assert (pause.dataset_id, pause.person) == ("rand-health", "carol")
    theirs = words(open_as("sam", "budget"))
    assert any("Paused" in text for text in theirs)
    assert not any("consent forms" in text for text in theirs)
    at = open_as("dana", "budget")
    assert any("consent forms" in text for text in words(at))
    at.text_area(key="Resume-why-rand-health").set_value("They are complete, all of them.").run()
    press(at, "Resume rand\\-health")
    assert desk.platform.releases.paused("dana") == []


def test_the_price_on_the_form_is_the_price_that_is_held(empty_desk: Any, open_as: Any) -> None:
    at = open_as("sam")
    at.text_input(key="epsilon-exact").set_value("0.3").run()
    quote = empty_desk.platform.quote("sam", form())
    assert any(f"rho {quote.rho_nano / 1e9:.9f}".rstrip("0") in text for text in words(at))
    assert at.button(key="submit").disabled
    at.text_area(key="purpose").set_value(PURPOSE).run()
    assert not at.button(key="submit").disabled
    assert empty_desk.platform.requests("sam") == []
    at.button(key="submit").click().run()
    made = empty_desk.platform.requests("sam")
    assert [one.state for one in made] == ["queued"]
    assert made[0].purpose == PURPOSE
    held = {scope.held_nano for scope in empty_desk.platform.budget("sam")}
    assert held == {quote.rho_nano}
    assert at.title[0].value == "My requests"
    assert any("Waiting for the worker: `dpsynth run`" in text for text in words(at))


def test_a_second_click_is_the_same_request(empty_desk: Any, open_as: Any) -> None:
    at = open_as("sam")
    at.text_input(key="epsilon-exact").set_value("0.3").run()
    at.text_area(key="purpose").set_value(PURPOSE).run()
    at.session_state["form-key"] = "k" * 32
    empty_desk.platform.submit("sam", form(key="k" * 32))
    at.button(key="submit").click().run()
    assert not at.exception
    assert at.title[0].value == "My requests"
    assert len(empty_desk.platform.requests("sam")) == 1


def test_the_slider_writes_the_exact_number_and_the_number_counts(empty_desk: Any, open_as: Any) -> None:
    at = open_as("sam")
    at.slider(key="epsilon-slider").set_value(0.25).run()
    assert at.text_input(key="epsilon-exact").value == "0.25"
    at.text_input(key="epsilon-exact").set_value("0.234").run()
    assert at.slider(key="epsilon-slider").value == 0.234
    quote = empty_desk.platform.quote("sam", form("0.234"))
    assert any(f"rho {quote.rho_nano / 1e9:.9f}".rstrip("0") in text for text in words(at))


@pytest.mark.parametrize("epsilon", ["5", "abc", "-1", "", "nan"])
def test_a_price_that_cannot_be_is_refused_with_what_to_do(
    empty_desk: Any, open_as: Any, epsilon: str
) -> None:
    at = open_as("sam")
    at.text_input(key="epsilon-exact").set_value(epsilon).run()
    assert not at.exception
    assert any(text.startswith("What to do: ") for text in words(at))
    assert "Submit request" not in labels(at)


def test_a_request_that_does_not_fit_cannot_be_submitted(desk: Any, open_as: Any) -> None:
    desk.platform.submit("sam", form("1"))
    at = open_as("sam")
    at.text_area(key="purpose").set_value(PURPOSE).run()
    at.text_input(key="epsilon-exact").set_value("1").run()
    assert any("This request would be refused" in text for text in words(at))
    assert any("the budget is for life" in text for text in words(at))
    assert at.button(key="submit").disabled


def test_the_form_shows_all_four_budgets_with_what_they_promise(desk: Any, open_as: Any) -> None:
    at = open_as("sam")
    at.text_input(key="epsilon-exact").set_value("0.3").run()
    scopes = desk.platform.quote("sam", form()).scopes
    prices, promises = (at.table[place].value for place in (-2, -1))
    for shown in (prices, promises):
        assert [name.replace("\\", "") for name in shown.index] == [scope.title for scope in scopes]
    told = [tuple(cell.replace("\\", "") for cell in row) for row in promises.itertuples(index=False)]
    assert told == [(scope.epsilon_cap, scope.epsilon_spent) for scope in scopes]
    assert len({scope.kind for scope in scopes}) == 4
    assert SPENT_NOTE in everything(at)


def test_a_request_refused_at_the_last_moment_is_explained_and_does_not_bar_the_next(
    desk: Any, open_as: Any
) -> None:
    at = open_as("sam")
    at.text_area(key="purpose").set_value(PURPOSE).run()
    at.text_input(key="epsilon-exact").set_value("1").run()
    desk.platform.submit("noor", form("1"))
    at.button(key="submit").click().run()
    assert not at.exception
    assert any("There is not enough privacy budget" in text for text in words(at))
    at.text_input(key="epsilon-exact").set_value("0.3").run()
    at.button(key="submit").click().run()
    asked = desk.platform.requests("sam")
    assert [one.state for one in asked][:2] == ["queued", "refused"]
    mine = words(open_as("sam", "my-requests"))
    assert any("Refused, no room in the budget" in text for text in mine)
    assert any(f"dpsynth ledger explain {asked[1].id}" in text for text in mine)
    assert any("nothing was held or spent" in text for text in mine)
    assert not open_as("carol", "inbox").exception


def test_one_part_of_a_table_can_be_asked_for(empty_desk: Any, open_as: Any) -> None:
    text = (Path(APP).parent / "policies" / "rand-health.yaml").read_text()
    text = text.replace("\nid: rand-health", "\nid: rand-parts").replace(
        "dataset_id: rand-health", "dataset_id: rand-parts"
    )
    text = text.replace("  adjacency:", "  partition_column: hlthg\n  adjacency:")
    policy = empty_desk.home / "parts.yaml"
    policy.write_text(text)
    table = empty_desk.home / "parts.csv"
    table.write_bytes((empty_desk.home / "rand.csv").read_bytes() + b"0,0,0,0,0,0,0,0,0,0\n")
    empty_desk.platform.register_dataset("dana", policy, table)
    at = open_as("sam")
    assert not [box for box in at.selectbox if box.key == "part"]
    next(box for box in at.selectbox if box.label == "Dataset").set_value("rand-parts").run()
    at.selectbox(key="part").set_value("1").run()
    at.text_area(key="purpose").set_value(PURPOSE).run()
    at.text_input(key="epsilon-exact").set_value("1").run()
    at.button(key="submit").click().run()
    assert not at.exception
    assert [(one.dataset_id, one.partition) for one in empty_desk.platform.requests("sam")] == [
        ("rand-parts", "1")
    ]


def test_pages_open_the_ledger_that_the_command_line_would(
    desk: Any, open_as: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "witness"
    outside.mkdir()
    monkeypatch.setenv("DPSYNTH_CHECKPOINTS", f"dir:{outside}")
    assert not open_as("carol").exception
    assert list(outside.iterdir())
    monkeypatch.setenv("DPSYNTH_DATABASE", "nonsense://")
    assert any("The database address cannot be understood" in text for text in words(open_as("carol")))


def test_a_ledger_that_is_not_the_one_that_was_witnessed_is_shown_and_cannot_be_changed(
    desk: Any, open_as: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "witness"
    outside.mkdir()
    kept = shutil.copy(desk.home / "ledger.sqlite", tmp_path / "kept")
    monkeypatch.setenv("DPSYNTH_CHECKPOINTS", f"dir:{outside}")
    made = Platform.open(desk.home, checkpoints=f"dir:{outside}").submit("sam", form())
    for path in desk.home.glob("ledger.sqlite*"):
        path.unlink()
    shutil.copy(kept, desk.home / "ledger.sqlite")
    at = press(AppTest.from_file(APP, default_timeout=60).run(), "Continue as Sam Rivera")
    assert not at.exception
    assert any(text.startswith("Nothing can be changed here: ") for text in words(at))
    assert any("The ledger is read-only" in text for text in words(at))
    assert made.id not in everything(at)


def test_a_queued_request_shows_its_stages_and_can_be_cancelled(empty_desk: Any, open_as: Any) -> None:
    made = empty_desk.platform.submit("sam", form())
    at = open_as("sam", "my-requests")
    assert any("**Queued** · now" in text and "**Started** · to come" in text for text in words(at))
    press(at, "Cancel this request")
    assert empty_desk.platform.request("sam", made.id).state == "cancelled"
    assert {scope.held_nano for scope in empty_desk.platform.budget("sam")} == {0}
    assert "Cancel this request" not in labels(at)


def test_cancelling_too_late_changes_nothing_and_says_so(empty_desk: Any, open_as: Any) -> None:
    made = empty_desk.platform.submit("sam", form())
    at = open_as("sam", "my-requests")
    empty_desk.sql("UPDATE request SET state = 'running', stage = 'fitting' WHERE id = ?", made.id)
    at.run()
    assert any("**Encoding** · done" in text and "**Fitting** · now" in text for text in words(at))
    assert "Cancel this request" not in labels(at)
