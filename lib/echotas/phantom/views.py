"""Which plane a view cuts, with operator error, and where the ventricle lies in the sector.

Azimuths, foreshortening and placement: virtual-patient numbers, sections 1.3 and 2.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from echotas.phantom.anatomy import Anatomy, Section
from echotas.phantom.pathology import LEVELS, WALLS
from echotas.records import View

__all__ = ["VIEW_AZIMUTH_DEG", "ViewPose", "draw_pose", "second_pose", "view_segment_curves", "wall_names"]

VIEW_AZIMUTH_DEG = {View.A4C: 0.0, View.A2C: -60.0, View.A3C: -120.0}
"""Nominal azimuth of the left image wall."""


@dataclass(frozen=True)
class ViewPose:
    """One acquisition of one view."""

    view: View
    """Apical view."""
    azimuth_deg: float
    """Azimuth of the left image wall, with operator error."""
    tilt_deg: float
    """Signed angle between plane and long axis; foreshortens, and lets the base's descent leave the plane."""
    axis_deg: float
    """Long axis against the vertical, positive = apex to the image left."""
    apex_depth_mm: float
    """Endocardial apex below the probe at end-diastole."""
    lateral_mm: float
    """Where the middle of the long axis lies, positive = image right."""
    right_wall_cut_mm: float
    """Arc missing at the right base (aortic outlet in A3C)."""

    def to_image(
        self, section: Section, rho: Float[np.ndarray, "..."], zeta: Float[np.ndarray, "..."]
    ) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
        """Lateral position and depth in mm (probe at the origin) of points given in the frame of the long axis."""
        angle = np.deg2rad(self.axis_deg)
        middle = len(section.midwall_mm) // 2
        endo_apex = section.midwall_mm[middle, 1] - 0.5 * section.thickness_mm[middle]
        origin_x = self.lateral_mm + 0.5 * endo_apex * np.sin(angle)
        origin_z = self.apex_depth_mm + endo_apex * np.cos(angle)
        x = origin_x + rho * np.cos(angle) - zeta * np.sin(angle)
        z = origin_z - rho * np.sin(angle) - zeta * np.cos(angle)
        return x, z


def draw_pose(view: View | str, anatomy: Anatomy, rng: np.random.Generator, *, focused_right: bool = False) -> ViewPose:
    """How an operator gets one view of a patient.

    Args:
        view: A2C, A3C or A4C.
        anatomy: The patient.
        rng: Random generator of the pose.
        focused_right: Focus on the right ventricle: the left one lies 12 mm to the image right, more oblique.

    Raises:
        ValueError: The view is not A2C, A3C or A4C.
    """
    if view not in VIEW_AZIMUTH_DEG:
        raise ValueError(f"view must be one of {[str(one) for one in VIEW_AZIMUTH_DEG]}, got {view!r}")
    view = View(view)
    tilt = float(np.clip(rng.normal(0, 5.0), -14, 14))
    apex_depth = 31.6 + 2.5 * anatomy.body_size + 5.5 * float(np.clip(rng.normal(), -2, 2))
    aside, oblique = (12.0, 6.0) if focused_right else (0.0, 0.0)
    return ViewPose(
        view=view,
        azimuth_deg=VIEW_AZIMUTH_DEG[view] + float(np.clip(rng.normal(0, 8), -16, 16)),
        tilt_deg=tilt,
        axis_deg=float(np.clip(rng.normal(11, 7), -3, 25)) + oblique,
        apex_depth_mm=float(np.clip(apex_depth, 22, 46)),
        lateral_mm=float(np.clip(rng.normal(0, 3.5), -7, 7)) + aside,
        right_wall_cut_mm=float(rng.uniform(5, 10)) if view is View.A3C else 0.0,
    )


def second_pose(pose: ViewPose, rng: np.random.Generator) -> ViewPose:
    """The same view found again by another operator: azimuth N(0, 8), apex tilt |N(0, 6)|, a little other placement."""
    return replace(
        pose,
        azimuth_deg=pose.azimuth_deg + float(np.clip(rng.normal(0, 8), -18, 18)),
        tilt_deg=float(np.clip(abs(rng.normal(0, 6)) * np.sign(rng.normal()), -14, 14)),
        axis_deg=float(np.clip(pose.axis_deg + rng.normal(0, 3), -5, 27)),
        apex_depth_mm=float(np.clip(pose.apex_depth_mm + rng.normal(0, 3), 22, 46)),
        lateral_mm=float(np.clip(pose.lateral_mm + rng.normal(0, 2.5), -9, 9)),
    )


def view_segment_curves(
    curves_percent: Float[np.ndarray, "6 3 n_times"], azimuth_deg: float
) -> Float[np.ndarray, "6 n_times"]:
    """Strain of a view's six segments from the 18 of the heart, in the order of `geometry.segments`.

    Around the ventricle the strain is a periodic cubic spline through the six walls, so an azimuth error mixes
    neighbours.
    """
    if curves_percent.shape[:2] != (len(WALLS), len(LEVELS)):
        raise ValueError(f"curves_percent must be (6, 3, n_times), got {curves_percent.shape}")
    around = CubicSpline(np.arange(7) * 60.0, np.concatenate([curves_percent, curves_percent[:1]]), bc_type="periodic")
    left, right = around(azimuth_deg % 360.0), around((azimuth_deg + 180.0) % 360.0)
    return np.concatenate([left, right[::-1]])


def wall_names(view: View | str) -> tuple[str, str]:
    """Names of the left and the right image wall at the nominal azimuth."""
    azimuth = VIEW_AZIMUTH_DEG[View(view)]
    return WALLS[round(azimuth / 60) % 6], WALLS[round((azimuth + 180) / 60) % 6]
