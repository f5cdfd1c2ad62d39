"""The rulebook: what each version of a policy changed, what is proposed, and where files may come from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from dpsynth.core.errors import BadInput, Conflict, IntegrityError, PolicyRefusal
from dpsynth.service import Platform, RuledDataset
from dpsynth.service.policy_lint import lint

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
WHY = "The board agreed to three more attempts for the new course."


def version(folder: Path, number: str, attempts: str, **changed: str) -> Path:
    words = POLICY.read_text().replace("max_attempts_per_purpose: 3", f"max_attempts_per_purpose: {attempts}")
    words = words.replace("output_rows_value: 25000", "output_rows_value: 2000")  # as in the version in force
    for old, new in changed.items():
        words = words.replace(old, new)
    path = folder / f"v{number}.yaml"
    path.write_text(words.replace('\nversion: "1"', f'\nversion: "{number}"'))
    return path


def only(platform: Platform, actor: str = "carol") -> RuledDataset:
    (found,) = platform.rulebook.policies(actor)
    return found


def test_each_version_says_what_it_changed_and_who_agreed(
    platform: Platform, tmp_path: Path, rand_csv: Path
) -> None:
    assert [one.version for one in only(platform).versions] == ["1"]
    platform.register_dataset("dana", version(tmp_path, "2", "2"), rand_csv)
    change = platform.register_dataset("dana", version(tmp_path, "3", "6"), rand_csv, WHY).pending
    (waiting,) = only(platform).proposals
    assert (waiting.change.id, waiting.version, waiting.change.proposer) == (change, "3", "dana")
    assert "max attempts per purpose 2 to 6: LOOSER" in waiting.change.lines
    platform.approve_change("carol", change)
    found = only(platform)
    assert [(one.version, one.approvers) for one in found.versions] == [
        ("3", ("carol", "dana")),
        ("2", ("dana",)),
        ("1", ("dana",)),
    ]
    assert found.versions[1].lines == ("version 1 to 2: CHANGED", "max attempts per purpose 3 to 2: TIGHTER")
    assert found.versions[2].lines == ()
    told = [one for one in platform.ledger_entries("ada") if one.kind == "dataset"]
    assert [(one.sha256, one.since) for one in found.versions[::-1]] == [
        (entry.body["policy_sha256"], entry.time) for entry in told
    ]
    assert found.proposals == ()
    assert platform.verify_ledger() > 0


def test_a_version_whose_text_an_older_program_did_not_keep_is_said_to_be_unknown(
    platform: Platform, tmp_path: Path, rand_csv: Path
) -> None:
    platform.register_dataset("dana", version(tmp_path, "2", "2"), rand_csv)
    first = only(platform).versions[1].sha256
    with platform._store.write() as connection:
        connection.execute(text("DELETE FROM policy_text WHERE policy_sha256 = :it"), {"it": first})
    newer, older = only(platform).versions
    assert older.version == ""
    assert "cannot be compared" in newer.lines[0]
    with platform._store.write() as connection:
        change = "UPDATE policy_text SET policy_text = replace(policy_text, '1.6', '9')"
        connection.execute(text(change))
    with pytest.raises(IntegrityError, match="not the one that the ledger names"):
        only(platform)


def test_findings_name_what_an_approver_should_look_at(platform: Platform, tmp_path: Path) -> None:
    from dpsynth.policy.loader import load_policy

    states = {one.checked: one.state for one in only(platform).findings}
    assert states["who is protected"] == "warning"
    assert states["epsilon of one release"] == "ok"
    officer = {"on_inconclusive: block": "on_inconclusive: officer_reason"}
    loose = version(tmp_path, "9", "3", **{'epsilon: "1.6"': 'epsilon: "30"'}, **officer)
    found = {one.checked: one for one in lint(load_policy(loose))}
    assert {found[name].state for name in ("epsilon of all releases for life", "audits")} == {"warning"}
    assert "above 20" in found["epsilon of all releases for life"].found


def test_a_page_registers_files_only_from_the_directories_that_were_named_for_it(
    tmp_path: Path, rand_csv: Path, small_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, tables = tmp_path / "state", tmp_path / "tables"
    tables.mkdir()
    platform = Platform.open(home)
    platform.access.mark_demo()
    platform.add_person("dana", "Dana", ("data_owner",))
    platform.register_dataset("dana", small_release, rand_csv)
    shutil.copy(rand_csv, tables / "rand.csv")
    policy = version(tables, "2", "2")
    page = Platform.open(home, served=True)
    mine = page.access.demo_sign_in("dana")

    def register(rules: Path | str, table: Path | str, sign_in: str = mine) -> str:
        return page.rulebook.register("dana", str(rules), str(table), "", sign_in).policy.version

    with pytest.raises(PolicyRefusal, match="No directory is named"):
        register(policy, tables / "rand.csv")
    monkeypatch.setenv("DPSYNTH_SOURCES", str(tables))
    (tables / "link.csv").symlink_to(rand_csv)
    outside = (
        rand_csv,
        tables / ".." / "tables2",
        "/etc/passwd",
        "rand.csv",
        tables / "link.csv",
        home / "x",
    )
    for table in outside:
        with pytest.raises(PolicyRefusal, match="not one that pages may open"):
            register(policy, table)
    for odd in ("https://example.org/rand.csv", "file://elsewhere/rand.csv", "s3://b/rand.csv", "", "a\nb"):
        with pytest.raises(BadInput, match=r"Tables are read from files|path cannot be read"):
            register(policy, odd)
    with pytest.raises(PolicyRefusal, match="needs the sign-in"):
        register(policy, tables / "rand.csv", "")
    with pytest.raises(PolicyRefusal, match="needs the sign-in"):
        page.register_dataset("dana", policy, tables / "rand.csv")
    assert register(f"file://{policy}", f"file://localhost{tables}/rand.csv") == "2"
    monkeypatch.setenv("DPSYNTH_SOURCES", str(tmp_path))  # the state lies under it, and stays closed
    with pytest.raises(PolicyRefusal, match="not one that pages may open"):
        register(policy, home / "secrets" / "dana.pem")


def test_a_proposal_for_a_withdrawn_dataset_is_not_approved(
    platform: Platform, tmp_path: Path, rand_csv: Path
) -> None:
    change = platform.register_dataset("dana", version(tmp_path, "2", "6"), rand_csv, WHY).pending
    platform.rulebook.withdraw("dana", "rand-health", "The consent for this table has ended.")
    with pytest.raises(PolicyRefusal, match="withdrawn"):
        platform.approve_change("carol", change)
    with pytest.raises(Conflict, match="closed for good"):
        platform.releases.pause("carol", "rand-health", WHY)
    assert only(platform).info.withdrawn
    assert [one.withdrawn for one in platform.datasets()] == [True]


def test_migrating_keeps_the_texts_of_all_policies_that_are_known(
    platform: Platform, tmp_path: Path, rand_csv: Path
) -> None:
    from dpsynth.ledger.store import Store

    platform.register_dataset("dana", version(tmp_path, "2", "6"), rand_csv, WHY)
    with platform._store.write() as connection:
        for name in ("extension", "extension_signature", "withdrawal", "policy_text"):
            connection.execute(text(f"DROP TABLE {name}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    place = platform.bundles_dir.parent / "ledger.sqlite"
    with pytest.raises(IntegrityError, match="dpsynth db migrate"):
        Store.open(place)
    Store.migrated(place).close()
    again = Platform.open(platform.bundles_dir.parent)
    assert [one.version for one in only(again).versions] == ["1"]
    again.approve_change("carol", only(again).proposals[0].change.id)
    lines = ("version 1 to 2: CHANGED", "max attempts per purpose 3 to 6: LOOSER")
    assert only(again).versions[0].lines == lines
    assert again.verify_ledger() > 0
