"""Real receivers that are well, down, slow, hostile: each notice arrives at least once, and nobody waits."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dpsynth.core.errors import BadInput, IntegrityError, PolicyRefusal
from dpsynth.service import Platform, senders
from dpsynth.service.outbox import KINDS, Settings, post

NOW = 2_000_000_000


@pytest.fixture
def people(tmp_path: Path) -> Platform:
    """A platform with people and no table."""
    platform = Platform.open(tmp_path / "state")
    for person, role in (("carol", "compliance_officer"), ("sam", "data_scientist"), ("ada", "auditor")):
        platform.add_person(person, person.title(), (role,))
    return platform


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "_WAIT_SECONDS", 0.5)
    monkeypatch.setattr(senders, "LIMIT_SECONDS", 1.0)


def mail_settings(port: int, **more: str) -> Settings:
    return Settings(
        email="officers@example.org", smtp=f"localhost:{port}", sender="dpsynth@example.org", **more
    )


def write(platform: Platform, *abouts: str) -> None:
    with platform._store.write() as connection:
        for about in abouts:
            post(connection, "your_turn", about)


def waiting(platform: Platform) -> list[str]:
    with platform._store.read() as connection:
        rows = connection.execute(text("SELECT about FROM notice WHERE sent = '' ORDER BY about"))
        return [row.about for row in rows]


def test_without_a_setting_nothing_is_written_and_nobody_is_called(people: Platform, web: Any) -> None:
    write(people, "r-1")
    people.notices.deliver(NOW)
    people.notices.set("carol", Settings(webhook=web.url))
    people.notices.deliver(NOW)
    assert web.got == []
    assert waiting(people) == []


def test_a_webhook_gets_signed_json_of_ids_and_links(people: Platform, web: Any, tmp_path: Path) -> None:
    people.notices.set("carol", Settings(webhook=web.url + "/hook?team=x", link="https://pages.example.org/"))
    write(people, "r-0123456789ab")
    people.notices.deliver(NOW)
    (headers, body), said = web.got[0], json.loads(web.got[0][1])
    assert len(web.got) == 1
    assert set(said) == {"id", "kind", "about", "link", "time"}
    assert (said["kind"], said["about"]) == ("your_turn", "r-0123456789ab")
    assert said["link"] == "https://pages.example.org/?request=r-0123456789ab"
    assert headers["idempotency-key"] == said["id"]
    key = tmp_path / "state" / "secrets" / "notices.key"
    assert key.stat().st_mode & 0o777 == 0o600
    mac = hmac.new(bytes.fromhex(key.read_text()), body, hashlib.sha256).hexdigest()
    assert headers[senders.SIGNATURE.lower()] == f"sha256={mac}"
    assert waiting(people) == []


def test_a_message_is_plain_ascii_with_the_notices_id(people: Platform, mail: Any) -> None:
    people.notices.set("carol", mail_settings(mail.port, link="http://localhost:8501"))
    write(people, "r-0123456789ab")
    people.notices.deliver(NOW)
    (message,) = mail.got
    assert message["Subject"] == "dpsynth: your turn (r-0123456789ab)"
    assert message.get_content_type() == "text/plain"
    assert message.get_content_charset() == "us-ascii"
    assert "http://localhost:8501/?request=r-0123456789ab" in message.get_payload()
    assert message["Message-ID"].startswith("<n-")
    assert mail.recipients == ["officers@example.org"]


@pytest.mark.parametrize("status", [500, 503, 404, 301, 302, 307, 0])
def test_what_a_webhook_does_not_take_waits_and_is_tried_again_with_the_same_id(
    people: Platform, web: Any, status: int
) -> None:
    people.notices.set("carol", Settings(webhook=web.url))
    write(people, "r-1", "r-2")
    web.status = status
    people.notices.deliver(NOW)
    assert len(web.got) == 1  # one attempt for all that wait, and a redirection is not followed
    people.notices.deliver(NOW + 1)
    assert len(web.got) == 1
    assert people.notices.show("ada")[1] == ("webhook",)
    web.status = 204
    people.notices.deliver(NOW + 3600)
    ids = [json.loads(body)["id"] for _, body in web.got]
    assert ids.count(ids[0]) == 2
    assert len(set(ids)) == 2
    assert waiting(people) == []


def test_delays_grow_and_end_at_an_hour(people: Platform, web: Any) -> None:
    people.notices.set("carol", Settings(webhook=web.url))
    write(people, "r-1")
    web.status, moments = 500, []
    for moment in range(NOW, NOW + 6 * 3600, 10):
        before = len(web.got)
        people.notices.deliver(moment)
        if len(web.got) > before:
            moments.append(moment)
    gaps = [late - early for early, late in pairwise(moments)]
    assert gaps[:3] == [60, 120, 240]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 3600


def test_an_answer_that_never_ends_is_cut(people: Platform, web: Any) -> None:
    web.drip = True
    people.notices.set("carol", Settings(webhook=web.url))
    write(people, "r-1")
    people.notices.deliver(NOW)  # returns: without the cut, each byte would start the wait anew
    assert waiting(people) == ["r-1"]


@pytest.mark.parametrize("channel", ["webhook", "email"])
@pytest.mark.parametrize("place", ["silent", "dead"])
def test_a_target_that_is_down_or_silent_holds_up_neither_the_step_nor_the_other_channel(
    people: Platform, web: Any, mail: Any, kit: Any, channel: str, place: str
) -> None:
    with kit.silent_port() as silent:
        port = silent if place == "silent" else kit.dead_port()
        settings = mail_settings(port if channel == "email" else mail.port)
        hook = web.url if channel == "email" else f"http://localhost:{port}"
        people.notices.set("carol", Settings(**{**settings.__dict__, "webhook": hook}))
        write(people, "r-1", "r-2")
        people.notices.deliver(NOW)
    assert len(mail.got if channel == "webhook" else web.got) == 2
    assert waiting(people) == ["r-1", "r-2"]


@pytest.mark.parametrize("answer", ["451 later", "550 no"])
def test_a_message_that_is_refused_waits(people: Platform, mail: Any, answer: str) -> None:
    people.notices.set("carol", mail_settings(mail.port))
    write(people, "r-1")
    mail.answer = answer
    people.notices.deliver(NOW)
    assert waiting(people) == ["r-1"]
    mail.answer = "250 OK"
    people.notices.deliver(NOW + 3600)
    assert len(mail.got) == 1


def test_a_worker_that_died_after_sending_leaves_it_to_be_sent_again(people: Platform, web: Any) -> None:
    people.notices.set("carol", Settings(webhook=web.url))
    write(people, "r-1")
    real = people.notices._send

    def die(*arguments: Any) -> bool:
        real(*arguments)
        raise KeyboardInterrupt

    people.notices._send = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        people.notices.deliver(NOW)
    people.notices._send = real  # type: ignore[method-assign]
    people.notices.deliver(NOW + 1)  # another worker may still be sending it
    assert len(web.got) == 1
    people.notices.deliver(NOW + 61)
    ids = [json.loads(body)["id"] for _, body in web.got]
    assert len(ids) == 2
    assert ids[0] == ids[1]


def test_two_workers_send_each_notice_once(people: Platform, web: Any, tmp_path: Path) -> None:
    import threading

    people.notices.set("carol", Settings(webhook=web.url))
    write(people, *(f"r-{number}" for number in range(12)))
    others = [Platform.open(tmp_path / "state") for _ in range(3)]
    threads = [threading.Thread(target=one.notices.deliver, args=(NOW,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    abouts = sorted(json.loads(body)["about"] for _, body in web.got)
    assert abouts == sorted(f"r-{number}" for number in range(12))


def test_tls_is_checked_and_used(
    people: Platform, kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = kit.certificate(tmp_path)
    server, postman = kit.WebServer(), kit.MailServer()
    server.use_tls(context)
    with server.running(), postman.running(context):
        settings = mail_settings(postman.port)
        people.notices.set("carol", Settings(**{**settings.__dict__, "webhook": server.url}))
        write(people, "r-1")
        people.notices.deliver(NOW)
        assert (server.got, postman.got) == ([], [])  # nobody vouches for the certificate: nothing is sent
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        people.notices.deliver(NOW + 3600)
    assert (len(server.got), len(postman.got), postman.in_clear) == (1, 1, [])


@pytest.mark.parametrize(
    "wrong",
    [
        Settings(webhook="http://example.org/hook"),
        Settings(webhook="ftp://localhost/hook"),
        Settings(webhook="https://user:secret@example.org/hook"),
        Settings(webhook="https:///hook"),
        Settings(webhook="https://example.org:port/"),
        Settings(webhook="https://example.org/\r\nX-Evil: 1"),
        Settings(webhook="https://localhost.example.org/#x"),
        Settings(webhook="http://localhost@example.org/"),
        Settings(email="team@example.org"),
        Settings(email="team@example.org", smtp="mail", sender="a@b\r\nBcc: eve@example.org"),
        Settings(email="t@example.org, eve@example.org", smtp="mail", sender="a@b"),
        Settings(email="team@example.org", smtp="mail:port", sender="a@b"),
        Settings(webhook="https://example.org", link="javascript:alert(1)"),
    ],
)
def test_an_address_that_could_be_misused_is_bad_input(people: Platform, wrong: Settings) -> None:
    with pytest.raises(BadInput):
        people.notices.set("carol", wrong)
    assert people.notices.show("carol")[0] == Settings()


def test_only_those_who_answer_for_it_set_and_see_notices_and_the_chain_names_them(
    people: Platform, web: Any
) -> None:
    for person in ("sam", "ada"):
        with pytest.raises(PolicyRefusal):
            people.notices.set(person, Settings(webhook=web.url))
        with pytest.raises(PolicyRefusal):
            people.notices.test(person)
    with pytest.raises(PolicyRefusal):
        people.notices.show("sam")
    people.notices.set("carol", Settings(webhook=web.url))
    entry = people.ledger_entries("ada")[-1]
    assert (entry.kind, entry.body["actor"], entry.body["channels"]) == ("notices", "carol", ["webhook"])
    assert web.url not in json.dumps(entry.body)
    assert people.verify_ledger()


def test_settings_changed_behind_the_ledgers_back_are_found(people: Platform, web: Any) -> None:
    people.notices.set("carol", Settings(webhook=web.url))
    with people._store.write() as connection:
        connection.execute(text("UPDATE notice_setting SET webhook = 'https://eve.example.org'"))
    with pytest.raises(IntegrityError, match="Where notices go"):
        people.verify_ledger()


def test_switched_off_drops_what_waits_and_a_new_target_gets_what_waited(
    people: Platform, web: Any, kit: Any
) -> None:
    people.notices.set("carol", Settings(webhook=f"http://localhost:{kit.dead_port()}"))
    write(people, "r-1")
    people.notices.deliver(NOW)
    people.notices.set("carol", Settings(webhook=web.url))
    people.notices.deliver(NOW)
    assert len(web.got) == 1
    people.notices.set("carol", Settings())
    write(people, "r-2")
    assert waiting(people) == []
    assert people.verify_ledger()


def test_every_kind_of_notice_can_be_sent_and_an_about_that_is_no_id_is_left_out(
    people: Platform, web: Any, mail: Any
) -> None:
    settings = mail_settings(mail.port)
    people.notices.set("carol", Settings(**{**settings.__dict__, "webhook": web.url}))
    with people._store.write() as connection:
        for kind in KINDS:
            post(connection, kind, "Sam Rivera wants 918273645", kind)
    people.notices.deliver(NOW)
    assert {json.loads(body)["kind"] for _, body in web.got} == set(KINDS)
    assert len(mail.got) == len(KINDS)
    assert "918273645" not in str([*web.got, *map(str, mail.got)])


def test_an_alarm_is_sent_once_though_nothing_can_be_written(
    tmp_path: Path, web: Any, make_backup: Callable[[Path], Callable[[], None]]
) -> None:
    sink = tmp_path / "sink"
    sink.mkdir()

    def start() -> Platform:
        return Platform.open(tmp_path / "state", checkpoints=f"dir:{sink}")

    platform = start()
    platform.add_person("carol", "Carol", ("compliance_officer",))
    platform.notices.set("carol", Settings(webhook=web.url))
    restore = make_backup(tmp_path / "state")
    platform.add_person("dana", "Dana", ("data_owner",))
    platform._store.close()
    restore()
    for web.status, arrived in ((500, 1), (200, 2), (200, 2)):
        with pytest.raises(IntegrityError, match="read-only"):
            start().run_forever("worker", 0.05)
        assert len(web.got) == arrived
    first, second = (json.loads(body) for _, body in web.got)
    assert first["kind"] == second["kind"] == "alarm"
    assert first["id"] == second["id"]
