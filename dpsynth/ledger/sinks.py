"""Where checkpoints are kept outside: a directory (a mounted archive, a share) or a git repository."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Protocol

from dpsynth.core.errors import BadInput, IntegrityError

__all__ = ["DirectorySink", "GitSink", "Sink", "parse_sinks"]

_NAME = re.compile(r"checkpoint-([0-9]{12})\.json")


class Sink(Protocol):
    """A place that only ever gains checkpoints."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def put(self, seq: int, envelope: bytes) -> None:
        """Keep a signed checkpoint durably. Raises IntegrityError if it cannot be kept."""

    def newest(self) -> bytes | None:
        """The checkpoint with the highest number, or None. Raises IntegrityError if it cannot be read."""


def _file_name(seq: int) -> str:
    return f"checkpoint-{seq:012d}.json"


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
        try:
            self._write(self._path / _file_name(seq), envelope)
        except OSError as error:
            raise _down(self.name, error.strerror or "input or output failed") from error

    def _write(self, target: Path, envelope: bytes) -> None:
        if target.exists():
            return
        draft = target.with_suffix(f".{os.getpid()}.part")
        with draft.open("wb") as stream:
            stream.write(envelope)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
        handle = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def newest(self) -> bytes | None:
        """The file with the highest number."""
        try:
            kept = sorted(path for path in self._path.iterdir() if _NAME.fullmatch(path.name))
            return kept[-1].read_bytes() if kept else None
        except OSError as error:
            raise _down(self.name, error.strerror or "input or output failed") from error


class GitSink:
    """A git work tree: one commit for each checkpoint, pushed where the repository has an upstream."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = DirectorySink(path)

    @property
    def name(self) -> str:
        """The work tree."""
        return f"git repository {self._path}"

    def put(self, seq: int, envelope: bytes) -> None:
        """Write, commit and, with an upstream, push."""
        self._files.put(seq, envelope)
        self._git("add", "--", _file_name(seq))
        if self._git("diff", "--cached", "--name-only"):
            self._git("commit", "--quiet", "--message", f"Ledger checkpoint {seq}")
        if self._git("for-each-ref", "--format=%(upstream)", "refs/heads"):
            self._git("push", "--quiet")

    def newest(self) -> bytes | None:
        """The newest checkpoint that is committed, whatever the work tree says."""
        names = [name for name in self._listed() if _NAME.fullmatch(name)]
        return self._git("show", f"HEAD:{max(names)}").encode() if names else None

    def _listed(self) -> list[str]:
        if not self._git("rev-list", "--all", "--max-count=1"):
            return []
        return self._git("ls-tree", "--name-only", "HEAD").splitlines()

    def _git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=dpsynth", "-c", "user.email=ledger@dpsynth.invalid")
        command = ["git", "-C", str(self._path), *identity, "-c", "commit.gpgsign=false", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        except FileNotFoundError as error:
            raise _down(self.name, "git is not installed") from error
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise _down(self.name, f"git {arguments[0]} failed") from error
        return done.stdout


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
    if kind == "dir" and Path(path).is_dir():
        return DirectorySink(Path(path))
    if kind == "git" and (Path(path) / ".git").exists():
        return GitSink(Path(path))
    raise BadInput(
        "A checkpoint sink cannot be understood or is not there",
        allowed="dir:PATH of a directory or git:PATH of a git work tree that exists, separated by commas",
        remedy="correct --checkpoints or DPSYNTH_CHECKPOINTS",
    )
