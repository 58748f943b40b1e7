"""Longitudinal strain from tracked lines: length, global and segmental curves, drift, rate."""

from .drift import DriftFree, compensate_drift, compensate_point_drift, cycle_closure_mm, drift_percent
from .global_strain import GlobalStrain, gls, longitudinal_strain, strain_curve
from .length import line_length, link_lengths, to_mm
from .rate import strain_rate
from .regional import equal_arc_weights, label_weights, local_strain, segment_lengths, segmental_strain

__all__ = [
    "DriftFree",
    "GlobalStrain",
    "compensate_drift",
    "compensate_point_drift",
    "cycle_closure_mm",
    "drift_percent",
    "equal_arc_weights",
    "gls",
    "label_weights",
    "line_length",
    "link_lengths",
    "local_strain",
    "longitudinal_strain",
    "segment_lengths",
    "segmental_strain",
    "strain_curve",
    "strain_rate",
    "to_mm",
]
