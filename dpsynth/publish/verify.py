"""Offline verification of a release bundle: anyone, no account, no network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from dpsynth.accounting.cost import ZERO
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.gate import fits
from dpsynth.accounting.reserve import entrusted_cost
from dpsynth.accounting.stated import cap_of
from dpsynth.core.canonical import sha256_hex
from dpsynth.core.curator import Entrustment
from dpsynth.core.errors import BadInput, DpsynthError, IntegrityError
from dpsynth.policy.model import Policy
from dpsynth.publish.approvals import approvers_of, check_approvals, people_text
from dpsynth.publish.attestation import open_envelope, signed_policy, statement_of
from dpsynth.publish.candidate import candidate_names, manifest_bytes
from dpsynth.publish.extension import EXTENSION, Extendable, Extended, check_extension
from dpsynth.publish.files import (
    ATTESTATION,
    MANIFEST,
    PROOF,
    UNLISTED,
    list_tree,
    parse_canonical,
    read_file,
)
from dpsynth.publish.inputs import release_guarantee, utc_text
from dpsynth.publish.keys import PublicKey, TrustRoot, load_public_keys
from dpsynth.publish.ledger_proof import Story
from dpsynth.publish.measured import check_measures
from dpsynth.publish.outside import Outside, check_outside
from dpsynth.publish.reliance import trust_of
from dpsynth.publish.standards import check_standards
from dpsynth.publish.statement import guarantee_json
from dpsynth.publish.tables import check_tables

__all__ = ["Outside", "VerifyReport", "load_public_keys", "verify_bundle"]

_SMALL = 2**20
_AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")
_POLICY = "policy.yaml"
_STATEMENT = "privacy-statement.json"


@dataclass(frozen=True)
class VerifyReport:
    """What was verified, one plain line for each fact; ``notes``: what could not be looked at."""

    release_id: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(what, remedy="do not use this release; fetch it again or ask its publisher")


def _read_signed_files(directory: Path, statement: dict[str, Any]) -> dict[str, bytes]:
    """Every file of the bundle, each read once and equal to what the signed manifest says."""
    listing = list_tree(directory)
    listed_bytes = read_file(directory, MANIFEST, _SMALL)
    try:
        signed = {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}
    except (KeyError, TypeError):
        _refuse(f"{ATTESTATION}: the signed statement names no files")
    if signed.get(MANIFEST) != sha256_hex(listed_bytes):
        _refuse(f"{MANIFEST} is not the one that was signed")
    listed = _listed(parse_canonical(listed_bytes, MANIFEST))
    for name in sorted((set(listing) - {PROOF}) ^ (set(listed) | {MANIFEST, ATTESTATION})):
        _refuse(f"{name} is {'missing' if name in listed else 'not in ' + MANIFEST}")
    files = {}
    for name, entry in listed.items():
        if listing[name] != entry["bytes"]:
            _refuse(f"{name} does not have the size that {MANIFEST} states")
        files[name] = read_file(directory, name, entry["bytes"])
        if sha256_hex(files[name]) != entry["sha256"]:
            _refuse(f"{name} does not have the SHA-256 that {MANIFEST} states")
    return files


def _listed(manifest: dict[str, Any]) -> dict[str, Any]:
    listed = manifest.get("files")
    entries = list(listed.values()) if isinstance(listed, dict) else [None]
    for entry in entries:
        if (
            not isinstance(entry, dict)
            or set(entry) != {"sha256", "bytes"}
            or type(entry["bytes"]) is not int
        ):
            _refuse(f"{MANIFEST} does not give SHA-256 and bytes of each file")
    return dict(manifest["files"])


def _load_policy(files: Mapping[str, bytes]) -> Policy:
    try:
        policy = signed_policy(files[_POLICY])
    except KeyError:
        _refuse(f"{_POLICY} is missing")
    except DpsynthError:
        _refuse(f"{_POLICY} is not a policy that this program accepts")
    expected = set(candidate_names(tuple(policy.release.formats)))
    for name in sorted(expected ^ set(files)):
        _refuse(f"{name} is {'missing' if name in expected else 'not a file of a release'}")
    return policy


def _check_statement(
    files: Mapping[str, bytes], statement: dict[str, Any], plan_sha256: str
) -> dict[str, Any]:
    """The signed words are exactly those the files give; returns the predicate."""
    predicate = statement.get("predicate")
    if not isinstance(predicate, dict) or not isinstance(predicate.get("approval"), dict):
        _refuse(f"{ATTESTATION}: the signed statement has no predicate of a release")
    requester, dossier = predicate["approval"].get("requester"), predicate.get("dossier_sha256")
    if not isinstance(requester, str) or not isinstance(dossier, str) or len(dossier) != 64:
        _refuse(f"{ATTESTATION}: requester or dossier digest is missing")
    expected = statement_of(files, requester, dossier)
    for field in sorted(set(expected["predicate"]) | set(predicate)):
        if expected["predicate"].get(field) != predicate.get(field):
            _refuse(f"{ATTESTATION}: predicate field {field} disagrees with the files")
    if expected != statement:
        _refuse(f"{ATTESTATION}: the signed statement does not describe these files")
    audit = parse_canonical(files["audits/audit.json"], "audits/audit.json")
    if audit.get("plan_sha256") != plan_sha256:
        _refuse("audits/audit.json: the audit plan is not the one that policy.yaml pins")
    if predicate["audit"]["result"] not in ("PASSED", "WARNED"):
        _refuse("audits/audit.json: the audits did not pass")
    return predicate


def _check_guarantee(policy: Policy, stated: dict[str, Any], run: dict[str, Any]) -> None:
    guarantee = stated["guarantee"]
    rho_nano = _nano(guarantee, "rho")
    trust = _reliance(policy, run, guarantee)
    mu2_nano = _nano(guarantee, "mu_squared") if guarantee.get("mu_squared") else None
    if mu2_nano is not None and mu2_nano < 2 * rho_nano:
        _refuse(f"{_STATEMENT}: mu_squared is less than any mechanism of that rho has")
    omega, cap = _omega(guarantee), cap_of(policy.budget.per_release)
    mechanism = stated.get("mechanism")
    if omega is None and isinstance(mechanism, dict) and "sampled_gaussian" in str(mechanism.get("events")):
        _refuse(
            f"{_STATEMENT}: a training took part, and the guarantee hides the order up to which rho holds"
        )
    expected = guarantee_json(release_guarantee(policy, rho_nano, mu2_nano, trust, omega))
    # Numbers only: the wording about them may improve between versions of this program.
    numbers = (set(expected) | {"omega"}) - {"conversion", "assumptions"}
    if any(guarantee.get(name) != expected.get(name) for name in numbers):
        _refuse(f"{_STATEMENT}: the guarantee is not the one that its rho gives")
    if rho_nano > cap.rho:
        _refuse(f"{_STATEMENT}: rho is above what {_POLICY} allows for one release")
    if omega is not None and (mu2_nano is not None or trust is not None or omega < cap.omega):
        _refuse(f"{_STATEMENT}: rho does not cover the Renyi orders that {_POLICY} caps")


def _omega(guarantee: dict[str, Any]) -> int | None:
    """The largest Renyi order that rho covers, one of the grid; None where it covers all."""
    said = guarantee.get("omega")
    if said is None:
        return None
    if not isinstance(said, str) or said not in {str(order) for order in ORDERS}:
        _refuse(f"{_STATEMENT}: omega is no Renyi order that is accounted at")
    return int(said)


def _reliance(policy: Policy, run: dict[str, Any], guarantee: dict[str, Any]) -> Entrustment | None:
    """A library that was given rows: stated as such, named by the policy, and within its caps."""
    name = run.get("synthesizer")
    try:
        trust = trust_of(guarantee)
    except (KeyError, TypeError):
        _refuse(f"{_STATEMENT}: what the guarantee relies on is not stated in full")
    if trust is None:
        if ":" in str(name):
            _refuse(f"{_STATEMENT}: the guarantee hides that {name} was given rows")
        return None
    if name != f"{trust.engine}:{trust.method}" or name not in {one.name for one in policy.synthesis.allowed}:
        _refuse(f"{_STATEMENT}: the guarantee relies on a library that {_POLICY} does not allow")
    try:
        cost = entrusted_cost(trust.epsilon, trust.delta)
    except BadInput:
        _refuse(f"{_STATEMENT}: epsilon and delta are no budget of a library")
    if not fits(ZERO, cost, cap_of(policy.budget.per_release)):
        _refuse(f"{_STATEMENT}: the library's budget is above what {_POLICY} allows for one release")
    return trust


def _nano(guarantee: dict[str, Any], name: str) -> int:
    """An amount in nano-units. Refuses what is not a decimal with at most nine digits after the point."""
    if not isinstance(guarantee.get(name), str) or not _AMOUNT.fullmatch(guarantee[name]):
        _refuse(f"{_STATEMENT}: {name} is not a decimal with at most nine digits after the point")
    return int(Decimal(guarantee[name]) * NANO)


def _issued(policy: Policy, predicate: dict[str, Any]) -> datetime:
    try:
        issued = datetime.strptime(predicate["issued"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        _refuse(f"{_STATEMENT}: issued is not a UTC time")
    expires = issued + timedelta(days=policy.release.expires_after_days)
    if predicate["expires"] != utc_text(expires):
        _refuse(f"{_STATEMENT}: expires is not the day that {_POLICY} sets")
    return issued


def _check_time(policy: Policy, predicate: dict[str, Any], now: datetime, extended: Extended | None) -> str:
    """That the permission holds now, by the release itself or by its extension; in a line for people."""
    issued = _issued(policy, predicate)
    if now < issued:
        _refuse(f"{ATTESTATION}: issued on {predicate['issued']}, which is in the future of this clock")
    if extended is None:
        if now >= issued + timedelta(days=policy.release.expires_after_days):
            _refuse(f"{ATTESTATION}: the permission expired on {predicate['expires']}")
        return f"permission: until {predicate['expires']}"
    until = utc_text(extended.until)
    if now >= extended.until:
        _refuse(f"{EXTENSION}: the permission expired on {until}, its extension included")
    stated = predicate["expires"]
    return f"permission: until {until}, extended from {stated} by {extended.people}, and the service"


def verify_bundle(
    directory: Path,
    trust: TrustRoot,
    now: datetime,
    outside: Outside | None = None,
    *,
    proven: bool = True,
) -> VerifyReport:
    """Verify a bundle offline against trusted public keys at a moment ``now`` (with time zone).

    Checks the tree, every byte, the signatures, that enough distinct people in the roles of the policy
    signed and none of them asked for the release, that the signed words are those of the files, that
    epsilon is what rho gives and within the policy, that every cell is in the public domain, that CSV
    equals Parquet, the dates, and that the ledger tells the same up to a signed checkpoint.
    Raises IntegrityError naming the file and the reason.

    Args:
        outside: a list of revocations, a checkpoint and an extension, where the verifier has them.
        proven: False before the ledger knows that the release is published: the proof is not asked for.
    """
    utc_text(now)
    list_tree(directory)
    statement, signers = open_envelope(read_file(directory, ATTESTATION, _SMALL), trust)
    approvers = approvers_of(signers, trust, ATTESTATION)
    files = _read_signed_files(directory, statement)
    policy = _load_policy(files)
    predicate = _check_statement(files, statement, policy.audits.plan_sha256)
    check_approvals(policy, approvers, predicate["approval"]["requester"], ATTESTATION)
    run = parse_canonical(files["run.json"], "run.json")
    stated = parse_canonical(files[_STATEMENT], _STATEMENT)
    _check_guarantee(policy, stated, run)
    measured = check_measures(policy, stated)
    check_tables(files, policy.domain(), policy.synthesis.output_rows_value)
    manifest = sha256_hex(manifest_bytes(files))
    outside = outside or Outside()
    extended = None
    if outside.extension is not None:
        about = Extendable(predicate["release_id"], manifest, predicate["expires"])
        asked = predicate["approval"]["requester"]
        extended = check_extension(outside.extension.strip(), trust, about, policy, asked, now)
    permission = _check_time(policy, predicate, now, extended)
    lines, notes = (*_lines(files, approvers, predicate), *measured, permission), tuple[str, ...]()
    if proven:
        people = frozenset(key.person for key in approvers)
        story = Story(predicate, people, manifest, _omega(stated["guarantee"]))
        facts, notes = check_outside(directory, trust, story, outside, now)
        lines += facts
    check_standards(policy, files)
    return VerifyReport(predicate["release_id"], lines, notes)


def _lines(
    files: Mapping[str, bytes], approvers: list[PublicKey], predicate: dict[str, Any]
) -> tuple[str, ...]:
    guarantee, policy = predicate["guarantee"], predicate["policy"]
    promise = f"rho {guarantee['rho']}, epsilon {guarantee['epsilon']} at delta {guarantee['delta']}"
    people = people_text(approvers)
    relies = guarantee["variant"].partition("relies on ")[2]
    mind = (f"mind: this guarantee relies on {relies}",) if relies else ()
    return (
        f"files: {len(files) + len(UNLISTED)}, each as signed, none added",
        f"signatures: {people}, and the service; not by the requester",
        f"policy: {policy['id']} version {policy['version']}, sha256 {policy['sha256'][:16]}",
        f"guarantee: {promise}, recomputed and within the policy",
        *mind,
        "data: cells in the public domain, rows within its structure; all formats hold the same cells",
        f"audits: {predicate['audit']['result']}",
    )
