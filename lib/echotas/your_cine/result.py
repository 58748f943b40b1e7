"""The result of one cine: tracked mesh, strain, and how far the beat closes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from echotas.readers.contour import Contour
from echotas.records import Cine, Mesh, StrainCurve
from echotas.strain import GlobalStrain
from echotas.your_cine.closure import closure_distance, local_drift_percent
from echotas.your_cine.doubts import doubts
from echotas.your_cine.own_error import HALF_WIDTH_95
from echotas.your_cine.reading import is_virtual

__all__ = ["CineAnalysis"]


@dataclass(frozen=True, eq=False)
class CineAnalysis:
    """Result of one cine. Lengths in px always exist; those in mm are refused while the spacing is unknown."""

    cine: Cine
    """The loop."""
    tracker: str
    """Name of the tracker."""
    contour: Contour
    """The drawn mid-wall line."""
    mesh: Mesh
    """Tracked nodes (n_frames, n_long, n_rad, 2) px."""
    confidence: np.ndarray
    """(n_frames, n_long, n_rad) in [0, 1], on the tracker's own scale."""
    strain: StrainCurve
    """Mid-wall longitudinal strain, percent, without drift compensation."""
    global_strain: GlobalStrain
    """GLS at ES, peak systolic and peak, from the raw curve."""
    global_strain_without_drift: GlobalStrain | None
    """The same after linear drift removal; None if the end of the beat is unknown."""
    segment_names: tuple[str, ...]
    """Six names, base -> apex -> base; positions ("left basal", ...) if the view is unknown."""
    segment: np.ndarray
    """Segment 0..5 of each longitudinal node, int (n_long,): six equal arcs in the frame of the contour."""
    segment_confidence_curve: np.ndarray
    """(6, n_frames) mean confidence of the nodes of each segment."""
    accepted: np.ndarray
    """Segments that entered the global curve, bool (6,)."""
    ed_frame: int
    """Frame of zero strain."""
    ed_source: str
    """Where it comes from: "given", "file", "R wave" or "longest line"."""
    es_frame: int
    """End-systole."""
    es_source: str
    """Where it comes from: "given", "drawn line" (its frame) or "file"."""
    end_frame: int | None
    """Next end-diastole; None if unknown."""
    drift_percent: float | None
    """Strain left at the end of the beat, where it should be 0; None if the end is unknown."""
    closure_px: float | None
    """Mean distance of the nodes between ED and the end of the beat, px; None if the end is unknown."""
    folded_share: float
    """Share of mesh triangles, over all frames, that turned over against the frame of the contour."""

    strain_error_percent: np.ndarray | None = None
    """Standard error at end-systole of GLS and of the six segments (7,), points, that the tracker predicts for its own part: what
    the drawn line misses is not in it. None from a tracker that predicts none."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the numbers should know, one sentence each."""
        return tuple(doubts(self))

    @property
    def virtual(self) -> bool:
        """Whether the cine is of a virtual patient."""
        return is_virtual(self.cine)

    @property
    def heart_rate_bpm(self) -> float | None:
        """Beats per minute: the file's own, else from ED to the end of the beat; None where neither is known, or where
        times are those of a video player."""
        if self.cine.meta.get("heart_rate_bpm"):
            return float(self.cine.meta["heart_rate_bpm"])
        if self.end_frame is None or self.cine.meta.get("frame_rate_source") == "container":
            return None
        return float(60 / (self.cine.times_s[self.end_frame] - self.cine.times_s[self.ed_frame]))

    @property
    def rejected_names(self) -> tuple[str, ...]:
        """Segments that stayed out of the global curve."""
        return tuple(name for name, kept in zip(self.segment_names, self.accepted, strict=True) if not kept)

    @property
    def half_width_percent(self) -> np.ndarray | None:
        """The ± of GLS and of the six segments at ES (7,), points: 95 % by the tracker's own estimate of its error. None
        from a tracker that predicts none."""
        return None if self.strain_error_percent is None else HALF_WIDTH_95 * self.strain_error_percent

    @property
    def segment_drift_percent(self) -> np.ndarray | None:
        """Strain of the six segments at the end of the beat, where it should be 0, percent (6,); None if the end is
        unknown."""
        return None if self.end_frame is None else self.strain.segment_percent[:, self.end_frame]

    @property
    def local_drift_percent(self) -> np.ndarray | None:
        """The same of each third of a segment, about 10 mm of wall, (18,)."""
        if self.end_frame is None:
            return None
        # Without a spacing pixels are square (`analyse` refuses others), and strain does not see their size.
        line = self.mesh.midwall_px * np.asarray(self.cine.spacing_mm or (1.0, 1.0))
        return local_drift_percent(line, self.ed_frame, self.end_frame)

    @property
    def gls_percent(self) -> float:
        """End-systolic GLS of the raw curve, percent."""
        return self.global_strain.es_percent

    @property
    def segment_es_percent(self) -> np.ndarray:
        """End-systolic strain of the six segments, percent (6,)."""
        return self.strain.segment_percent[:, self.es_frame]

    @property
    def segment_confidence(self) -> np.ndarray:
        """Mean confidence of the six segments over the beat (to the last frame if its end is unknown), (6,)."""
        last = self.cine.n_frames - 1 if self.end_frame is None else self.end_frame
        return self.segment_confidence_curve[:, self.ed_frame : last + 1].mean(axis=1)

    @property
    def length_mm(self) -> np.ndarray:
        """Length of the mid-wall line, mm (n_frames,). Raises ValueError if the spacing is unknown."""
        steps = np.diff(self.mesh.midwall_px * self._spacing(), axis=1)
        return np.linalg.norm(steps, axis=-1).sum(-1)

    @property
    def closure_mm(self) -> float:
        """Mean distance of the nodes between ED and the end of the beat, mm. Raises ValueError if spacing or end is
        unknown."""
        spacing = self._spacing()
        if self.end_frame is None:
            raise ValueError("end_frame must be known to measure how the beat closes, got None")
        return closure_distance(self.mesh.points_px * spacing, self.ed_frame, self.end_frame)

    def summary(self) -> dict[str, Any]:
        """The numbers as plain values; those in mm are None if the spacing is unknown."""
        known = self.cine.spacing_mm is not None
        without = self.global_strain_without_drift
        return {
            "recording_id": self.cine.recording_id,
            "tracker": self.tracker,
            "virtual": self.virtual,
            "view": str(self.cine.view),
            "n_frames": self.cine.n_frames,
            "heart_rate_bpm": self.heart_rate_bpm,
            "ed_frame": self.ed_frame,
            "ed_source": self.ed_source,
            "es_frame": self.es_frame,
            "es_source": self.es_source,
            "end_frame": self.end_frame,
            "gls_es_percent": self.global_strain.es_percent,
            "gls_peak_systolic_percent": self.global_strain.peak_systolic_percent,
            "gls_peak_percent": self.global_strain.peak_percent,
            "gls_es_without_drift_percent": None if without is None else without.es_percent,
            "drift_percent": self.drift_percent,
            "segment_drift_percent": None
            if self.segment_drift_percent is None
            else dict(zip(self.segment_names, self.segment_drift_percent.tolist(), strict=True)),
            "closure_px": self.closure_px,
            "closure_mm": self.closure_mm if known and self.end_frame is not None else None,
            "length_ed_mm": float(self.length_mm[self.ed_frame]) if known else None,
            "folded_share": self.folded_share,
            "gls_standard_error": None if self.strain_error_percent is None else float(self.strain_error_percent[0]),
            "segment_standard_error": None
            if self.strain_error_percent is None
            else dict(zip(self.segment_names, self.strain_error_percent[1:].tolist(), strict=True)),
            "mean_confidence": float(self.confidence.mean()),
            "segment_es_percent": dict(zip(self.segment_names, self.segment_es_percent.tolist(), strict=True)),
            "segment_confidence": dict(zip(self.segment_names, self.segment_confidence.tolist(), strict=True)),
            "rejected_segments": list(self.rejected_names),
            "warnings": list(self.warnings),
        }

    def _spacing(self) -> np.ndarray:
        if self.cine.spacing_mm is None:
            raise ValueError(
                "spacing unknown: millimetres need the pixel size (dx, dy), give spacing_mm when reading the cine"
            )
        return np.asarray(self.cine.spacing_mm)
