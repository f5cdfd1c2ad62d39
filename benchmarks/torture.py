"""Kill workers with SIGKILL, at every numbered point of a run and at random times, and read the ledger.

    make torture        # every numbered point, then 200 random moments; writes results/torture.json

After each kill, on the state as it lies: whatever was drawn from the rows or read from the source belongs to
a charge that is spent; what is spent is at least what was drawn; the chain verifies and replays; nothing is
published. Then the lease is over: nothing stays committed, and no committed run is ever taken up again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from dpsynth.mechanisms.rng import os_generator

POLICY = """
schema_version: "1"
id: torture
version: "1"
title: A made-up table that workers die over
owner: {team: Tests, contact: tests@example.org}
purpose: Seeing that a killed worker costs at least what it drew.
lawful_basis_note: Made-up rows.
source: {dataset_id: torture, snapshot: made-up, format: csv, max_rows: 10000, max_bytes: 1000000}
privacy_unit:
  {kind: row, id_column: null, id_space: made-up-rows, max_rows_per_unit: 1, adjacency: add_remove}
budget:
  accounting: zcdp
  per_release: {rho: "0.001"}
  per_requester: {rho: "900"}
  lifetime: {rho: "900"}
  report_delta: "1e-6"
  refresh: none
  max_attempts_per_purpose: 1000
columns:
%ssynthesis:
  allowed: [{name: independent, min_version: "0.1.0"}, {name: mst, min_version: "0.1.0"}]
  seed: os_csprng
  max_model_cells: 10000
  output_rows: fixed
  output_rows_value: 100
audits: {plan: quick, plan_sha256: "%s", coin_fraction: "0.5", on_inconclusive: officer_reason}
approval:
  approvers: 2
  roles: [compliance_officer, data_owner]
  requester_may_approve: false
  justification_min_chars: 10
  decide_within_days: 14
release:
  expires_after_days: 30
  terms: none
  recipients: [nobody]
  formats: [csv]
"""

COLUMN = """  - name: %s
    role: other
    type: categorical
    domain: ["0", "1"]
    domain_source: made up
    out_of_domain: "0"
    missing: "0"
