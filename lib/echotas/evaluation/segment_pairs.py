"""Pairs of readings of one segment: a tracker against the truth, against readers, against itself, and readers among each other."""

import pandas as pd

from echotas.evaluation.tables import READER, agreement_pairs
from echotas.evaluation.tracking import TRUE_START

__all__ = ["PAIR_KINDS", "segment_pair_summary", "segment_pairs"]

PAIR_KINDS = {
    "truth": ("tracker", "truth"),
    "reader": ("tracker", "reader"),
    "tracker": ("tracker, 2nd", "tracker, 1st"),
    "readers": ("reader 2", "reader 1"),
}
"""Kind of pair -> what is subtracted from what. "truth" is from the true line; "reader": the tracker from a reader's line against
what that reader's own software gave; "tracker" and "readers": two observers on one recording, or on two of one patient and
view (the first observer reads the first)."""


def segment_pairs(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Pairs of end-systolic segment strains of every kind.

    Segments that an observer rejected are left out of every pair which that observer's line takes part in.

    Args:
        table: From `segment_strain_table`.
        method: Tracker that is compared.

    Returns:
        Columns kind (key of `PAIR_KINDS`), patient, view, segment, value, reference (percent), in the order of `PAIR_KINDS`.

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
            kind = repeated["method"].map(lambda name: "readers" if name == READER else "tracker")
            renamed = repeated.drop(columns="kind").rename(columns={"second": "value", "first": "reference"})
            parts.append(renamed.assign(kind=kind, segment=segment))
    columns = ["kind", *identity, "value", "reference"]
    pairs = pd.concat([part[columns] for part in parts], ignore_index=True).dropna(subset=["value", "reference"])
    order = {kind: place for place, kind in enumerate(PAIR_KINDS)}
    return pairs.sort_values("kind", key=lambda kinds: kinds.map(order), kind="stable", ignore_index=True)


def segment_pair_summary(pairs: pd.DataFrame) -> pd.DataFrame:
    """Bias, SD (ddof 1, points) and number of pairs of every segment, by kind.

    Returns:
        Index segment in the order of the pairs, columns (kind, "bias" | "sd" | "n"); NaN where a kind has no pair, SD of one
        pair NaN.
    """
    difference = pairs.assign(difference=pairs["value"] - pairs["reference"])
    grouped = difference.groupby(["segment", "kind"], sort=False)["difference"]
    values = pd.DataFrame({"bias": grouped.mean(), "sd": grouped.std(), "n": grouped.size()}).unstack("kind")
    kinds = [kind for kind in PAIR_KINDS if kind in set(pairs["kind"])]
    values = values.swaplevel(axis=1).reindex(
        columns=pd.MultiIndex.from_product([kinds, ["bias", "sd", "n"]]), index=list(dict.fromkeys(pairs["segment"]))
    )
    return values
