"""``dpsynth demo``: the whole walk on a public table, by three people, with nothing faked."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dpsynth.cli import demo_walk as walk
from dpsynth.cli.demo_table import find_policy, write_rand_hie
from dpsynth.cli.output import emit, plain, rho
from dpsynth.cli.progress import StageBars
from dpsynth.cli.session import AsJson, Session, session
from dpsynth.cli.verify import verify_release
from dpsynth.core.errors import BudgetExceeded

if TYPE_CHECKING:
    from dpsynth.service import DatasetInfo, Dossier, Platform, RequestView, ScopeView

__all__ = ["demo"]


@dataclass(frozen=True)
class _Narrator:
    """Says one line at each station; on stderr when stdout must hold one JSON document."""

    on_stderr: bool

    def say(self, station: str, words: str) -> None:
        typer.echo(f"{typer.style(station.ljust(9), bold=True)} {plain(words)}", err=self.on_stderr)


def demo(
    context: typer.Context,
    epsilon: Annotated[str, typer.Option(help="Privacy loss to ask for, at the policy's delta.")] = "1",
    synthesizer: Annotated[str, typer.Option(help="independent, mst or aim.")] = "aim",
    policy: Annotated[
        Path | None,
        typer.Option(help="Another policy for the same table; default policies/rand-health.yaml."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Walk a public table from its owner's disk to a release that anyone can verify."""
    here, narrator = session(context), _Narrator(as_json)
    governed = find_policy(policy)
    platform = here.platform()
    dataset = _register(narrator, here, platform, governed)
    with _advice_when_spent(here):
        view = _submit(narrator, platform, dataset, synthesizer, epsilon)
    with _word_when_stopped(platform, view), StageBars(on_stderr=as_json) as bars:
        view = walk.follow(platform, here.state, view.id, bars.enter, here.environment, bars.tell)
    dossier = walk.require_publishable(platform, view)
    bundle = _release(narrator, platform, dossier)
    document, lines = _ending(here, platform, view, dossier, bundle)
    emit(as_json, document, lines)


def _register(narrator: _Narrator, here: Session, platform: Platform, policy: Path) -> DatasetInfo:
    table = here.state / "demo" / "rand-health.csv"
    write_rand_hie(table)
    narrator.say(
        "table",
        f"RAND Health Insurance Experiment, as statsmodels ships it: {table}, readable by its owner only",
    )
    walk.ensure_people(platform)
    narrator.say(
        "people", "Sam asks (data scientist); Carol (compliance officer) and Dana (data owner) decide"
    )
    info = platform.register_dataset(walk.OWNER, policy, table)
    narrator.say(
        "register", f"Dana registers it under policy {info.policy.id} {info.policy.version}: {policy.name}"
    )
    return info


def _submit(
    narrator: _Narrator, platform: Platform, dataset: DatasetInfo, synthesizer: str, epsilon: str
) -> RequestView:
    from dpsynth.service import RequestForm

    recipients = ", ".join(dataset.policy.release.recipients)
    form = RequestForm(dataset.dataset_id, synthesizer, walk.PURPOSE, recipients, epsilon=epsilon)
    view = platform.submit(walk.REQUESTER, form)
    narrator.say("request", f"Sam asks for a release by {view.synthesizer}, for teaching; request {view.id}")
    cost = f"rho {rho(view.rho_nano)} (epsilon {view.epsilon} at delta {view.delta})"
    narrator.say("reserve", f"the ledger holds {cost} in every budget that it touches")
    return view


@contextmanager
def _advice_when_spent(here: Session) -> Iterator[None]:
    try:
        yield
    except BudgetExceeded as error:
        raise BudgetExceeded(
            error.what,
            allowed=error.allowed,
            remedy="use a release that is published already (that is free), ask for a "
            f"smaller --epsilon, or start a fresh ledger with --state DIR: {here.state} never forgets",
        ) from error


@contextmanager
def _word_when_stopped(platform: Platform, view: RequestView) -> Iterator[None]:
    """After Ctrl-C: where the ledger stands. The worker has put it right before this is printed."""
    try:
        yield
    except KeyboardInterrupt:
        now = platform.request(walk.REQUESTER, view.id)
        typer.echo(plain(f"stopped. {now.id}: {now.state}. {now.message}"), err=True)
        raise


def _release(narrator: _Narrator, platform: Platform, dossier: Dossier) -> Path:
    request_id, verdict = dossier.body["release_id"], dossier.body["audit"]["verdict"]
    narrator.say("verdict", f"the attacks' verdict is {verdict}: {'; '.join(dossier.body['audit']['why'])}")
    walk.approve_all(platform, dossier)
    narrator.say("approve", f"Carol and Dana each sign the dossier {dossier.sha256[:16]}; Sam may not")
    bundle = platform.publish(walk.OWNER, request_id)
    narrator.say(
        "publish", "data, privacy statement, policy and signatures go out together, whole or not at all"
    )
    report = verify_release(bundle, platform.keys_dir)
    narrator.say("verify", f"checked offline as a stranger would: {len(report.lines)} kinds of facts hold")
    return bundle


def _scope(scope: ScopeView, rho_nano: int) -> dict[str, Any]:
    return {
        "scope": scope.id,
        "title": scope.title,
        "rho_left": rho(scope.left_nano),
        "rho_cap": rho(scope.rho_cap_nano),
        "more_such_releases": scope.left_nano // rho_nano,
    }


def _ending(
    here: Session, platform: Platform, view: RequestView, dossier: Dossier, bundle: Path
) -> tuple[dict[str, Any], list[str]]:
    left = [_scope(scope, view.rho_nano) for scope in platform.budget(walk.REQUESTER)]
    check = shlex.join(["dpsynth", "verify", str(bundle), "--keys", str(platform.keys_dir)])
    page = f"DPSYNTH_STATE={shlex.quote(str(here.state))} make app"
    document = {
        "request": view.id,
        "verdict": dossier.body["audit"]["verdict"],
        "rho": rho(view.rho_nano),
        "epsilon": view.epsilon,
        "delta": view.delta,
        "bundle": str(bundle),
        "verify": check,
        "budget": left,
        "page": page,
    }
    budgets = [
        f"left      rho {one['rho_left']} of {one['rho_cap']}, "
        f"room for {one['more_such_releases']} more such release(s): {one['title']}"
        for one in left
    ]
    return document, ["", f"bundle    {bundle}", f"check it  {check}", *budgets, f"pages     {page}"]
