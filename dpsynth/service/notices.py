"""Notices: who may set where they go, and the step that delivers them. Off until somebody sets it.

Delivery is at least once: a notice is marked as taken up before it is sent and as sent afterwards, and a
process that dies between the two leaves it to be sent again, under the same id. What could not be delivered
is tried again after growing delays, all notices of that channel together, so that a target which hangs costs
a worker one attempt a delay. Deliveries are no changes of state and leave no entry in the chain.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Row, delete, select, update
from sqlalchemy.exc import OperationalError

from dpsynth.core.errors import BadInput, Conflict
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.service.clock import iso_now, unix_now
from dpsynth.service.interrupts import Interrupts
from dpsynth.service.logs import tell
from dpsynth.service.outbox import Settings, notice_id, post, settings, settings_sha256
from dpsynth.service.people import require_role
from dpsynth.service.reminders import post_reminders
from dpsynth.service.senders import LOCAL, Notice, Undelivered, send_email, send_webhook
from dpsynth.service.tables import notice_settings, notices

__all__ = ["KEY_FILE", "Notices"]

KEY_FILE = "notices.key"
"""Name of the webhooks' HMAC key among the secrets: 64 hex digits, for whoever checks the signatures."""

_SETTERS = ("compliance_officer", "data_owner", "admin")
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_SERVER = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
_TAKEN_SECONDS = 60
_FIRST_DELAY, _LONGEST_DELAY = 60, 3600
_AT_ONCE = 20
_REMIND_SECONDS = 60


