"""Real receivers of notices on this machine: a web server and a mail server that can misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class WebServer:
    """Keeps what it is sent; ``status`` is what it answers, and 0 that it never does."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.drip = False
        self._stop = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                if outer.status == 0:
                    outer._stop.wait(20)
                    return
                if outer.drip:
                    outer._drip(self.wfile)
                    return
                self.send_response(outer.status)
                if 300 <= outer.status < 400:
                    self.send_header("Location", outer.url + "/elsewhere")
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.scheme = "http"

    def use_tls(self, context: ssl.SSLContext) -> None:
        self.scheme = "https"
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self._server.server_address[1]}"

    def _drip(self, stream: Any) -> None:
        """An answer that never ends, a byte at a time, so that no single wait is too long."""
        try:
            stream.write(b"HTTP/1.1 ")
            while not self._stop.wait(0.05):
                stream.write(b"x")
                stream.flush()
        except OSError:
            pass

    @contextmanager
    def running(self) -> Iterator[WebServer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class MailServer:
    """Keeps the messages it is sent; ``answer`` is its word about each."""

    def __init__(self) -> None:
        self.answer = "250 OK"
        self.got: list[Message] = []
        self.recipients: list[str] = []
        self.in_clear: list[str] = []
        self.port = 0

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("2"):
            self.got.append(message_from_bytes(envelope.content))
            self.recipients += envelope.rcpt_tos
            if session.ssl is None:
                self.in_clear.append("message")
        return self.answer

    @contextmanager
    def running(self, tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        more = {"tls_context": tls, "require_starttls": False} if tls else {}
        controller = Controller(self, hostname="127.0.0.1", port=self.port, **more)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def dead_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        return int(gone.getsockname()[1])


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for ``localhost`` and the file of the authority that signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "private.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return context, chain


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer().running() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer().running() as server:
        yield server


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """What the tests share: this directory has no package to import it from."""
    return SimpleNamespace(
        WebServer=WebServer,
        MailServer=MailServer,
        silent_port=silent_port,
        dead_port=dead_port,
        certificate=certificate,
    )


@pytest.fixture
def make_backup(tmp_path: Path) -> Callable[[Path], Callable[[], None]]:
    """Copies a state's database now, and gives what puts the copy back."""

    def copy(state: Path) -> Callable[[], None]:
        names = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")
        kept = {name: (state / name).read_bytes() for name in names if (state / name).exists()}

        def restore() -> None:
            for name in names:
                (state / name).unlink(missing_ok=True)
            for name, data in kept.items():
                (state / name).write_bytes(data)

        return restore

    return copy
