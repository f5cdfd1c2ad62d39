"""Publishing to an object store: Arrow's real S3 client against a server on this machine that speaks S3.

The server is the least that the client needs. The same walk was made once against moto's S3 server, which
cannot be installed beside this project (it pins an older python-dateutil).
"""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from dpsynth.core.errors import BadInput, Conflict, IntegrityError
from dpsynth.publish import targets
from dpsynth.publish.files import ATTESTATION
from dpsynth.publish.targets import deliver, put_file
from dpsynth.publish.verify import verify_bundle

NOW = datetime(2026, 4, 1, tzinfo=UTC)
BUCKET = "shelf"


def unchunked(stream: Any) -> bytes:
    """What was sent in pieces, each after a line with its length in hex, until one of length 0."""
    whole = b""
    while length := int(stream.readline().partition(b";")[0], 16):
        whole += stream.read(length)
        stream.readline()
    while stream.readline().strip():
        """Trailers, such as a checksum."""
    return whole


class Shelf(BaseHTTPRequestHandler):
    """One bucket in memory: put, get, head, list, and uploads in parts."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes] = {}  # noqa: RUF012 - one store for the whole server
    parts: dict[tuple[str, int], bytes] = {}  # noqa: RUF012
    numbers = itertools.count()

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def _asked(self) -> tuple[str, str, dict[str, str]]:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).strip("/").partition("/")
        return bucket, key, {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}

    def _answer(self, status: int, body: bytes = b"", head: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = unchunked(self.rfile)
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return unchunked(io.BytesIO(data)) if self.headers.get("Content-Encoding") == "aws-chunked" else data

    def do_PUT(self) -> None:
        bucket, key, query = self._asked()
        data = self._body()
        if bucket != BUCKET:
            self._answer(404)
        elif "uploadId" in query:
            self.parts[query["uploadId"], int(query["partNumber"])] = data
            self._answer(200)
        else:
            self.objects[key] = data
            self._answer(200)

    def do_POST(self) -> None:
        bucket, key, query = self._asked()
        self._body()
        if bucket != BUCKET:
            self._answer(404)
        elif "uploads" in query:
            self._xml("InitiateMultipartUploadResult", f"<UploadId>u{next(self.numbers)}</UploadId>")
        else:
            mine = sorted(part for part in self.parts if part[0] == query["uploadId"])
            self.objects[key] = b"".join(self.parts.pop(part) for part in mine)
            self._xml("CompleteMultipartUploadResult", '<ETag>"e"</ETag>')

    def do_DELETE(self) -> None:
        self.objects.pop(self._asked()[1], None)
        self._answer(204)

    def do_HEAD(self) -> None:
        self.do_GET(head=True)

    def do_GET(self, head: bool = False) -> None:
        bucket, key, query = self._asked()
        if bucket == BUCKET and not key:
            self._list(query)
        elif bucket != BUCKET or key not in self.objects:
            self._answer(404, head=head)
        elif found := self.headers.get("Range", ""):
            first, _, last = found.removeprefix("bytes=").partition("-")
            self._answer(206, self.objects[key][int(first) : int(last) + 1], head)
        else:
            self._answer(200, self.objects[key], head)

    def _list(self, query: dict[str, str]) -> None:
        prefix, mark = query.get("prefix", ""), query.get("delimiter", "")
        names = sorted(name for name in self.objects if name.startswith(prefix))
        deep = {name for name in names if mark and mark in name[len(prefix) :]}
        folders = {prefix + name[len(prefix) :].partition(mark)[0] + mark for name in deep}
        files = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.objects[name])}</Size>"
            "<LastModified>2026-03-01T12:00:00.000Z</LastModified></Contents>"
            for name in names
            if name not in deep
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders)
        )
        count = len(names) - len(deep) + len(folders)
        self._xml(
            "ListBucketResult", f"<KeyCount>{count}</KeyCount><IsTruncated>false</IsTruncated>{files}{common}"
        )

    def _xml(self, name: str, inside: str) -> None:
        self._answer(200, f"<?xml version='1.0'?><{name}>{inside}</{name}>".encode())


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a folder in a bucket of a server on this machine."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    Shelf.objects.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    place = f"127.0.0.1:{server.server_port}"
    yield f"s3://{BUCKET}/out?endpoint_override={place}&scheme=http&region=us-east-1"
    server.shutdown()
    server.server_close()
    thread.join()


def fetched(folder: Path) -> Path:
    """What a reader downloads."""
    for key, data in Shelf.objects.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    return folder / "out" / "r1"


def test_a_release_in_a_bucket_verifies_and_delivering_again_changes_nothing(
    shelf: str, bundle: Path, office: Any, tmp_path: Path
) -> None:
    assert deliver(bundle, shelf).startswith(f"s3://{BUCKET}/out/r1?")
    before = dict(Shelf.objects)
    assert verify_bundle(fetched(tmp_path / "got"), office.trust, NOW).lines
    deliver(bundle, shelf)
    assert Shelf.objects == before
    Shelf.objects["out/r1/README.md"] = b"another"
    with pytest.raises(Conflict, match="changed one"):
        deliver(bundle, shelf)


def test_an_upload_that_broke_off_never_verifies_and_is_completed_by_the_next(
    shelf: str, bundle: Path, office: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = targets._write

    def broken(store: Any, path: str, data: bytes) -> None:
        original(store, path, data[: len(data) // 2] if path.endswith("run.json") else data)
        if path.endswith("run.json"):
            raise OSError("the line went down")

    with monkeypatch.context() as patch:
        patch.setattr(targets, "_write", broken)
        with pytest.raises(BadInput, match="publish again"):
            deliver(bundle, shelf)
    assert f"out/r1/{ATTESTATION}" not in Shelf.objects
    with pytest.raises(IntegrityError, match=ATTESTATION):
        verify_bundle(fetched(tmp_path / "half"), office.trust, NOW)
    deliver(bundle, shelf)
    assert verify_bundle(fetched(tmp_path / "whole"), office.trust, NOW).lines


def test_a_list_is_put_over_the_older_one_and_another_bucket_is_bad_input(shelf: str, bundle: Path) -> None:
    for data in (b"old", b"newer"):
        put_file(shelf, "revocations.json", data)
    assert Shelf.objects == {"out/revocations.json": b"newer"}
    with pytest.raises(BadInput, match="cannot be used to publish to"):
        deliver(bundle, shelf.replace(BUCKET, "nosuch"))
