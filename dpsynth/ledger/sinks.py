"""Where checkpoints are kept outside: a directory (a mounted archive, a share) or a git repository."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from dpsynth.core.errors import BadInput, IntegrityError

__all__ = ["DirectorySink", "GitSink", "Sink", "parse_sinks"]

_FOLDER = re.compile(r"[0-9]{9}")
_NAME = re.compile(r"checkpoint-[0-9]{12}\.json")
_MARKER = "ledger.json"
_PER_FOLDER = 1000
_TRIES = 5
_PAUSE_SECONDS = 0.2
# What a git that calls this program (in a hook) sets: it names that git's repository, not the sink.
_GIT_PLACES = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"})
_BRANCH = "%(HEAD)|%(upstream)|%(upstream:remotename)|%(upstream:remoteref)"


class Sink(Protocol):
    """A place that only ever gains checkpoints."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def put(self, seq: int, envelope: bytes) -> None:
        """Keep a signed checkpoint durably. Raises IntegrityError if it cannot be kept."""

    def check(self) -> None:
        """Raises IntegrityError where a checkpoint could not be kept now."""

    def kept(self, seq: int) -> bytes | None:
        """The checkpoint with this number, or None. Raises IntegrityError if it cannot be read."""

    def newest(self) -> bytes | None:
        """The checkpoint with the highest number, or None. Raises IntegrityError if it cannot be read."""

    def marker(self) -> bytes | None:
        """The marker, as it was when ``newest`` was last asked, or None. Raises as ``newest`` does."""

    def put_marker(self, marker: bytes) -> None:
        """Keep the marker durably. Raises IntegrityError if it cannot be kept."""


def _file_of(seq: int) -> str:
    """Relative path of a checkpoint: a thousand to a folder, so that finding the newest stays cheap."""
    return f"{seq // _PER_FOLDER:09d}/checkpoint-{seq:012d}.json"


class DirectorySink:
    """One file for each checkpoint, written once and never replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """The directory."""
        return f"directory {self._path}"

    def put(self, seq: int, envelope: bytes) -> None:
        """Write and sync a new file; one that is there already is kept as it is."""
        if self.kept(seq) is None:
            self.write(_file_of(seq), envelope)

    def write(self, name: str, data: bytes) -> None:
        """Write and sync a file, whether it is there or not."""
        target = self._path / name
        draft = target.with_suffix(f".{secrets.token_hex(4)}.part")
        with self._reachable():
            target.parent.mkdir(exist_ok=True)
            with draft.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(target)
            for folder in (target.parent, self._path):
                handle = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)

    def check(self) -> None:
        """Write a file and take it away again."""
        probe = self._path / f"probe.{secrets.token_hex(4)}.part"
        with self._reachable():
            probe.write_bytes(bytes(4096))
            probe.unlink()

    def kept(self, seq: int) -> bytes | None:
        """The file with this number."""
        target = self._path / _file_of(seq)
        with self._reachable():
            return target.read_bytes() if target.exists() else None

    def newest(self) -> bytes | None:
        """The file with the highest number."""
        with self._reachable():
            folders = [path for path in self._path.iterdir() if _FOLDER.fullmatch(path.name)]
            for folder in sorted(folders, reverse=True):
                kept = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
                if kept:
                    return max(kept).read_bytes()
        return None

    def marker(self) -> bytes | None:
        """The marker's file."""
        target = self._path / _MARKER
        with self._reachable():
            return target.read_bytes() if target.exists() else None

    def put_marker(self, marker: bytes) -> None:
        """Write and sync the marker's file."""
        self.write(_MARKER, marker)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _down(self.name, error.strerror or "input or output failed") from error


