"""Pairs of readings of one segment: a tracker against the truth, against readers, against itself, and readers among each other."""

import pandas as pd

from echotas.evaluation.tables import READER, agreement_pairs
from echotas.evaluation.tracking import TRUE_START
from echotas.geometry.segments import SEGMENTS

__all__ = ["PAIR_KINDS", "segment_pair_summary", "segment_pairs"]

PAIR_KINDS = {
    "truth": ("tracker", "truth"),
    "reader": ("tracker", "reader"),
    "tracker observers": ("tracker, line 2", "tracker, line 1"),
    "readers observers": ("reader 2", "reader 1"),
    "tracker test-retest": ("tracker, line 2, 2nd loop", "tracker, line 1, 1st loop"),
    "readers test-retest": ("reader 2, 2nd loop", "reader 1, 1st loop"),
}
"""Kind of pair -> what is subtracted from what. "truth" is from the true line; "reader": the tracker from a reader's line against
what that reader's own software gave; "observers": two observers on one loop, the tracker from each one's line or their own
readings; "test-retest": two loops of one patient and view, the first by the first observer, so that the loop's difference comes
on top of the observers'. The two are never pooled."""

_REPEATED = {"agreement": "observers", "test-retest": "test-retest"}


def segment_pairs(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Pairs of end-systolic segment strains of every kind. A patient may have several of one segment.

    Segments that an observer rejected are left out of every pair which that observer's line takes part in.

    Args:
        table: From `segment_strain_table`.
        method: Tracker that is compared.

    Returns:
        Columns kind (key of `PAIR_KINDS`), patient, view, segment, value, reference (percent), in the order of `PAIR_KINDS` and,
        within a kind, of views and segments in `geometry.segments`.

    Raises:
        ValueError: The table has no rows of the tracker.
    """
    if method not in set(table["method"]) - {READER}:
        raise ValueError(f"method must be a tracker of the table, got {method!r}")
    shown = table[table["method"].isin([method, READER])]
    shown = shown.assign(strain_es=shown["strain_es"].where(shown["accepted"] | (shown["start"] == TRUE_START)))
    tracker, reader = shown[shown["method"] == method], shown[shown["method"] == READER]
    identity = ["patient", "view", "segment"]
    exact = tracker[tracker["start"] == TRUE_START]
    exact = exact.rename(columns={"strain_es": "value", "true_strain_es": "reference"}).assign(kind="truth")
    own = tracker.merge(reader[["recording", "start", "segment", "strain_es"]], on=["recording", "start", "segment"])
    own = own.rename(columns={"strain_es_x": "value", "strain_es_y": "reference"}).assign(kind="reader")
    parts = [exact, own]
    for segment, group in shown.groupby("segment", sort=False):
        repeated = agreement_pairs(group, "strain_es")
        if len(repeated):
            who = repeated["method"].map(lambda name: "readers" if name == READER else "tracker")
            kind = who + " " + repeated["kind"].map(_REPEATED)
            renamed = repeated.rename(columns={"second": "value", "first": "reference"})
            parts.append(renamed.assign(kind=kind, segment=segment))
    columns = ["kind", *identity, "value", "reference"]
    pairs = pd.concat([part[columns] for part in parts], ignore_index=True).dropna(subset=["value", "reference"])
    kinds = {kind: place for place, kind in enumerate(PAIR_KINDS)}
    places = {name: place for place, (_, name) in enumerate(_segments())}
    order = pairs[["segment"]].assign(kind=pairs["kind"].map(kinds), segment=pairs["segment"].map(places))
    return pairs.loc[order.sort_values(["kind", "segment"], kind="stable").index].reset_index(drop=True)


def segment_pair_summary(pairs: pd.DataFrame) -> pd.DataFrame:
    """Bias, SD (ddof 1, points) and number of pairs of every segment, by kind.

    Returns:
        Index (view, segment) in the order of `geometry.segments`, columns (kind, "bias" | "sd" | "n"); where a kind has no pair n is
        0 and the others are NaN; SD of one pair NaN.
    """
    difference = pairs.assign(difference=pairs["value"] - pairs["reference"])
    grouped = difference.groupby(["segment", "kind"], sort=False)["difference"]
    values = pd.DataFrame({"bias": grouped.mean(), "sd": grouped.std(), "n": grouped.size()}).unstack("kind")
    kinds = [kind for kind in PAIR_KINDS if kind in set(pairs["kind"])]
    rows = [(view, segment) for view, segment in _segments() if segment in set(pairs["segment"])]
    values = values.swaplevel(axis=1).reindex(
        columns=pd.MultiIndex.from_product([kinds, ["bias", "sd", "n"]]), index=[segment for _, segment in rows]
    )
    values.index = pd.MultiIndex.from_tuples(rows, names=["view", "segment"])
    counts = [(kind, "n") for kind in kinds]
    return values.fillna(dict.fromkeys(counts, 0)).astype(dict.fromkeys(counts, int))


def _segments() -> list[tuple[str, str]]:
    """View and name of the 18 segments, in the one order of all panels and tables."""
    return [(str(view), name) for view, names in SEGMENTS.items() for name in names]
