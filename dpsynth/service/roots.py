"""Which files a page may have the service open: those under directories that were named for it, no others.

At the command line whoever acts can open the file anyway. A page acts for people at other machines, and an
error about any file of the server would tell them of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dpsynth.core.errors import BadInput, PolicyRefusal

__all__ = ["SOURCES", "source_path", "source_roots"]

SOURCES = "DPSYNTH_SOURCES"
"""Environment variable: directories that data owners may register files from, separated by ``:``."""


def source_path(text: str, home: Path, served: bool) -> Path:
    """The path that a text names, as a path or a ``file:`` URI. Raises BadInput or PolicyRefusal.

    Args:
        text: what somebody typed.
        home: the state directory, which nobody registers anything from on a page.
        served: whether a page asks; then only files under the directories of ``SOURCES`` are allowed.
    """
    path = Path(_plain(text.strip()))
    if not served:
        return path
    roots = source_roots()
    if not roots:
        raise PolicyRefusal(
            "No directory is named from which pages may register files",
            allowed="registering at the command line: `dpsynth dataset register POLICY FILE`",
            remedy=f"have the server started with {SOURCES} set to the directories of the tables",
        )
    real = Path(os.path.realpath(path))
    inside = any(root in real.parents for root in roots)
    if not path.is_absolute() or not inside or home.resolve() in real.parents:
        raise PolicyRefusal(
            "This path is not one that pages may open",
            allowed=f"full paths of files under {', '.join(map(str, roots))}",
            remedy="move the file there, or register it at the command line",
        )
    return real


def source_roots() -> list[Path]:
    """The directories that pages may register files from."""
    return [Path(one).resolve() for one in os.environ.get(SOURCES, "").split(os.pathsep) if one]


def _plain(text: str) -> str:
    """A path out of a path or a file URI of this machine."""
    if not text or "\0" in text or not text.isprintable():
        raise BadInput("The path cannot be read", allowed="one line of text", remedy="type it again")
    if "://" not in text and not text.startswith("file:"):
        return text
    parts = urlsplit(text)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise BadInput(
            "Tables are read from files of the machine that serves these pages",
            allowed="a path, or a URI like file:///data/table.csv",
            remedy="have the file put on that machine; nothing is uploaded or fetched",
        )
    return unquote(parts.path)
