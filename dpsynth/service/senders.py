"""How one notice is sent: as JSON to a webhook, as plain text by e-mail. Ids and links, in ASCII.

Each sending ends within LIMIT_SECONDS, whatever the other side does. A webhook is reached by https, or by
http on this machine only; its answer is not read and a redirection is not followed. A mail server that
offers STARTTLS gets nothing in the clear.
"""

from __future__ import annotations

import hmac
import http.client
import json
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import urlsplit

from dpsynth.service.outbox import KINDS, Settings

__all__ = ["LOCAL", "SIGNATURE", "Notice", "Undelivered", "send_email", "send_webhook"]

LOCAL = ("localhost", "127.0.0.1", "::1")
SIGNATURE = "X-Dpsynth-Signature"
LIMIT_SECONDS = 10.0
_WAIT_SECONDS = 5.0
_DIGEST = "sha256"


class Undelivered(Exception):
    """The other side did not take the notice; the text is one of a few fixed words."""


@dataclass(frozen=True)
class Notice:
    """What is sent. ``id`` is the same at each repetition.

    Attributes:
        id: of the notice.
        kind: one of KINDS.
        about: id of a request, a proposed policy or a dataset, or "".
        link: page where one sees more, after signing in.
        time: when it was written, ISO 8601, UTC.
    """

    id: str
    kind: str
    about: str
    link: str
    time: str


def send_webhook(url: str, key: bytes, notice: Notice) -> None:
    """POST the notice as JSON, signed with HMAC-SHA-256 over the body. Raises Undelivered."""
    body = json.dumps(notice.__dict__, sort_keys=True).encode("ascii")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "dpsynth",
        "Idempotency-Key": notice.id,
        SIGNATURE: f"{_DIGEST}={hmac.digest(key, body, _DIGEST).hex()}",
    }
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    with _bounded(lambda: connection.sock):
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    if not 200 <= status < 300:
        raise Undelivered("refused")


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=_WAIT_SECONDS, context=context)
    if host not in LOCAL:
        raise Undelivered("not https")
    return http.client.HTTPConnection(host, port, timeout=_WAIT_SECONDS)


def send_email(where: Settings, notice: Notice) -> None:
    """Hand the notice to the mail server. Raises Undelivered."""
    host, _, port = where.smtp.rpartition(":") if ":" in where.smtp else (where.smtp, "", "25")
    smtp = smtplib.SMTP(timeout=_WAIT_SECONDS)
    with _bounded(lambda: smtp.sock):
        try:
            smtp.connect(host, int(port))
            smtp.ehlo()
            if smtp.has_extn("starttls"):
                smtp._host = host  # type: ignore[attr-defined]  # whose name the certificate must bear
                smtp.starttls(context=ssl.create_default_context())
                smtp.ehlo()
            smtp.send_message(_message(where, notice))
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()  # it was taken: how the other side says goodbye does not matter
        finally:
            smtp.close()


def _message(where: Settings, notice: Notice) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"dpsynth: {notice.kind.replace('_', ' ')}" + (notice.about and f" ({notice.about})")
    message["From"], message["To"] = where.sender, where.email
    message["Date"] = format_datetime(datetime.fromisoformat(notice.time))
    message["Message-ID"] = f"<{notice.id}@dpsynth.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [KINDS[notice.kind], "", f"About: {notice.about or 'this installation'}"]
    lines += [f"Open: {notice.link}"] if notice.link else []
    lines += [f"Notice: {notice.id}", f"Time: {notice.time}"]
    message.set_content("\n".join(lines) + "\n", charset="us-ascii", cte="7bit")
    return message


@contextmanager
def _bounded(connected: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Cut the connection when the time is over; every failure of the other side becomes Undelivered."""
    over = threading.Event()

    def cut() -> None:
        over.set()
        if (open_socket := connected()) is not None:
            with suppress(OSError):
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)

    timer = threading.Timer(LIMIT_SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except ssl.SSLError as error:
        raise Undelivered("too slow" if over.is_set() else "no trusted TLS") from error
    except TimeoutError as error:
        raise Undelivered("too slow") from error
    except (OSError, http.client.HTTPException, smtplib.SMTPException) as error:
        raise Undelivered("too slow" if over.is_set() else _why(error)) from error
    finally:
        timer.cancel()


def _why(error: Exception) -> str:
    refused = isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused)
    return "refused" if refused else "not reachable"
