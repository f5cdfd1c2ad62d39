"""A look at an installation: what is well, what is not, and what to do. Nothing is changed or made.

Each check says what it looked at. No network is used but the database's, the sinks' and nothing else.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from dpsynth.core.errors import DpsynthError
from dpsynth.ledger.migrate import CURRENT, require_current
from dpsynth.ledger.store import Store
from dpsynth.service.doctor_ledger import ledger_checks
from dpsynth.service.engines import list_engines
from dpsynth.service.findings import Check, fault, fine, warning
from dpsynth.service.platform import DATABASE, DIRECTORIES

__all__ = ["Check", "examine"]

_OTHERS = 0o077
_GIB = 2**30
_LOCAL = ("localhost", "127.0.0.1", "::1")
_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_PAGES = {
    ("server", "enableXsrfProtection"): (True, True),
    ("browser", "gatherUsageStats"): (False, True),
    ("client", "showErrorDetails"): ("none", "full"),
}
"""Options of the pages' server: what they must be, and what they are where nobody says."""


def examine(state: Path, database: str = "", checkpoints: str = "") -> tuple[Check, ...]:
    """Every check of one installation, in the order in which one would mend things.

    Args:
        state, database, checkpoints: as ``Platform.open`` takes them.
    """
    checks = [*_state(state), *_disk(state), *_pages(Path.cwd()), *_versions()]
    if not state.is_dir():
        return tuple(checks)
    checks += _permissions(state)
    checks += _engines(state)
    store, found = _database(state, database)
    checks += found
    if store is not None:
        try:
            checks += ledger_checks(store, state, checkpoints)
        finally:
            store.close()
    return tuple(checks)


def _state(state: Path) -> Iterator[Check]:
    missing = [name for name in DIRECTORIES if not (state / name).is_dir()]
    if not state.is_dir():
        yield fault("state directory", "it is not there", "name it with --state")
    elif missing:
        yield fault("state directory", f"parts are missing: {', '.join(missing)}", "put back a backup of it")
    else:
        yield fine("state directory", "it is there, with all its parts")


def _permissions(state: Path) -> Iterator[Check]:
    """Directories are for their owner alone, and so is every file of the secrets and the review room."""
    places = [state / name for name in DIRECTORIES if (state / name).is_dir()]
    places += [path for name in ("secrets", "review") for path in sorted((state / name).glob("*"))]
    status = {path: path.lstat() for path in places}
    open_ones = [path for path, found in status.items() if stat.S_IMODE(found.st_mode) & _OTHERS]
    strange = [path for path, found in status.items() if found.st_uid != os.geteuid()]
    secret = [path for path in open_ones if path.parent == state / "secrets"]
    if secret:
        yield fault(
            "permissions",
            f"others may use secrets: {_named(state, secret)}",
            "treat these keys as lost: make new ones, withdraw them, chmod 600",
        )
    if rest := [path for path in open_ones if path not in secret]:
        yield fault("permissions", f"others may use: {_named(state, rest)}", "chmod go= on each of them")
    if strange:
        yield fault(
            "permissions",
            f"another account owns: {_named(state, strange)}",
            "run everything under one account, which owns the state directory",
        )
    if not open_ones and not strange:
        yield fine("permissions", "the state directory and its secrets are for this account alone")


def _named(state: Path, paths: list[Path]) -> str:
    names = [str(path.relative_to(state)) for path in paths[:5]]
    return ", ".join(names) + (", and others" if len(paths) > len(names) else "")