"""

POINTS: tuple[tuple[str, str, str, bool], ...] = (
    # (what is patched, before or after it, what has happened by then, whether the charge is spent)
    ("worker.Run.execute", "before", "a worker has claimed the request", False),
    ("pipeline.dataset_row", "before", "the worker's claim was checked", False),
    ("pipeline.commit_charge", "before", "the commit's transaction has begun", False),
    ("pipeline.commit_charge", "after", "the commit is written but its transaction is open", False),
    ("pipeline.read_bytes", "before", "the charge is committed, the source still closed", True),
    ("pipeline.open_table", "before", "the source's bytes are read", True),
    ("pipeline.open_table", "after", "the table is open", True),
    ("noise", "before", "a mechanism is charged, nothing is drawn", True),
    ("noise", "after", "the first noise is drawn", True),
    ("pipeline.Run._settle", "before", "the synthetic rows are sampled", True),
    ("pipeline.settle", "after", "the settling is written but its transaction is open", True),
    ("pipeline.run_release_attacks", "before", "the charge is settled", True),
    ("pipeline.write_candidate", "before", "the audits are over", True),
    ("pipeline.write_candidate", "after", "the candidate release is written", True),
    ("worker.build_dossier", "after", "the dossier is made", True),
    ("worker.finish", "after", "the dossier is written but its transaction is open", True),
    ("worker._offer", "after", "the dossier is stored", True),
)


@dataclass(frozen=True)
class Outcome:
    """What one kill left: what was drawn and spent by the request (nano-rho), how long its worker lived."""

    request: str
    killed: bool
    state: str
    drawn_nano: int
    spent_nano: int
    opened: bool
    complaints: tuple[str, ...]
    seconds: float = 0.0


def prepare_files(home: Path) -> tuple[Path, Path]:
    """Beside the state: a policy and a small made-up table."""
    from dpsynth.audit.plan import load_plan, plan_sha256

    plans = Path(__file__).resolve().parents[1] / "audits" / "plans"
    policy, source = home.parent / "torture.yaml", home.parent / "torture.csv"
    columns = "".join(COLUMN % name for name in "abc")
    policy.write_text(POLICY % (columns, plan_sha256(load_plan(plans, "quick"))))
    rows = os_generator().integers(0, 2, (300, 3)).tolist()
    source.write_text("a,b,c\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    return policy, source


def prepare(home: Path) -> None:
    """A state with that table and the people it takes."""
    from dpsynth.service import Platform

    policy, source = prepare_files(home)
    platform = Platform.open(home)
    for person, role in (("sam", "data_scientist"), ("carol", "compliance_officer"), ("dana", "data_owner")):
        platform.add_person(person, person.title(), (role,))
    platform.register_dataset("dana", policy, source)


def ask(home: Path, number: int) -> str:
    """One more request; its id."""
    from dpsynth.service import Platform, RequestForm

    words = f"Dying for science, number {number}"
    form = RequestForm("torture", "mst", words, "nobody", rho="0.001")
    return Platform.open(home).submit("sam", form).id


def work(home: str, witness: str, point: int | None, gate: Any) -> None:
    """The worker that will be killed. Everything it takes from the rows is witnessed on disk beforehand."""
    from dpsynth.mechanisms.noise import OpenDPNoise
    from dpsynth.service import Platform, pipeline, worker

    def note(kind: str, rho: Fraction = Fraction(0)) -> None:
        line = json.dumps({"kind": kind, "rho": str(rho)}) + "\n"
        with Path(witness).open("a") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())

    class WitnessedNoise(OpenDPNoise):
        def gaussian(self, values: Any, scale: float) -> Any:
            maybe("before")
            if not surrogates:
                note("draw", 1 / (2 * Fraction(scale) ** 2))
            found = super().gaussian(values, scale)
            maybe("after")
            return found

    def maybe(when: str) -> None:
        if point is not None and POINTS[point][:2] == ("noise", when):
            os.kill(os.getpid(), signal.SIGKILL)

    surrogates: list[bool] = []  # the audit draws noise on made-up rows, which costs nothing
    _wrap(pipeline.Run, "_audit", before=lambda: surrogates.append(True))
    rooms = {"pipeline": pipeline, "worker": worker}
    _wrap(pipeline, "read_bytes", before=lambda: note("open"))
    if point is not None and POINTS[point][0] != "noise":
        room, *path, name = POINTS[point][0].split(".")
        target = rooms[room]
        for step in path:
            target = getattr(target, step)
        die = {POINTS[point][1]: lambda: os.kill(os.getpid(), signal.SIGKILL)}
        _wrap(target, name, **die)
    gate.set()
    Platform.open(Path(home), noise=WitnessedNoise(), lease_seconds=30).run_once("doomed")


def _wrap(
    target: Any, name: str, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> None:
    inner = getattr(target, name)

    def outer(*arguments: Any, **named: Any) -> Any:
        if before:
            before()
        found = inner(*arguments, **named)
        if after:
            after()
        return found

    setattr(target, name, outer)


def kill_one(home: Path, number: int, point: int | None, delay: float) -> Outcome:
    """Ask, start a worker, kill it at the point or after ``delay`` seconds, and look at what it left."""
    request = ask(home, number)
    witness = home.parent / f"{request}.witness"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dpsynth.service", "dpsynth.mechanisms.noise", "opendp.prelude"])
    gate = context.Event()
    process = context.Process(target=work, args=(str(home), str(witness), point, gate))
    process.start()
    gate.wait()
    started = time.monotonic()
    if point is None:
        process.join(delay)
        process.kill()
    process.join()
    lived = time.monotonic() - started
    outcome = look(home, request, witness, killed=process.exitcode == -signal.SIGKILL)
    return replace(outcome, seconds=round(lived, 3))


def look(home: Path, request: str, witness: Path, killed: bool) -> Outcome:
    """The state as the dead worker left it, then as recovery leaves it."""
    from dpsynth.ledger.charges import charge
    from dpsynth.service import Platform
    from dpsynth.service.jobs import recover

    platform = Platform.open(home)
    lines = [json.loads(line) for line in witness.read_text().splitlines()] if witness.exists() else []
    drawn = int(sum((Fraction(line["rho"]) for line in lines), Fraction(0)) * 10**9)
    opened = bool(lines)
    complaints = []
    with platform._store.read() as connection:
        found = charge(connection, request)
    spent = found.cost.rho if found.cost and found.state in {"COMMITTED", "SETTLED", "FORFEITED"} else 0
    if opened and not spent:
        complaints.append("the source was opened without a spent charge")
    if spent < drawn:
        complaints.append("less is spent than was drawn")
    platform.verify_ledger()
    recover(platform._store, now=int(time.time()) + 10**6)
    with platform._store.read() as connection:
        after = charge(connection, request)
    if found.state == "COMMITTED" and after.state != "FORFEITED":
        complaints.append("a dead committed charge was not forfeited")
    if spent and after.state not in {"SETTLED", "FORFEITED"}:
        complaints.append("a spent charge came back")
    if platform.run_once("heir") is not None and spent:
        complaints.append("a committed run was taken up again")
    platform.verify_ledger()
    if any(platform.bundles_dir.iterdir()):
        complaints.append("something was published")
    return Outcome(request, killed, found.state, drawn, spent, opened, tuple(complaints))


def torture(home: Path, points: range, randomly: int, progress: Callable[[str], None]) -> Any:
    """Kill at the numbered points, then at random moments of a run, as long as one takes here."""
    prepare(home)
    by_point = []
    for point in points:
        outcome = kill_one(home, point, point, 0.0)
        name = f"{POINTS[point][0]} {POINTS[point][1]}: {POINTS[point][2]}"
        by_point.append({"point": point + 1, "what": name, **asdict(outcome)})
        progress(name)
    whole = kill_one(home, 999, None, 600.0)
    complaints = [*whole.complaints, *(["an undisturbed run was killed"] if whole.killed else [])]
    at_random, moments = [], os_generator()
    for number in range(randomly):
        outcome = kill_one(home, 1000 + number, None, float(moments.uniform(0.0, whole.seconds)))
        at_random.append(outcome)
        progress(f"random {number + 1}: {outcome.state}")
    states = Counter(f"{one.state}{'' if one.killed else ' (had ended)'}" for one in at_random)
    return {
        "points": by_point,
        "random": {
            "kills": randomly,
            "seconds_of_a_whole_run": whole.seconds,
            "states_found": dict(sorted(states.items())),
            "drew_something": sum(one.drawn_nano > 0 for one in at_random),
            "least_spent_minus_drawn_nano": min((o.spent_nano - o.drawn_nano for o in at_random), default=0),
            "complaints": [*complaints, *(text for one in at_random for text in one.complaints)],
        },
    }


def main() -> None:
    import tempfile

    from rich.progress import Progress

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="random kills (200)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "torture.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Progress() as bar:
        task = bar.add_task("killing workers", total=len(POINTS) + options.kills)
        found = torture(
            Path(folder) / "state",
            range(len(POINTS)),
            options.kills,
            lambda _: bar.advance(task),
        )
    command = f"make torture KILLS={options.kills}"
    options.out.write_text(json.dumps({"command": command, **found}, indent=1) + "\n")
    bad = [one for one in found["points"] if one["complaints"]] or found["random"]["complaints"]
    print(json.dumps(found["random"], indent=1))
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
