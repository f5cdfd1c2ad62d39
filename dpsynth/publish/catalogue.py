"""The catalogue: one static page that lists what was published, what was promised and what was revoked.

It needs no script and nothing from elsewhere, so any web server can hand it out. Everything on it stands in
the bundles' own privacy statements, which are public, or in the list of revocations.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dpsynth.audit.page_html import definitions, document, listing, paragraph, section, table
from dpsynth.publish.inputs import utc_text
from dpsynth.publish.revocation import REASONS, REVOCATIONS, SENTENCE, Revoked
from dpsynth.publish.statement_page import worked_example

__all__ = ["Listed", "catalogue_page", "listed"]

_SOON = timedelta(days=30)
_TITLE = "Published synthetic data"
_HOW = (
    "Get the public keys of the approvers and of the service over another channel than this page.",
    "Fetch the release, and the list of revoked releases, which lies beside this page.",
    f"Run: dpsynth-verify DIRECTORY-OF-THE-RELEASE --keys DIRECTORY-OF-KEYS --revocations {REVOCATIONS}",
    "It needs no account and no network, and ends with exit code 0, or 5 and the name of what fails.",
)


@dataclass(frozen=True)
class Listed:
    """One release on the page: its state in a word, and the public facts of its statement.

    ``until`` is the end of the permission, its extension included; ``extended``: whether it has one.
    """

    release_id: str
    state: str
    statement: Mapping[str, Any]
    revoked: Revoked | None
    until: str
    extended: bool


def listed(
    statement: Mapping[str, Any], revoked: Revoked | None, now: datetime, extended: str = ""
) -> Listed:
    """A release as it stands at a moment: published, expiring (within 30 days), expired or revoked.

    ``extended`` is the end of its extension in force, or "".
    """
    until = max(str(statement["expires"]), extended)
    expires = datetime.strptime(until, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    if revoked is not None:
        state = "revoked"
    elif now >= expires:
        state = "expired"
    else:
        state = "expiring" if expires - now <= _SOON else "published"
    return Listed(str(statement["release_id"]), state, statement, revoked, until, bool(extended))


def catalogue_page(releases: Sequence[Listed], now: datetime) -> str:
    """The page as HTML; the same releases and moment give the same bytes."""
    usable = [one for one in releases if one.state in ("published", "expiring")]
    over = [one for one in releases if one.state in ("expired", "revoked")]
    parts = [
        f"<h1>{_TITLE}</h1>",
        paragraph(f"As of {utc_text(now)}. {SENTENCE}"),
        paragraph(_NO_PERSON),
        section("Releases that may be used", *map(_release, usable), *_none(usable)),
        section("Expired and revoked", paragraph(_OVER), *map(_release, over), *_none(over)),
        section("Revoked releases", *_revoked(releases)),
        section("How to verify a release", listing(_HOW)),
    ]
    return document(_TITLE, "".join(parts))


_NO_PERSON = "No row stands for a person. Do not use these data for decisions about individuals."
_EXTENDED = " (extended; verify it with --extension extension-{}.json, which lies beside this page)"
_OVER = "Their permission has ended. Copies that exist should be deleted; verification fails for them."


def _none(releases: Sequence[Listed]) -> list[str]:
    return [] if releases else [paragraph("None.")]


def _promise(guarantee: Mapping[str, Any], unit: Mapping[str, Any]) -> str:
    relies = guarantee.get("relies_on")
    word = (
        "" if relies is None else f" This promise {relies['plain']}; the numbers are that library's own word."
    )
    return (
        f"epsilon {guarantee['epsilon']} at delta {guarantee['delta']}, rho {guarantee['rho']} "
        f"({guarantee['variant']}), for each {unit['kind']}.{word}"
    )


def _release(one: Listed) -> str:
    said, policy = one.statement, one.statement["policy"]
    guarantee = said["guarantee"]
    facts = [
        ("State", _state(one)),
        ("Release", one.release_id),
        ("Promise", _promise(guarantee, said["unit"])),
        ("Worked example", worked_example(guarantee["epsilon"], guarantee["delta"])),
        ("Protected unit", said["unit"]["plain"]),
        ("Rows", said["rows"]),
        ("Audits", f"{said['audits']['result']}. {said['audits']['limits']}"),
        ("Policy", f"{policy['id']}, version {policy['version']}"),
        ("Issued", said["issued"]),
        ("Use permitted until", f"{one.until}{_EXTENDED.format(one.release_id) if one.extended else ''}"),
    ]
    return f"<article><h3>{html.escape(policy['title'])}</h3>{definitions(facts)}</article>"


def _state(one: Listed) -> str:
    if one.revoked is not None:
        return f"Revoked on {one.revoked.time}: {REASONS.get(one.revoked.reason, 'another reason')}"
    words = {
        "published": "Published",
        "expiring": "Published; the permission ends within 30 days",
        "expired": f"Expired on {one.until}",
    }
    return words[one.state]


def _revoked(releases: Sequence[Listed]) -> list[str]:
    found = [one.revoked for one in releases if one.revoked is not None]
    if not found:
        return [paragraph("None was revoked.")]
    rows = [(one.release_id, one.time, REASONS.get(one.reason, "another reason")) for one in found]
    note = f"The signed list is {REVOCATIONS}; it decides, not this page."
    return [paragraph(note), table(("Release", "Revoked on", "Reason"), rows, "Revoked releases")]
