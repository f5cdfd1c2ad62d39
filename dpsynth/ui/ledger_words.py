"""What each kind of ledger entry means, in a few plain words."""

from __future__ import annotations

__all__ = ["KINDS", "meaning"]

KINDS: dict[str, str] = {
    "access confirmed": "a second admin put a change of access into effect",
    "access proposed": "an admin proposed a change of access",
    "access withdrawn": "a proposed change of access was ended",
    "approve": "a person signed a release",
    "approved": "all signatures of a release are in",
    "cap": "the cap of a budget changed",
    "cohort": "people of a dataset were told apart from others",
    "committed": "a charge became final, before the data were opened",
    "dataset": "a dataset was registered under a policy",
    "deliver": "a release was delivered to a place",
    "demo": "this state is a demonstration",
    "dossier": "a run ended and its dossier was fixed",
    "extended": "the permission of a release was extended",
    "extension proposed": "a later end of a permission was proposed",
    "extension signed": "a person signed a later end of a permission",
    "extension withdrawn": "a proposed later end of a permission was ended",
    "forfeited": "a run ended without a release; its charge stays spent",
    "link": "an account was linked with a person",
    "notices": "where notices go was changed",
    "object": "an auditor objected to a release",
    "pause": "a dataset was paused",
    "person": "a person, their roles or their key changed",
    "policy approved": "a version of a policy came into force",
    "policy proposed": "a version of a policy was proposed",
    "publish": "a release was published",
    "refused": "a request found no room in a budget",
    "reject": "a person rejected a release",
    "released": "a held charge was given back; nothing had been opened",
    "request": "a release was asked for",
    "reserve": "budget was held for a request",
    "resume": "a pause ended",
    "reviewed": "an auditor signed that they read a dossier",
    "revoke": "a release was revoked",
    "sample": "further rows were drawn from a kept model",
    "scope": "a budget was opened",
    "settled": "a run said what it drew, step by step",
    "sign in": "a person signed in",
    "sign out": "a sign-in ended",
    "sink": "a place outside began to witness the ledger",
    "unlink": "an account was taken away",
    "view": "a person saw exact numbers or took a document",
    "withdraw dataset": "a data owner closed a dataset for good",
    "withdraw": "an auditor took an objection back",
}


def meaning(kind: str) -> str:
    """The words for a kind; an empty text for one that is not known here."""
    return KINDS.get(kind, "")