class GitSink:
    """A git work tree: one commit for each checkpoint, pushed where its branch has an upstream.

    What counts is what is committed, here or upstream; the work tree is only the way there. An upstream that
    cannot be asked, or does not have every commit, is a sink that is down.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = DirectorySink(path)

    @property
    def name(self) -> str:
        """The work tree."""
        return f"git repository {self._path}"

    def put(self, seq: int, envelope: bytes) -> None:
        """Write, commit and, with an upstream, push."""
        self._patiently(lambda: self._commit(_file_of(seq), envelope, f"Ledger checkpoint {seq}"))

    def put_marker(self, marker: bytes) -> None:
        """Write, commit and, with an upstream, push."""
        self._patiently(lambda: self._commit(_MARKER, marker, "Ledger marker"))

    def _patiently(self, action: Callable[[], object]) -> None:
        """Try a few times: the lock of another git is waited for."""
        for _ in range(_TRIES - 1):
            try:
                action()
            except IntegrityError:
                time.sleep(_PAUSE_SECONDS)
            else:
                return
        action()

    def _commit(self, name: str, data: bytes, message: str) -> None:
        if self._fetched() and not self._ahead():
            self._git("merge", "--quiet", "--ff-only", self._fetched())
        if not self._commits() or self._committed(name, "HEAD") is None:
            self._files.write(name, data)
            self._git("add", "--force", "--", name)
            self._git("commit", "--quiet", "--message", message, "--", name)
        self._deliver()

    def check(self) -> None:
        """Whether the work tree is a repository, can be written to, and its upstream has every commit."""
        self._files.check()
        self._git("rev-parse", "--git-dir")
        self._deliver()

    def _deliver(self) -> None:
        """Push what the upstream lacks, if there is an upstream."""
        upstream, remote, branch = self._upstream()
        if upstream and self._ahead():
            self._git("push", "--quiet", remote, f"HEAD:{branch}")
            if self._ahead():
                raise _down(self.name, "its upstream does not have every commit")

    def _upstream(self) -> tuple[str, str, str]:
        """The tracking ref, remote and branch of the upstream; empty texts where there is none."""
        for line in self._git("for-each-ref", f"--format={_BRANCH}", "refs/heads").splitlines():
            current, upstream, remote, branch = line.split("|")
            if current == "*":
                return upstream, remote, branch
        return "", "", ""

    def _fetched(self) -> str:
        """The upstream's commit as it was last seen, or an empty text."""
        upstream = self._upstream()[0]
        return self._git("for-each-ref", "--format=%(objectname)", upstream) if upstream else ""

    def _ahead(self) -> bool:
        """Whether there is a commit that the upstream does not have."""
        known = self._fetched()
        return not known or bool(self._git("rev-list", "--max-count=1", f"{known}..HEAD"))

    def kept(self, seq: int) -> bytes | None:
        """The committed checkpoint with this number."""
        return self._committed(_file_of(seq), *self._commits())

    def newest(self) -> bytes | None:
        """The newest checkpoint that is committed here or, asked now, upstream."""
        if remote := self._upstream()[1]:
            self._patiently(lambda: self._git("fetch", "--quiet", "--prune", remote))
        names = [name for commit in self._commits() for name in self._last(commit)]
        return self._committed(max(names), *self._commits()) if names else None

    def marker(self) -> bytes | None:
        """The marker that is committed upstream, as it was last seen, or here."""
        return self._committed(_MARKER, *self._commits())

    def _commits(self) -> list[str]:
        """Where to look: upstream first, whose copy others keep."""
        here = ["HEAD"] if self._git("rev-list", "--all", "--max-count=1") else []
        return [commit for commit in (self._fetched(), *here) if commit]

    def _last(self, commit: str) -> list[str]:
        """The name of the newest checkpoint in a commit; an empty list if it has none."""
        folders = [name for name in self._listed(commit) if _FOLDER.fullmatch(name)]
        for folder in sorted(folders, reverse=True):
            names = [name for name in self._listed(f"{commit}:{folder}") if _NAME.fullmatch(name)]
            if names:
                return [f"{folder}/{max(names)}"]
        return []

    def _committed(self, name: str, *commits: str) -> bytes | None:
        for commit in commits:
            if self._git("ls-tree", "--name-only", commit, "--", name):
                return self._git("show", f"{commit}:{name}").encode()
        return None

    def _listed(self, tree: str) -> list[str]:
        return self._git("ls-tree", "--name-only", tree).splitlines()

    def _git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=dpsynth", "-c", "user.email=ledger@dpsynth.invalid")
        command = ["git", "-C", str(self._path), *identity, "-c", "commit.gpgsign=false", *arguments]
        outside = {name: value for name, value in os.environ.items() if name not in _GIT_PLACES}
        outside["GIT_TERMINAL_PROMPT"] = "0"  # a remote that asks for a password is one that is down
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                check=True,
                env=outside,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=60,
            )
        except FileNotFoundError as error:
            raise _down(self.name, "git is not installed") from error
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise _down(self.name, f"git {arguments[0]} failed") from error
        return done.stdout.strip()


def _down(name: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"Checkpoints cannot be kept in or read from the {name}: {why}",
        allowed="a sink that takes every checkpoint; what cannot be witnessed does not happen",
        remedy="mend the sink, then try again",
    )


def parse_sinks(text: str) -> tuple[Sink, ...]:
    """Sinks from ``dir:PATH`` and ``git:PATH``, separated by commas; none from an empty text."""
    return tuple(_sink(part.strip()) for part in text.split(",") if part.strip())


def _sink(text: str) -> Sink:
    kind, _, path = text.partition(":")
    if kind == "dir" and path and Path(path).is_dir():
        return DirectorySink(Path(path))
    if kind == "git" and path and (Path(path) / ".git").exists():
        return GitSink(Path(path))
    raise BadInput(
        "A checkpoint sink cannot be understood or is not there",
        allowed="dir:PATH of a directory or git:PATH of a git work tree that exists, separated by commas",
        remedy="correct --checkpoints or DPSYNTH_CHECKPOINTS",
    )
