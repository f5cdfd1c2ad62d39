"""``dpsynth audit|approve|reject|publish``: what approvers look at and what they decide."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dpsynth.cli.output import emit
from dpsynth.cli.requests import request_lines
from dpsynth.cli.session import AsJson, checked_text, session
from dpsynth.core.errors import BadInput, PolicyRefusal

if TYPE_CHECKING:
    from dpsynth.service import Dossier, RequestView

__all__ = ["approve", "audit", "object_to", "publish", "reject", "review", "withdraw"]

_RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request.")]
_DossierHash = Annotated[
    str, typer.Option("--dossier", help="Digest of the dossier you read (see `dpsynth audit`).")
]


def _dossier_lines(dossier: Dossier) -> list[str]:
    body = dossier.body
    guarantee, found = body["guarantee"], body["audit"]
    checks = [f"  {one['result']:<14} {one['id']} {one['name']}: {one['plain']}" for one in found["checks"]]
    return [
        f"verdict    {found['verdict']} (gate: {body['gate']})",
        *(f"  because  {why}" for why in found["why"]),
        f"guarantee  epsilon {guarantee['epsilon']} at delta {guarantee['delta']} per {guarantee['unit']}",
        f"purpose    {body['request']['purpose']}",
        f"recipients {body['request']['recipients']}",
        "checks",
        *checks,
        *_use_lines(body.get("utility")),
        *(f"model      {words}" for words in [body.get("model", {}).get("plain", "")] if words),
        "you must tick",
        *(f"  --tick {number}  {words}" for number, words in enumerate(body["must_tick"], start=1)),
        f"dossier    {dossier.sha256}",
    ]


def _use_lines(utility: dict[str, Any] | None) -> list[str]:
    """What may be said of how good the rows are; dossiers of older programs say nothing."""
    if utility is None:
        return []
    paid = utility["charged"]
    if paid is None:
        return [f"use        {utility['plain']}"]
    measures = [f"  {words}" for words in utility["sentences"]]
    return [f"use        rho {paid['rho']} paid for these measures, which go out with the rows", *measures]


def _summary(view: RequestView) -> tuple[dict[str, Any], list[str]]:
    """What a requester may know of the audit: that it was made. How it ended is for those who decide."""
    document = {"request": view.id, "state": view.state, "message": view.message}
    return document, [f"{view.id}: {view.message}"]


def audit(
    context: typer.Context,
    request: _RequestId,
    exact: Annotated[
        bool, typer.Option("--exact", help="Exact numbers, for officers and auditors; each look is logged.")
    ] = False,
    utility: Annotated[
        bool, typer.Option("--utility", help="Exact measures of utility, for the same; each look is logged.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the audit: the dossier to approvers, to a requester only where the request stands."""
    here = session(context)
    actor, platform = here.actor(), here.platform()
    if exact:
        report = platform.audit_report(actor, request)
        emit(as_json, report, json.dumps(report, indent=2).splitlines())
        return
    if utility:
        found = platform.utility.exact(actor, request)
        emit(as_json, found, json.dumps(found, indent=2).splitlines())
        return
    view = platform.request(actor, request)
    try:
        dossier = platform.dossier(actor, request)
    except PolicyRefusal:
        emit(as_json, *_summary(view))
        return
    emit(as_json, {"dossier_sha256": dossier.sha256, "dossier": dossier.body}, _dossier_lines(dossier))


def _ticked(numbers: list[int], must: list[str]) -> tuple[str, ...]:
    if any(not 1 <= number <= len(must) for number in numbers):
        raise BadInput(
            "There is no check with this number to tick",
            allowed=f"1 to {len(must)}",
            remedy="see `dpsynth audit REQUEST`",
        )
    return tuple(must[number - 1] for number in numbers)


def approve(
    context: typer.Context,
    request: _RequestId,
    dossier: _DossierHash,
    reason: Annotated[str, typer.Option(help="Why; needed when the audit did not simply pass.")] = "",
    tick: Annotated[
        list[int] | None, typer.Option(help="Number of a check that you made yourself; repeat it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign a release. Two people or more, in the roles of the policy, never the requester."""
    here = session(context)
    actor, platform, words = here.actor(), here.platform(), checked_text("reason", reason)
    ticks = _ticked(tick or [], platform.dossier(actor, request).body["must_tick"])
    view = platform.approve(actor, request, dossier, words, ticks)
    emit(as_json, asdict(view), request_lines(view))


def reject(
    context: typer.Context,
    request: _RequestId,
    dossier: _DossierHash,
    reason: Annotated[str, typer.Option(help="What the requester should know.")],
    as_json: AsJson = False,
) -> None:
    """Refuse a release. One person is enough; the budget stays spent."""
    here = session(context)
    view = here.platform().reject(here.actor(), request, dossier, checked_text("reason", reason))
    emit(as_json, asdict(view), request_lines(view))


def publish(
    context: typer.Context,
    request: _RequestId,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="DPSYNTH_PUBLISH_TO",
            help="Also put it under this directory or URL (s3://bucket/folder, ...). Safe to repeat.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Publish an approved release: whole or not at all, verified before it appears."""
    here = session(context)
    platform = here.platform()
    bundle = platform.publish(here.actor(), request)
    delivered = platform.releases.deliver(here.actor(), request, to) if to else ""
    document = {
        "request": request,
        "bundle": str(bundle),
        "keys": str(platform.keys_dir),
        "delivered": delivered,
    }
    lines = [f"Published: {bundle}", *([f"Delivered: {delivered}"] if delivered else [])]
    emit(as_json, document, [*lines, f"Public keys for verifiers: {platform.keys_dir}"])


def object_to(
    context: typer.Context,
    request: _RequestId,
    dossier: _DossierHash,
    reason: Annotated[str, typer.Option(help="What stands against the release.")],
    as_json: AsJson = False,
) -> None:
    """Bar a release until you withdraw the objection or an approver rejects it. For auditors."""
    here = session(context)
    said = here.platform().reviews.object(here.actor(), request, dossier, checked_text("reason", reason))
    emit(as_json, asdict(said), [f"Objection {said.id} bars {request}."])


def withdraw(
    context: typer.Context,
    objection: Annotated[str, typer.Argument(metavar="OBJECTION", help="Id of your objection.")],
    as_json: AsJson = False,
) -> None:
    """Take an objection of your own back. For auditors."""
    here = session(context)
    here.platform().reviews.withdraw(here.actor(), objection)
    emit(as_json, {"objection": objection, "state": "withdrawn"}, [f"Objection {objection} is withdrawn."])


def review(
    context: typer.Context, request: _RequestId, dossier: _DossierHash, as_json: AsJson = False
) -> None:
    """Sign that you reviewed the dossier. For auditors; it approves nothing."""
    here = session(context)
    said = here.platform().reviews.review(here.actor(), request, dossier)
    emit(as_json, asdict(said), [f"{said.person} reviewed {request}."])
