"""The pages: their addresses, who finds them in the menu, and how to get from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import streamlit as st

__all__ = [
    "ACCESS_LOG",
    "ATTACKS",
    "BUDGET",
    "DATASETS",
    "CATALOGUE",
    "DOSSIER",
    "DOWNLOADS",
    "INBOX",
    "LEDGER",
    "MY_REQUESTS",
    "NEW_REQUEST",
    "PEOPLE",
    "PLACES",
    "POLICIES",
    "RELEASES",
    "START",
    "VERIFIER",
    "Place",
    "flash",
    "go",
    "home_of",
]

_DECIDERS = ("compliance_officer", "data_owner", "auditor")
_FLASH = "flash"


@dataclass(frozen=True)
class Place:
    """A page: address, title, icon, and the roles that find it in their menu."""

    url: str
    title: str
    icon: str
    roles: tuple[str, ...]


INBOX = Place("inbox", "Inbox", ":material/inbox:", _DECIDERS)
DOSSIER = Place("dossier", "Dossier", ":material/description:", _DECIDERS)
NEW_REQUEST = Place("new-request", "New request", ":material/add_circle:", ("data_scientist",))
CATALOGUE = Place("catalogue", "Catalogue", ":material/menu_book:", ("data_scientist",))
MY_REQUESTS = Place("my-requests", "My requests", ":material/list_alt:", ("data_scientist",))
DOWNLOADS = Place("downloads", "Downloads", ":material/download:", ("data_scientist",))
BUDGET = Place("budget", "Budget board", ":material/account_balance_wallet:", ("data_scientist", *_DECIDERS))
ATTACKS = Place(
    "attack-reports", "Attack reports", ":material/troubleshoot:", ("compliance_officer", "auditor")
)
LEDGER = Place("ledger", "Ledger", ":material/receipt_long:", _DECIDERS)
VERIFIER = Place("verify", "Release verifier", ":material/verified_user:", _DECIDERS)
RELEASES = Place("releases", "Releases", ":material/inventory_2:", _DECIDERS)
POLICIES = Place("policies", "Policies", ":material/policy:", _DECIDERS)
DATASETS = Place("datasets", "Datasets", ":material/database:", ("data_owner",))
ACCESS_LOG = Place("access-log", "Access log", ":material/visibility:", ("auditor",))
PEOPLE = Place("people", "People and keys", ":material/group:", ("admin",))
START = Place("start", "Start", ":material/home:", ())
PLACES = (
    INBOX,
    DOSSIER,
    RELEASES,
    POLICIES,
    DATASETS,
    NEW_REQUEST,
    CATALOGUE,
    MY_REQUESTS,
    DOWNLOADS,
    BUDGET,
    ATTACKS,
    LEDGER,
    ACCESS_LOG,
    VERIFIER,
    PEOPLE,
)


def home_of(roles: tuple[str, ...]) -> Place:
    """The first page of somebody with these roles."""
    return next((place for place in PLACES if set(place.roles) & set(roles)), BUDGET)


def _elsewhere() -> None:
    """Stands for a page that is registered already: pages are told apart by their address alone."""


def go(place: Place, request_id: str = "", dataset: str = "") -> NoReturn:
    """Open another page, on one request or dataset if its id is given."""
    named = {"request": request_id, "dataset": dataset}
    query = {name: value for name, value in named.items() if value} or None
    st.switch_page(st.Page(_elsewhere, title=place.title, url_path=place.url), query_params=query)


def flash(text: str = "") -> None:
    """Keep a sentence for the next page run; without one, show the sentence that was kept."""
    if text:
        st.session_state[_FLASH] = text
    elif kept := st.session_state.pop(_FLASH, ""):
        st.success(kept, icon=":material/check_circle:")
