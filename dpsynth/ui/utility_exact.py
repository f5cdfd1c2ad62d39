"""Exact measures of utility in the review room: pictures, each with its numbers as text and plain words."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dpsynth.ui.show import say, table
from dpsynth.ui.utility_charts import Errors, Pair, error_chart, heat_map, pair_chart

__all__ = ["exact"]

_SHOWN = 10
_WORDS = {1: "single columns", 2: "pairs of columns", 3: "triples of columns"}
_TRAINED = ("real rows", "synthetic rows")
_MODELS = ("trained on real rows", "trained on synthetic rows")


def exact(found: dict[str, Any]) -> None:
    """All parts; each says why where it cannot be judged."""
    if found["why_not"]:
        say(f"Cannot be judged: {found['why_not']}.")
        return
    for limit in found["limits"]:
        st.caption(limit)
    _marginals(found["marginals"])
    _associations(found["association"])
    _pairs(found["association"]["shares"], found["labels"])
    _prediction(found["prediction"], found["task_is"])
    _regression(found["regression"])
    _groups(found["groups"], found["by_is"])


def _share(value: float | None) -> str:
    return "cannot be judged" if value is None else f"{value:.4f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} of 100"


def _span(found: dict[str, float]) -> str:
    return f"{found['estimate']:.4f} ({found['low']:.4f} to {found['high']:.4f})"


def _triple(found: dict[str, float]) -> tuple[float, float, float]:
    return found["estimate"], found["low"], found["high"]


def _marginals(widths: list[dict[str, Any]]) -> None:
    st.subheader("Tables of one, two and three columns")
    judged = [one for one in widths if one["judged"]]
    for one in judged:
        say(
            f"{_WORDS[one['columns']].capitalize()}: on average {_percent(one['mean'])} rows would have to "
            "move to agree with the real table; of a perfect copy of this size chance alone moves "
            f"{_percent(one['by_chance'])}."
        )
    error_chart(
        [Errors(_WORDS[one["columns"]], one["mean"], one["largest"], one["by_chance"]) for one in judged]
    )
    table(
        [
            {
                "Tables of": _WORDS[one["columns"]],
                "Mean error": _share(one["mean"]),
                "Largest": _share(one["largest"]),
                "By chance alone": _share(one["by_chance"]),
                "Judged": f"{one['judged']} of {one['of']}",
            }
            for one in widths
        ]
    )
    st.caption("Error: total variation distance, 0 (the same) to 1 (nothing in common).")
    with st.expander("The tables that are furthest off"):
        table(
            [
                {
                    "Columns": ", ".join(worst["columns"]),
                    "Error": _share(worst["error"]),
                    "By chance alone": _share(worst["by_chance"]),
                }
                for one in judged
                for worst in one["worst"]
            ]
        )


def _associations(found: dict[str, Any]) -> None:
    st.subheader("How strongly columns hang together")
    if found["mean_gap"] is None:
        say("Cannot be judged: no pair of columns varies in both tables.")
        return
    say(
        f"The strength of a pair is off by {found['mean_gap']:.3f} on average and by "
        f"{found['largest_gap']:.3f} at most; 0 is no relation, and 1 is that one follows from the other."
    )
    names, sides = found["columns"], st.columns(2)
    for side, key in zip(sides, ("real", "synthetic"), strict=True):
        at = {tuple(one["pair"]): one[key] for one in found["pairs"]}
        cells = [[at.get((a, b), at.get((b, a))) for b in names] for a in names]
        with side:
            heat_map(f"{key.capitalize()} rows", names, names, cells, 1.0)
    ordered = sorted(found["pairs"], key=lambda one: -(_gap(one) or 0.0))
    st.caption("Cramer's V, bias-corrected (Bergsma 2013). The pairs that are furthest off:")
    table([_association(one) for one in ordered[:_SHOWN]])
    with st.expander("All pairs"):
        table([_association(one) for one in found["pairs"]])
    if found["left_out"]:
        st.caption(f"Columns left out of this comparison: {', '.join(found['left_out'])}")


def _gap(one: dict[str, Any]) -> float | None:
    return None if None in (one["real"], one["synthetic"]) else abs(one["real"] - one["synthetic"])


def _association(one: dict[str, Any]) -> dict[str, str]:
    return {
        "Pair": " and ".join(one["pair"]),
        "Real": _share(one["real"]),
        "Synthetic": _share(one["synthetic"]),
        "Difference": _share(_gap(one)),
    }


def _pairs(shares: list[dict[str, Any]], labels: dict[str, list[str]]) -> None:
    if not shares:
        return
    st.subheader("Two columns side by side")
    by_name = {" and ".join(one["pair"]): one for one in shares}
    chosen = by_name[str(st.selectbox("Pair of columns", list(by_name), key="utility-pair"))]
    down, across = (labels[name] for name in chosen["pair"])
    most = max(max(line) for key in ("real", "synthetic") for line in chosen[key])
    for side, key in zip(st.columns(2), ("real", "synthetic"), strict=True):
        with side:
            heat_map(f"{key.capitalize()} rows: share of each cell", down, across, chosen[key], most)
    cells = [
        (a, b, chosen["real"][i][j], chosen["synthetic"][i][j])
        for i, a in enumerate(down)
        for j, b in enumerate(across)
    ]
    cells.sort(key=lambda one: -abs(one[2] - one[3]))
    first, second = chosen["pair"]
    st.caption(f"{first} downwards, {second} across. The cells that are furthest off:")
    table(
        [
            {first: a, f"{second} ": b, "Real share": _share(real), "Synthetic share": _share(made)}
            for a, b, real, made in cells[:_SHOWN]
        ]
    )


def _prediction(found: dict[str, Any], chosen: str) -> None:
    st.subheader("Predicting one column from the others")
    if found["why_not"]:
        say(f"Cannot be judged: {found['why_not']}.")
        return
    real, made = (found["accuracy"][name] for name in _TRAINED)
    say(
        f"A plain model that was trained on the synthetic rows predicts {found['task']} right for "
        f"{_percent(made['estimate'])} real rows; trained on real rows, for {_percent(real['estimate'])}; "
        f"always saying the commonest value, for {_percent(found['commonest'])}."
    )
    st.caption(f"Predicted: {found['task']}, {chosen}. Tested on real rows that no model was trained on.")
    judged = [one for one in found["values"] if not one["why_not"]]
    rows = [Pair("Accuracy", _triple(real), _triple(made))]
    rows += [Pair(f"AUC: {one['value']}", *(_triple(one[name]) for name in _TRAINED)) for one in judged]
    pair_chart(rows, "share right, or area under the curve", _MODELS)
    lines = [{"Measure": "Accuracy", "Trained on real": _span(real), "Trained on synthetic": _span(made)}]
    for one in found["values"]:
        shown = [one["why_not"]] * 2 if one["why_not"] else [_span(one[name]) for name in _TRAINED]
        lines.append(
            {
                "Measure": f"AUC: tells {one['value']} from the others",
                "Trained on real": shown[0],
                "Trained on synthetic": shown[1],
            }
        )
    table(lines)
    st.caption("In brackets: 95% intervals (Wilson; DeLong). AUC 0.5 is a guess, 1 is best.")


def _regression(found: dict[str, Any]) -> None:
    st.subheader("Would an analyst conclude the same?")
    if found["why_not"]:
        say(f"Cannot be judged: {found['why_not']}.")
        return
    say(
        f"A linear model explains the outcome ({found['outcome']}) by the other columns. Fitted to real "
        "and to synthetic rows, the intervals of a coefficient overlap by "
        f"{_percent(found['mean_overlap'])} on average. 100: the same conclusion; 0: they never meet."
    )
    terms = found["terms"]
    judged = [one for one in terms if one["overlap"] is not None]
    pair_chart(
        [Pair(one["term"], tuple(one["real"]), tuple(one["synthetic"])) for one in judged],
        "coefficient, with 95% interval",
        ("in the real rows", "in the synthetic rows"),
    )
    table(
        [
            {
                "Coefficient": one["term"],
                "Real": _coefficient(one["real"]),
                "Synthetic": _coefficient(one["synthetic"]),
                "Overlap": _share(one["overlap"]),
            }
            for one in terms
        ]
    )
    st.caption(
        "Least squares with robust (HC1) errors. A category is compared with the first one of its column. "
        "Overlap: Karr and others 2006."
    )


def _coefficient(found: list[float] | None) -> str:
    return "does not vary" if found is None else f"{found[0]:.4f} ({found[1]:.4f} to {found[2]:.4f})"


def _groups(found: dict[str, Any], chosen: str) -> None:
    st.subheader("Group by group")
    if found["why_not"]:
        say(f"Cannot be judged: {found['why_not']}.")
        return
    st.caption(f"Groups of {found['by']}, {chosen}; in the policy's order.")
    judged = [one for one in found["groups"] if not one["why_not"]]
    if judged:
        worst = max(judged, key=lambda one: float(one["error_1"] or 0.0))
        say(
            f"Worst served: {worst['group']}, where {_percent(worst['error_1'] or 0.0)} rows would have "
            "to move for its single columns to agree."
        )
    rows = [
        Pair(one["group"], *(_triple(one["accuracy"][name]) for name in _TRAINED))
        for one in judged
        if one["accuracy"]
    ]
    pair_chart(rows, "accuracy of the prediction", _MODELS)
    table([_group(one) for one in found["groups"]])


def _group(one: dict[str, Any]) -> dict[str, str]:
    names = (
        "Error, single columns",
        "Error, pairs",
        "Difference of association",
        "Accuracy, trained on real",
        "Accuracy, trained on synthetic",
        "Overlap of intervals",
    )
    if one["why_not"]:
        return {"Group": one["group"]} | dict.fromkeys(names, "") | {names[0]: one["why_not"]}
    right = [_span(one["accuracy"][name]) if one["accuracy"] else "too small to judge" for name in _TRAINED]
    numbers = [_share(one[key]) for key in ("error_1", "error_2", "association_gap")]
    values = (*numbers, *right, _share(one["overlap"]))
    return {"Group": one["group"]} | dict(zip(names, values, strict=True))
