"""From a cohort on disk to tracks, and from tracks to tables: the half of the benchmark that every tracker shares."""

from echotas.evaluation.cohort_files import cohort_table, recording_paths
from echotas.evaluation.failures import explain_failures
from echotas.evaluation.profiles import best_and_worst, error_by_frame, error_by_place, examples_at_ed
from echotas.evaluation.summaries import (
    agreement_summary,
    compare_with,
    gls_summary,
    motion_summary,
    regional_summary,
)
from echotas.evaluation.tables import agreement_pairs, global_strain_table, motion_table, segment_strain_table
from echotas.evaluation.tracking import Start, starting_meshes, track_recording

__all__ = [
    "Start",
    "agreement_pairs",
    "agreement_summary",
    "best_and_worst",
    "cohort_table",
    "compare_with",
    "error_by_frame",
    "error_by_place",
    "explain_failures",
    "examples_at_ed",
    "gls_summary",
    "global_strain_table",
    "motion_summary",
    "motion_table",
    "recording_paths",
    "regional_summary",
    "segment_strain_table",
    "starting_meshes",
    "track_recording",
]
