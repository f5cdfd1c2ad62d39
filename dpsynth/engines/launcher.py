"""Started as a program of its own: shuts itself in, says how well, then runs an engine's program.

Standard library only. Argument: a JSON object with ``python``, ``program``, ``parent`` (process id),
``status`` (file descriptor), ``memory`` and ``file`` (bytes), ``cpu`` (seconds), ``hidden`` (paths that the
program must not reach), ``readable`` (paths that it may read though they lie in hidden ones) and ``scratch``
(the one directory that it may write to).

- Network, process and inter-process namespaces of its own (Linux ``unshare``; a user namespace makes that
  possible for any user). Processes that the program leaves behind die with its process namespace.
- Landlock, the kernel's access control for the unprivileged: no hidden path, no writing elsewhere, no TCP,
  no signal to and no look into a process outside.

What the kernel does not give is said on the status descriptor, and the program runs without it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

_NEWUSER, _NEWPID, _NEWNET, _NEWIPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000
_PDEATHSIG, _NO_NEW_PRIVS = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
# Rights by version of Landlock: 13 at first, then moving files, cutting them short, device controls.
_RIGHTS = {1: 2**13 - 1, 2: 2**14 - 1, 3: 2**15 - 1, 4: 2**15 - 1}
_ALL_RIGHTS = 2**16 - 1
_READ, _READ_FILE, _WRITE_FILE = 0b1101, 0b0101, 0b0111


def shut_in() -> bool:
    """Move into namespaces of one's own; the user stays who they are. False where the kernel refuses."""
    user, group = os.geteuid(), os.getegid()
    if ctypes.CDLL(None).unshare(_NEWUSER | _NEWNET | _NEWPID | _NEWIPC) != 0:
        return False
    maps = (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"))
    for name, text in maps:
        handle = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(handle, text.encode())
        os.close(handle)
    return True


def reachable(folder: Path, hidden: list[Path]) -> Iterator[Path]:
    """Entries under ``folder`` that hold no hidden path; those that do are entered instead."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for path in entries:
        if path.is_symlink() or path in hidden:
            continue  # rules are about what a link leads to, and that has an entry of its own
        if any(path in one.parents for one in hidden):
            yield from reachable(path, hidden)
        else:
            yield path


def lock_files(task: dict[str, Any]) -> bool:
    """Restrict this process and what it starts to the paths of the task. False where there is no Landlock."""
    libc = ctypes.CDLL(None)
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    rights = _RIGHTS.get(version, _ALL_RIGHTS)
    wanted = struct.pack("=QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_CREATE_RULESET, ctypes.c_char_p(wanted), size, 0)
    if rules < 0:
        return False

    def allow(path: Path, folder: int, file: int) -> None:
        try:
            handle = os.open(path, os.O_PATH)
        except OSError:
            return  # it is gone, or not for this user
        access = (folder if path.is_dir() else file) & rights
        libc.syscall(_ADD_RULE, rules, 1, ctypes.c_char_p(struct.pack("=Qi", access, handle)), 0)
        os.close(handle)

    for path in reachable(Path("/"), [Path(one) for one in task["hidden"]]):
        allow(path, _READ, _READ_FILE)
    for name in (*task["readable"], task["program"]):
        allow(Path(name), _READ, _READ_FILE)
    allow(Path(task["scratch"]), rights, rights)
    allow(Path("/dev/null"), _READ, _WRITE_FILE)
    return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)


def limit(task: dict[str, Any]) -> None:
    """Bounds on memory, CPU time, file sizes; no core dumps, which would hold rows."""
    resource.setrlimit(resource.RLIMIT_AS, (task["memory"], task["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (task["cpu"], task["cpu"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (task["file"], task["file"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)


def _tried(step: Any) -> bool:
    try:
        return bool(step())
    except (OSError, AttributeError):  # no such call on this system
        return False


def _in_a_copy(step: Any) -> bool:
    """Whether the step succeeds in a process that is then thrown away."""
    if (copy := os.fork()) == 0:
        os._exit(0 if _tried(step) else 1)
    return os.waitpid(copy, 0)[1] == 0


def main() -> int:
    """Shut in, report, run; the exit status of the program."""
    task = json.loads(sys.argv[1])
    die_with_parent()
    if os.getppid() != task["parent"]:
        return 1
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Some systems give a user namespace and no right in it: tried first where failing does no harm.
    alone = _in_a_copy(shut_in) and _tried(shut_in)
    if (child := os.fork()) == 0:
        # The first process of a namespace: signals that would end another one do not end it, and all others
        # end with it. So it only waits.
        die_with_parent()
        if (child := os.fork()) == 0:
            die_with_parent()
            run(task, alone)
    os.close(task["status"])
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def run(task: dict[str, Any], alone: bool) -> NoReturn:
    """Lock the files, report what was given, become the program."""
    locked = _tried(lambda: lock_files(task))
    os.write(task["status"], json.dumps({"alone": alone, "locked": locked}).encode())
    os.close(task["status"])
    limit(task)
    command = [task["python"], "-I", "-B", task["program"]]
    os.execv(command[0], command)  # noqa: S606 - a list, and no shell


if __name__ == "__main__":
    os._exit(main())
