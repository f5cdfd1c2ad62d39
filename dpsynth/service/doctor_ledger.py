"""The doctor's look at a ledger: rights, keys, checkpoints, clock, notices."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, text

from dpsynth.core.errors import DpsynthError
from dpsynth.ledger.chain import read_chain, read_head
from dpsynth.ledger.checkpoint import known_sinks
from dpsynth.ledger.sinks import Sink, parse_sinks
from dpsynth.ledger.store import Store
from dpsynth.publish.keys import PublicKey, load_private_key, load_public_keys
from dpsynth.service.findings import Check, fault, fine, warning
from dpsynth.service.notices import KEY_FILE
from dpsynth.service.outbox import settings
from dpsynth.service.tables import notices, people
from dpsynth.service.watch import Watch

__all__ = ["ledger_checks"]

_EARLIEST, _LATEST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_SLACK = timedelta(seconds=60)
_WITHDRAW = "find out where it came from; take it away, and tell those who verify bundles"


def ledger_checks(store: Store, home: Path, checkpoints: str) -> list[Check]:
    """Every check that needs the database."""
    looks = (_rights(store), _keys(store, home), _sinks(store, home, checkpoints))
    return [check for look in (*looks, _clock(store), _notices(store, home)) for check in look]


def _rights(store: Store) -> Iterator[Check]:
    if store.dialect != "postgresql":
        return
    asked = ", ".join(f"has_table_privilege('entry', '{verb}')" for verb in ("UPDATE", "DELETE", "TRUNCATE"))
    with store.read() as connection:
        may = any(connection.execute(text(f"SELECT {asked}")).one())
    if may:
        yield warning(
            "database rights",
            "this account could change or delete entries of the ledger",
            "connect as a role that `dpsynth db init --service ROLE` has set up",
        )
    else:
        yield fine("database rights", "this account can only add entries to the ledger")


def _keys(store: Store, home: Path) -> Iterator[Check]:
    with store.read() as connection:
        known = {row.id: row for row in connection.execute(select(people))}
    try:
        trust = load_public_keys(home / "keys")
    except DpsynthError as error:
        yield fault("keys", error.what, error.remedy)
        return
    problems = 0
    for key in trust.values():
        if key.person not in known or known[key.person].key_id != key.key_id:
            problems += 1
            yield fault("keys", f"a public key of {key.person} is not the database's", _WITHDRAW)
    for person, row in known.items():
        if problem := _key_problem(home, person, trust.get(row.key_id), json.loads(row.roles)):
            problems += 1
            yield fault("keys", f"{person}: {problem}", "put the key back from a backup of the state")
    if not problems:
        yield fine("keys", "everyone has one, it is the database's, and none has a date on which it ends")


def _key_problem(home: Path, person: str, public: PublicKey | None, roles: list[str]) -> str:
    if public is None:
        return "the public key is missing"
    if sorted(public.roles) != sorted(roles):
        return "the public key states other roles than the database"
    try:
        private = load_private_key(home / "secrets" / f"{person}.pem")
    except DpsynthError as error:
        return error.what
    return "" if private.public_key.keyid == public.key_id else "the private key is another one"


def _sinks(store: Store, home: Path, checkpoints: str) -> Iterator[Check]:
    try:
        sinks = parse_sinks(checkpoints)
    except DpsynthError as error:
        yield fault("checkpoints", error.what, error.remedy)
        return
    with store.read() as connection:
        known = known_sinks(connection)
    if not sinks and not known:
        remedy = "name a sink with --checkpoints: an old backup put back would look whole without one"
        yield warning("checkpoints", "nobody outside witnesses this ledger", remedy)
        return
    watch = Watch(store, home, sinks)
    if alarm := watch.inspect():
        yield fault("checkpoints", alarm, "stop, and find out with an auditor what happened")
        return
    for sink in sinks:
        yield _sink(store, watch, sink)


def _sink(store: Store, watch: Watch, sink: Sink) -> Check:
    try:
        sink.check()
        newest = sink.newest()
        seq = 0 if newest is None else watch.open(newest).seq
    except DpsynthError as error:
        return fault("checkpoints", error.what, error.remedy)
    with store.read() as connection:
        behind = seq < read_head(connection).seq
    if behind:
        remedy = "have it take one: `dpsynth ledger checkpoint`"
        return warning("checkpoints", f"the newest entry is not witnessed yet: {sink.name}", remedy)
    return fine("checkpoints", f"it can be written to and has the newest entry: {sink.name}")


def _clock(store: Store) -> Iterator[Check]:
    now = datetime.now(UTC)
    with store.read() as connection:
        last = read_head(connection).seq
        entry = next(read_chain(connection, last - 1), None) if last else None
        server = None
        if store.dialect == "postgresql":
            server = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    if not _EARLIEST < now < _LATEST:
        yield fault("clock", "the date cannot be right", "set the clock before anything else is written")
    elif entry is not None and now < datetime.fromisoformat(entry.time) - _SLACK:
        yield fault("clock", "the ledger's newest entry lies in the future", "find out which clock is wrong")
    elif server is not None and abs(server - now) > _SLACK:
        yield fault("clock", "the database server's clock differs by more than a minute", "set both by NTP")
    else:
        yield fine("clock", "the date is plausible and not before the ledger's newest entry")
    if time.localtime().tm_gmtoff:
        yield warning("time zone", "the machine's is not UTC; what dpsynth writes is", "set TZ=UTC")
    else:
        yield fine("time zone", "UTC")


def _notices(store: Store, home: Path) -> Iterator[Check]:
    with store.read() as connection:
        found = settings(connection)
        late = select(notices.c.channel).where(notices.c.sent == "", notices.c.tries > 0).distinct()
        failing = sorted(row.channel for row in connection.execute(late))
    if not found.channels:
        yield fine("notices", "off")
        return
    key = home / "secrets" / KEY_FILE
    if found.webhook and not key.is_file():
        remedy = "say again where notices go with `dpsynth notices set`, and hand on the new key"
        yield fault("notices", "the key of the webhook's signatures is missing", remedy)
    if failing:
        remedy = "see that the target works; what waits is tried again"
        yield warning("notices", f"the last attempt failed: {', '.join(failing)}", remedy)
    if not failing and (key.is_file() or not found.webhook):
        yield fine("notices", f"on: {', '.join(found.channels)}")
