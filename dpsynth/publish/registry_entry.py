"""registry-entry.yaml: a draft for the OpenDP registry of deployments of differential privacy, tier 3.

Texts of people are escaped, because the registry renders every text as Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from dpsynth.policy.model import Policy
from dpsynth.publish.wording import number_up, plain

__all__ = ["registry_entry", "registry_yaml"]

_REGION = "Not stated by the policy"


def _variant(statement: Mapping[str, Any]) -> str:
    guarantee = statement["guarantee"]
    if "relies_on" in guarantee:
        return "Approximate DP"
    return "Renyi DP" if "omega" in guarantee else "Zero-concentrated DP"


def _parameters(guarantee: Mapping[str, Any]) -> dict[str, float]:
    # What a library entrusted with rows is booked at is no promise of its own: its rho is left out.
    names = ("epsilon", "delta") if "relies_on" in guarantee else ("rho", "epsilon", "delta")
    return {name: number_up(guarantee[name]) for name in names}


def _details(guarantee: Mapping[str, Any]) -> str:
    if "relies_on" in guarantee:
        return plain(f"{guarantee['conversion']}. It {guarantee['relies_on']['plain']}.")
    upto = f" at orders up to {guarantee['omega']}" if "omega" in guarantee else ""
    return plain(
        f"rho is native{upto}; epsilon at delta follows from it ({guarantee['conversion']}). All are rounded "
        "up at the printed digits."
    )


def _basic(policy: Policy, statement: Mapping[str, Any]) -> dict[str, Any]:
    kept = sum(column.kept for column in policy.columns)
    return {
        "name": plain(f"{policy.title}: synthetic data"),
        "data_curators": [plain(policy.owner.team)],
        "intended_use": plain(f"{policy.purpose} Not for decisions about individuals."),
        "data_product_type": "Synthetic data",
        "data_product_region": _REGION,
        "description": plain(f"{statement['rows']}; {kept} columns."),
        "publication_date": statement["issued"][:10],
    }


def _unprotected(policy: Policy, statement: Mapping[str, Any]) -> str:
    ruled = statement["structure"]["impossible"] or statement["structure"]["determined"]
    known = "; the relations between columns that the policy states" if ruled else ""
    return (
        f"Column names, public categories, bounds and bins{known}; the number of rows, "
        f"{policy.synthesis.output_rows_value}, which the policy fixes; the yes or no to the release, which "
        "people decided who may have seen exact results of attacks on it."
    )


def _loss(policy: Policy, statement: Mapping[str, Any]) -> dict[str, Any]:
    unit, guarantee = statement["unit"], statement["guarantee"]
    note = f" {unit['note']}" if unit["note"] else ""
    return {
        "privacy_unit": plain(unit["kind"]),
        "privacy_unit_details": plain(unit["plain"] + note),
        "privacy_parameters": _parameters(guarantee),
        "privacy_parameters_details": _details(guarantee),
    }


def _model(policy: Policy, statement: Mapping[str, Any]) -> dict[str, Any]:
    caps = "; ".join(f"{one['title']}: rho {one['cap']}" for one in statement["composition"]["scopes"])
    fresh = policy.budget.refresh == "new_units_only"
    later = (
        "A new snapshot may hold units only that no earlier one held, and has a budget of its own."
        if fresh
        else "A new snapshot of the same people goes on with the same budget."
    )
    return {
        "model_name": "Central",
        "actors": plain(statement["trust"]),
        "release_type": "One release",
        "release_type_details": plain(
            f"Further releases about the same people are charged to the same caps for ever ({caps}); there "
            f"is no reset. {later}"
        ),
        "data_source_type": "Static",
        "access_type": "Non-interactive",
    }


def _implementation(statement: Mapping[str, Any]) -> dict[str, Any]:
    mechanism = statement["mechanism"]
    return {
        "preprocessing_and_hyperparameter_tuning": plain(statement["preprocessing"]),
        "mechanisms": plain(
            f"{mechanism['synthesizer']} {mechanism['version']}; it saw {mechanism['saw']}. Noise: "
            f"{mechanism['noise']}. {statement['side_channels']} {statement['security']} Versions are in "
            "sbom.cdx.json."
        ),
        "justification": plain(
            "policy.yaml names the public source of each domain; privacy-statement.json answers the "
            f"checklist of NIST SP 800-226; evidence: {mechanism['evidence']}."
        ),
    }


def registry_entry(policy: Policy, statement: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as a JSON value. epsilon and rho are numbers that print as no less than they are.

    Always a draft: the registry's own board reviews and approves.
    """
    return {
        "url_slug": f"{policy.id}-{statement['release_id']}",
        "status": "Draft",
        "tier": 3,
        "deployment": {
            "basic": _basic(policy, statement),
            "dp_variant": {
                "variant_name": _variant(statement),
                "data_domain": f"Tables with at most {statement['unit']['max_rows_per_unit']} rows of one "
                "unit over the public domain in policy.yaml",
                "unprotected_quantities": _unprotected(policy, statement),
            },
            "privacy_loss": _loss(policy, statement),
            "deployment_model": _model(policy, statement),
            "accounting": {
                "post_processing": "Rows are drawn from the fitted model and decoded by public rules.",
                "composition": "One privacy filter over all releases about the same people, fully adaptive; "
                "charges are committed before rows are opened and never returned.",
            },
            "implementation": _implementation(statement),
            "administrative": {
                "notes": f"Release {statement['release_id']} under policy {policy.id}, use permitted until "
                f"{statement['expires']}.",
                "registry_authors": [plain(policy.owner.team)],
            },
        },
    }


def registry_yaml(entry: Mapping[str, Any]) -> bytes:
    """The entry as YAML, one spelling for one value."""
    text: str = yaml.safe_dump(dict(entry), sort_keys=False, allow_unicode=True, width=100)
    return text.encode()