def _disk(state: Path) -> Iterator[Check]:
    place = next((one for one in (state, *state.absolute().parents) if one.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    if free < _GIB // 10:
        yield fault("disk", "less than 0.1 GiB is free: runs will be lost after their charge", "free some")
    elif free < 2 * _GIB:
        yield warning("disk", "less than 2 GiB is free", "free some before the next run")
    else:
        yield fine("disk", "there is room")


def _pages(where: Path) -> Iterator[Check]:
    """The options in the file that a bare `streamlit run` would read; `dpsynth serve` sets its own."""
    path = where / ".streamlit" / "config.toml"
    said = _toml(path)
    if said is None:
        yield fault("pages", f"{path.name} cannot be read", "correct it, or take it away")
        return
    wrong = [
        f"{part}.{name}"
        for (part, name), (must, usual) in _PAGES.items()
        if said and said.get(part, {}).get(name, usual) != must
    ]
    secrets = _toml(where / ".streamlit" / "secrets.toml") or {}
    address = said.get("server", {}).get("address", "localhost" if not said else "")
    if address not in _LOCAL and not secrets.get("auth"):
        wrong.append("server.address")
    if wrong:
        yield fault("pages", f"unsafe options of the pages' server: {', '.join(wrong)}", _PAGES_REMEDY)
    else:
        yield fine("pages", "the options of the pages' server are safe")
    yield from _sign_in(where, bool(secrets.get("auth")))


_PAGES_REMEDY = (
    "in .streamlit/config.toml: XSRF protection on, usage statistics off, error details none, address "
    "localhost; or start the pages with `dpsynth serve` only"
)


def _sign_in(where: Path, oidc: bool) -> Iterator[Check]:
    path = where / ".streamlit" / "secrets.toml"
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & _OTHERS:
        yield fault("sign-in", "others may read .streamlit/secrets.toml", "chmod 600; change what is in it")
    if os.environ.get("DPSYNTH_DEMO") == "1":
        yield warning("sign-in", "the demo sign-in is on: all here can act as anyone", "unset DPSYNTH_DEMO")
    elif oidc:
        yield fine("sign-in", "an OIDC provider is named")
    else:
        yield fine("sign-in", "nobody can sign in to the pages; the command line works")


def _toml(path: Path) -> dict[str, dict[str, object]] | None:
    """The file as tables; empty where there is none, None where it is not TOML."""
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _versions() -> Iterator[Check]:
    if not _CONSTRAINTS.is_file():
        yield fine("versions", "not compared: constraints.txt lies in the source tree only")
        return
    lines = _CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    other = [name for name, pin in pins.items() if _installed(name) not in ("", pin)]
    if other:
        words = ", ".join(other[:5]) + (", and others" if len(other) > 5 else "")
        remedy = "install again with -c constraints.txt: other versions were not tested together"
        yield warning("versions", f"not as in constraints.txt: {words}", remedy)
    else:
        python = ".".join(map(str, sys.version_info[:3]))
        yield fine("versions", f"as in constraints.txt, on Python {python}")


def _installed(name: str) -> str:
    try:
        return version(name).partition("+")[0]  # a build's own label, as in 2.13.0+cpu, is no version
    except PackageNotFoundError:
        return ""


def _engines(state: Path) -> Iterator[Check]:
    for engine in list_engines(state):
        if engine.state in {"ready", "not added"}:
            yield fine(f"engine {engine.name}", f"optional: {engine.state}")
        else:
            remedy = f"dpsynth engine remove {engine.name}, then add it again"
            yield warning(f"engine {engine.name}", engine.state, remedy)


def _database(state: Path, database: str) -> tuple[Store | None, list[Check]]:
    """The database, if it has this program's schema, and what was found."""
    if not database and not (state / DATABASE).is_file():
        remedy = "put a backup back, or name the server with --database"
        return None, [fault("database", "there is none in the state directory", remedy)]
    store: Store | None = None
    try:
        store = Store.as_found(database or state / DATABASE)
        found = store.revision
        if found is None:
            raise _Empty
        require_current(found)
    except _Empty:
        problem = fault("database", "it is empty", "put a backup back; a new server needs `dpsynth db init`")
    except DpsynthError as error:
        problem = fault("database", error.what, error.remedy)
    except DatabaseError:
        problem = fault(
            "database",
            "it cannot be reached, or is no ledger",
            "check --database or DPSYNTH_DATABASE, the server, and what the account may do there",
        )
    else:
        return store, [fine("database", f"{store.dialect}, schema {CURRENT}")]
    if store is not None:
        store.close()
    return None, [problem]


class _Empty(Exception):
    """The database has no tables."""