class Notices:
    """Settings and delivery of one installation.

    Args:
        store: the database.
        home: the state directory.
        witnessed: the context in which state is changed.
    """

    def __init__(
        self, store: Store, home: Path, witnessed: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._store = store
        self._home = home
        self._witnessed = witnessed
        self._reminded = 0

    def show(self, actor: str) -> tuple[Settings, tuple[str, ...]]:
        """Where notices go, and the channels in which some wait after a failed attempt."""
        with self._store.read() as connection:
            require_role(connection, actor, *_SETTERS, "auditor")
            late = select(notices.c.channel).where(notices.c.sent == "", notices.c.tries > 0).distinct()
            return settings(connection), tuple(sorted(row.channel for row in connection.execute(late)))

    def set(self, actor: str, wanted: Settings) -> Settings:
        """Say where notices go from now on; what waits goes there too. All empty switches notices off.

        Raises BadInput for an address that is none, PolicyRefusal for other roles.
        """
        _check(wanted)
        with self._witnessed(), self._store.write() as connection:
            require_role(connection, actor, *_SETTERS)
            connection.execute(delete(notice_settings))
            if wanted.channels:
                told = {"id": 1, "actor": actor, "time": iso_now()}
                connection.execute(notice_settings.insert().values(**told, **wanted.__dict__))
            waiting = notices.c.sent == ""
            connection.execute(delete(notices).where(waiting, notices.c.channel.not_in(wanted.channels)))
            connection.execute(update(notices).where(waiting).values(next_try=0))
            sha256 = settings_sha256(wanted)
            append(connection, "notices", actor=actor, channels=list(wanted.channels), settings_sha256=sha256)
            if wanted.webhook:
                self._make_key()
        return wanted

    def test(self, actor: str) -> None:
        """Put a notice into the outbox that tells of nothing, and deliver what is due."""
        with self._store.write() as connection:
            require_role(connection, actor, *_SETTERS)
            post(connection, "test", "", secrets.token_hex(8))
        self.deliver()

    def deliver(self, now: int | None = None) -> None:
        """Send what is due at ``now`` (Unix seconds; by default the present). Fails for nobody but a log.

        A database that is busy is left for the next step. A read-only ledger's alarm is sent past the
        outbox, which can take nothing any more.
        """
        moment = unix_now() if now is None else now
        with suppress(OperationalError, Conflict):
            with self._store.read() as connection:
                found = settings(connection)
            if not found.channels:
                return
            if self._store.frozen:
                self._alarm(found)
                return
            self._remind(moment)
            for channel in found.channels:
                self._deliver_due(found, channel, moment)

    def _remind(self, moment: int) -> None:
        if abs(moment - self._reminded) >= _REMIND_SECONDS:
            self._reminded = moment
            post_reminders(self._store, moment)

    def _deliver_due(self, found: Settings, channel: str, moment: int) -> None:
        for _ in range(_AT_ONCE):
            row = self._take_up(channel, moment)
            if row is None:
                return
            notice = Notice(row.id, row.kind, row.about, _link(found.link, row.about), row.made)
            if not self._send(found, channel, notice):
                self._postpone(channel, moment + min(_FIRST_DELAY * 2 ** min(row.tries, 12), _LONGEST_DELAY))
                return
            mine = (notices.c.id == row.id) & (notices.c.channel == channel)
            with self._store.write() as connection:
                connection.execute(update(notices).where(mine).values(sent=iso_now()))

    def _take_up(self, channel: str, moment: int) -> Row[tuple[object, ...]] | None:
        """The oldest notice that is due, kept from other workers for a while; without a lock if none is."""
        due = (notices.c.channel == channel) & (notices.c.sent == "") & (notices.c.next_try <= moment)
        query = select(notices).where(due).order_by(notices.c.seq, notices.c.id).limit(1)
        with self._store.read() as connection:
            if connection.execute(query).first() is None:
                return None
        with self._store.write() as connection:
            row = connection.execute(query).first()
            if row is not None:
                mine = (notices.c.id == row.id) & (notices.c.channel == channel)
                values = {"next_try": moment + _TAKEN_SECONDS, "tries": row.tries + 1}
                connection.execute(update(notices).where(mine).values(**values))
        return row

    def _postpone(self, channel: str, until: int) -> None:
        waiting = (notices.c.channel == channel) & (notices.c.sent == "") & (notices.c.next_try < until)
        with self._store.write() as connection:
            connection.execute(update(notices).where(waiting).values(next_try=until))

    def _send(self, found: Settings, channel: str, notice: Notice) -> bool:
        """Whether the other side took it. SIGINT and SIGTERM may end the sending, and nothing else here."""
        about = {"notice": notice.id, "kind": notice.kind, "channel": channel}
        try:
            with Interrupts() as interrupts, interrupts.allowed():
                if channel == "webhook":
                    send_webhook(found.webhook, self._key(), notice)
                else:
                    send_email(found, notice)
        except Undelivered as error:
            tell("notice not delivered", logging.WARNING, outcome=str(error), **about)
            return False
        tell("notice delivered", **about)
        return True

    def _alarm(self, found: Settings) -> None:
        """Sent once for each reason and channel: what was delivered is remembered in a file."""
        name = notice_id("alarm", "", self._store.frozen)
        for channel in found.channels:
            mark = self._home / "notices" / f"{name}.{channel}"
            if mark.exists():
                continue
            if self._send(found, channel, Notice(name, "alarm", "", _link(found.link, ""), iso_now())):
                with suppress(OSError):
                    mark.parent.mkdir(mode=0o700, exist_ok=True)
                    mark.touch(mode=0o600)

    def _make_key(self) -> None:
        path = self._home / "secrets" / KEY_FILE
        if not path.exists():
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(secrets.token_hex(32), encoding="ascii")

    def _key(self) -> bytes:
        try:
            return bytes.fromhex((self._home / "secrets" / KEY_FILE).read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise Undelivered("no key") from error


def _link(base: str, about: str) -> str:
    """Where one sees more: a request's own page, or else the start page."""
    if not base:
        return ""
    return f"{base.rstrip('/')}/?request={about}" if about.startswith("r-") else f"{base.rstrip('/')}/"


def _check(wanted: Settings) -> None:
    mail = (wanted.email, wanted.smtp, wanted.sender)
    if any(mail) and not all(mail):
        raise _bad("E-mail needs a recipient, a mail server and a sender", "--email with --smtp and --from")
    if wanted.email and not (_ADDRESS.fullmatch(wanted.email) and _ADDRESS.fullmatch(wanted.sender)):
        raise _bad("An e-mail address cannot be used", "one address in ASCII, as in team@example.org")
    if wanted.smtp and not _SERVER.fullmatch(wanted.smtp):
        raise _bad("The mail server cannot be understood", "HOST or HOST:PORT")
    if wanted.webhook and not _usable(wanted.webhook, LOCAL):
        raise _bad("The webhook cannot be used", "an https address, or http on this machine; no user in it")
    if wanted.link and not _usable(wanted.link, LOCAL):
        raise _bad("The address of the pages cannot be used", "an https address, or http on this machine")


def _usable(url: str, local: tuple[str, ...]) -> bool:
    if not re.fullmatch(r"[!-~]{1,2000}", url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # a port that is no number raises
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in local)
    return bool(host) and safe and parts.username is None and not parts.fragment


def _bad(what: str, allowed: str) -> BadInput:
    return BadInput(what, allowed=allowed, remedy="correct the command; nothing was changed")
