"""How good a tracker is: motion error, folds, realism, agreement, inference, speed.

Metrics take one recording and return one number; statistics take one number per patient. The patient is the unit.
"""

from echotas.strain.function import mapse_mm, mapse_percent

from .accuracy import PositionAccuracy, position_accuracy, position_accuracy_px, survival, survival_px
from .agreement import (
    BlandAltman,
    Icc,
    bland_altman,
    icc_a1,
    minimal_detectable_change,
    within_subject_cv,
    within_subject_sd,
)
from .bootstrap import Interval, SumStatistic, cluster_bootstrap
from .contours import ContourDistance, contour_distance_mm
from .detection import Detection, detect
from .folds import FoldCount, count_folds
from .paired import Equivalence, PairedComparison, equivalence, holm, paired_comparison
from .patients import patient_mean
from .realism import correlation_error
from .repeated import RepeatedBlandAltman, bland_altman_repeated
from .shift import hodges_lehmann_interval, hodges_lehmann_shift
from .smoothness import jerk_mm_per_s3
from .speed import Speed, measure_ms_per_frame
from .spread import SpreadComparison, compare_spread
from .trajectory import (
    WallError,
    end_point_error_mm,
    mean_trajectory_error_mm,
    median_trajectory_error_px,
    point_errors_mm,
    wall_error_mm,
)

__all__ = [
    "BlandAltman",
    "ContourDistance",
    "Detection",
    "Equivalence",
    "FoldCount",
    "Icc",
    "Interval",
    "SpreadComparison",
    "SumStatistic",
    "PairedComparison",
    "PositionAccuracy",
    "RepeatedBlandAltman",
    "Speed",
    "WallError",
    "bland_altman",
    "bland_altman_repeated",
    "cluster_bootstrap",
    "compare_spread",
    "contour_distance_mm",
    "correlation_error",
    "count_folds",
    "detect",
    "end_point_error_mm",
    "equivalence",
    "hodges_lehmann_interval",
    "hodges_lehmann_shift",
    "holm",
    "icc_a1",
    "jerk_mm_per_s3",
    "mapse_mm",
    "mapse_percent",
    "mean_trajectory_error_mm",
    "measure_ms_per_frame",
    "median_trajectory_error_px",
    "minimal_detectable_change",
    "paired_comparison",
    "patient_mean",
    "point_errors_mm",
    "position_accuracy",
    "position_accuracy_px",
    "survival",
    "survival_px",
    "wall_error_mm",
    "within_subject_cv",
    "within_subject_sd",
]
