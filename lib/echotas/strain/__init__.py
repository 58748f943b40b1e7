"""Longitudinal strain from tracked lines: length, global and segmental curves, drift, rate, timing; and function."""

from .drift import DriftFree, compensate_drift, compensate_point_drift, cycle_closure_mm, drift_percent
from .function import (
    area_length_volume_ml,
    biplane_volume_ml,
    ejection_fraction_percent,
    mapse_mm,
    mapse_percent,
    wall_thickening_percent,
)
from .global_strain import GlobalStrain, gls, longitudinal_strain, strain_curve
from .length import line_length, link_lengths, to_mm
from .rate import strain_rate
from .regional import (
    apical_thirds_weights,
    equal_arc_weights,
    label_weights,
    local_strain,
    segment_lengths,
    segmental_strain,
)
from .segment_models import segment_model
from .timing import mechanical_dispersion_ms, post_systolic_index, slowest_diastolic_frame, time_to_peak_s
from .uncertainty import midwall_error_mm, strain_error_percent

__all__ = [
    "DriftFree",
    "GlobalStrain",
    "apical_thirds_weights",
    "area_length_volume_ml",
    "mapse_percent",
    "biplane_volume_ml",
    "compensate_drift",
    "compensate_point_drift",
    "cycle_closure_mm",
    "drift_percent",
    "ejection_fraction_percent",
    "equal_arc_weights",
    "gls",
    "label_weights",
    "line_length",
    "link_lengths",
    "local_strain",
    "longitudinal_strain",
    "mapse_mm",
    "mechanical_dispersion_ms",
    "midwall_error_mm",
    "post_systolic_index",
    "segment_lengths",
    "segment_model",
    "segmental_strain",
    "strain_curve",
    "strain_error_percent",
    "slowest_diastolic_frame",
    "strain_rate",
    "time_to_peak_s",
    "to_mm",
    "wall_thickening_percent",
]
