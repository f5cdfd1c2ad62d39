"""``dpsynth people``: who may act, in which roles, by which keys and accounts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dpsynth.cli.output import columns, emit
from dpsynth.cli.session import AsJson, session
from dpsynth.core.errors import BadInput

__all__ = [
    "add",
    "app",
    "confirm",
    "grant",
    "link",
    "list_people",
    "looks",
    "proposals",
    "rotate",
    "take",
    "unlink",
    "withdraw",
]

app = typer.Typer(
    help="People, their roles, keys and accounts. Once two people are admins, one admin proposes a role, a "
    "new key or an account and another confirms it."
)
_Person = Annotated[str, typer.Argument(metavar="PERSON", help="Id of the person concerned.")]
_Role = Annotated[str, typer.Argument(metavar="ROLE", help="The role.")]
_Proposal = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Id of a proposal.")]
_Issuer = Annotated[str, typer.Option(help="iss, as the provider writes it in its tokens.")]
_Subject = Annotated[str, typer.Option(help="sub, as the provider writes it in its tokens.")]
_Email = Annotated[
    str,
    typer.Option(
        help="Instead of the subject: a verified e-mail address. At the first sign-in with it the account "
        "is bound to its subject."
    ),
]


@app.command("list")
def list_people(context: typer.Context, as_json: AsJson = False) -> None:
    """List the people and their roles."""
    found = session(context).platform().people()
    rows = [(one.id, one.name, ", ".join(one.roles) or "none", one.key_id[:16] or "none") for one in found]
    head = ("ID", "NAME", "ROLES", "KEY")
    emit(as_json, {"people": [asdict(one) for one in found]}, columns(head, rows))


@app.command()
def add(
    context: typer.Context,
    person_id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits, dashes.")],
    name: Annotated[str, typer.Argument(help="Full name.")],
    role: Annotated[
        list[str] | None, typer.Option(help="Repeat for several roles; only until two people are admins.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a person; until two people are admins with roles and a signing key, after that an admin without."""
    here = session(context)
    roles = tuple(dict.fromkeys(role or []))
    person = here.platform().add_person(person_id, name, roles, here.person or "")
    said = ", ".join(person.roles) or "no role yet; propose one with `dpsynth people grant`"
    emit(as_json, asdict(person), [f"Added {person.id} ({person.name}): {said}."])


def _proposed(context: typer.Context, as_json: bool, kind: str, person: str, detail: str = "") -> None:
    here = session(context)
    name = here.platform().access.propose(here.actor(), kind, person, detail)
    _tell(as_json, name)


def _tell(as_json: bool, name: str) -> None:
    words = f"Proposed as {name}. It takes effect when another admin says `dpsynth people confirm {name}`."
    emit(as_json, {"proposal": name}, [words])


@app.command()
def grant(context: typer.Context, person: _Person, role: _Role, as_json: AsJson = False) -> None:
    """Propose a role. For admins, never for oneself; another admin confirms."""
    _proposed(context, as_json, "grant", person, role)


@app.command()
def take(context: typer.Context, person: _Person, role: _Role, as_json: AsJson = False) -> None:
    """Take a role, at once; the admin role waits for another admin. For admins."""
    if role == "admin":
        _proposed(context, as_json, "take admin", person)
        return
    here = session(context)
    left = here.platform().access.take(here.actor(), person, role)
    emit(as_json, asdict(left), [f"{left.id} now has: {', '.join(left.roles) or 'no role'}."])


@app.command()
def rotate(context: typer.Context, person: _Person, as_json: AsJson = False) -> None:
    """Propose a new signing key. What the old one signed still verifies; it signs nothing any more."""
    _proposed(context, as_json, "rotate", person)


def _account(issuer: str, subject: str, email: str) -> str:
    from dpsynth.service import account_text

    if bool(subject) == bool(email):
        raise BadInput(
            "An account is named by its subject or by a verified e-mail address",
            allowed="one of --subject and --email",
            remedy="name one of them",
        )
    return account_text(issuer, "subject" if subject else "email", subject or email)


@app.command()
def link(
    context: typer.Context,
    person: _Person,
    issuer: _Issuer,
    subject: _Subject = "",
    email: _Email = "",
    as_json: AsJson = False,
) -> None:
    """Let a provider's account sign in as a person: at once at set-up, then by two admins."""
    here = session(context)
    account = _account(issuer, subject, email)
    if name := here.platform().access.link(here.person or "", person, account):
        _tell(as_json, name)
        return
    emit(as_json, {"person": person, "linked": True}, [f"The account signs in as {person} from now on."])


@app.command()
def unlink(
    context: typer.Context,
    issuer: _Issuer,
    subject: _Subject = "",
    email: _Email = "",
    as_json: AsJson = False,
) -> None:
    """Take an account away, at once; its person is signed out everywhere. For admins."""
    here = session(context)
    here.platform().access.unlink(here.person or "", _account(issuer, subject, email))
    emit(as_json, {"linked": False}, ["The account signs in no more."])


@app.command()
def proposals(context: typer.Context, as_json: AsJson = False) -> None:
    """List proposed changes. For admins and auditors."""
    here = session(context)
    found = here.platform().access.proposals(here.actor())
    rows = [(one.id, one.state, one.kind, one.person, one.detail, one.proposer, one.decider) for one in found]
    head = ("ID", "STATE", "CHANGE", "PERSON", "DETAIL", "PROPOSED BY", "DECIDED BY")
    emit(as_json, {"proposals": [asdict(one) for one in found]}, columns(head, rows))


@app.command()
def confirm(context: typer.Context, proposal: _Proposal, as_json: AsJson = False) -> None:
    """Put another admin's proposal into effect. For admins, never about themselves."""
    here = session(context)
    person = here.platform().access.confirm(here.actor(), proposal)
    roles = ", ".join(person.roles) or "no role"
    emit(as_json, asdict(person), [f"Confirmed. {person.id} ({person.name}): {roles}."])


@app.command()
def withdraw(context: typer.Context, proposal: _Proposal, as_json: AsJson = False) -> None:
    """End a proposal that was not confirmed. For admins."""
    here = session(context)
    here.platform().access.withdraw(here.actor(), proposal)
    emit(as_json, {"proposal": proposal, "state": "withdrawn"}, [f"{proposal} is withdrawn."])


@app.command()
def looks(context: typer.Context, as_json: AsJson = False) -> None:
    """List who saw exact numbers of which request, newest first. For auditors."""
    here = session(context)
    found = here.platform().access.looks(here.actor())
    rows = [(one.time, one.person, one.request, one.what) for one in found]
    emit(
        as_json,
        {"looks": [asdict(one) for one in found]},
        columns(("TIME", "PERSON", "REQUEST", "SAW"), rows),
    )
