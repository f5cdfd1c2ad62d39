"""What the programs write down while they run: lines of known fields, and nothing that could be data.

A field is printed only where its value has the form that the field is known for; there is no field for free
text. So no row, purpose, name or count gets into a log, whoever calls. How long a stage of a run took depends
on the rows and nobody paid for it: a duration is one of a few wide buckets, and a line about a run or a
notice is dated to the minute.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from dpsynth.service.views import STAGES

__all__ = ["BUCKETS", "FORMATS", "bucket", "log_lines_to_stderr", "tell"]

FORMATS = ("text", "json")
BUCKETS = ((60, "under 1 min"), (600, "under 10 min"), (3600, "under 1 h"))
_LONGEST = "over 1 h"
_OWN = "dpsynth.events"
_WORD = r"[a-z]+(?:[_ -][a-z]+){0,5}"
_FORMS = {
    "request": r"r-[0-9a-f]{12}",
    "stage": "|".join(name for name, _ in STAGES),
    "duration": "|".join([*(words for _, words in BUCKETS), _LONGEST]),
    "outcome": _WORD,
    "notice": r"n-[0-9a-f]{16}",
    "kind": _WORD,
    "channel": _WORD,
    "process": r"pages|worker [0-9]{1,4}",
    "code": r"-?[0-9]{1,3}",
    "error": _WORD,
    "library": r"[A-Za-z_][A-Za-z0-9_.]{0,60}",
}
"""Every field of a line besides time, level and event, and the form of its values."""

logging.getLogger(_OWN).propagate = False
logging.getLogger(_OWN).addHandler(logging.NullHandler())
logging.getLogger(_OWN).setLevel(logging.INFO)


def tell(event: str, level: int = logging.INFO, /, **fields: object) -> None:
    """Write one line, if somebody asked for lines.

    Args:
        event: a few fixed words of ours.
        level: of the logging module.
        fields: of _FORMS; one that has no form, or a value of another form, is left out.
    """
    logging.getLogger(_OWN).log(level, event, extra={"fields": fields})


def bucket(seconds: float) -> str:
    """How long something took, coarsely enough to say."""
    return next((words for most, words in BUCKETS if seconds < most), _LONGEST)


class _Lines(logging.Formatter):
    """One line for each record; of other libraries' records their name alone, because words may quote."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        ours = record.name == _OWN
        event = str(record.msg) if ours else "a library said something"
        fields = getattr(record, "fields", {}) if ours else {"library": record.name}
        shown = {name: str(value) for name, value in fields.items() if _fits(name, str(value))}
        about_a_run = {"request", "notice", "stage"} & set(shown) or not ours
        time = datetime.fromtimestamp(record.created, UTC).replace(microsecond=0)
        stamp = (time.replace(second=0) if about_a_run else time).isoformat()
        told = {"time": stamp, "level": record.levelname.lower(), "event": event, **shown}
        if self._json:
            return json.dumps(told)
        more = " ".join(f"{name}={value.replace(' ', '-')}" for name, value in shown.items())
        return f"{stamp} {told['level']} {event} {more}".rstrip()


def _fits(name: str, value: str) -> bool:
    form = _FORMS.get(name)
    return form is not None and re.fullmatch(form, value) is not None


def log_lines_to_stderr(form: str) -> None:
    """From now on this process writes lines on stderr: ``text`` for people, ``json`` for programs.

    Warnings of Python and of libraries become lines too, without their words.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(form))
    for logger in (logging.getLogger(_OWN), logging.getLogger()):
        logger.handlers[:] = [handler]
    logging.getLogger().setLevel(logging.WARNING)
    logging.captureWarnings(True)
