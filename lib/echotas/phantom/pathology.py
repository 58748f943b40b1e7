"""What is wrong with the heart: segment strain, timing pattern and geometry class of each population.

Peak strain by wall and level follows the virtual-patient numbers, sections 3.3, 4 and 5. Walls run around the long axis
in steps of 60 degrees; a view sees two opposite walls.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from echotas.phantom.timing import BeatTiming, SegmentKnots, segment_knots
from echotas.seeds import in_turn

__all__ = [
    "EF_CLASSES",
    "LEVELS",
    "MIXES",
    "POPULATIONS",
    "WALLS",
    "Disease",
    "draw_disease",
    "heart_rate_for",
    "population_at",
    "wall_knots",
]

WALLS = ("inferoseptal", "anteroseptal", "anterior", "anterolateral", "inferolateral", "inferior")
"""Walls in order of azimuth: 0, 60, ... 300 degrees around the long axis."""
LEVELS = ("base", "mid", "apical")
EF_CLASSES = ("EF>50", "EF35-50", "EF<35")

# Peak systolic mid-wall strain in health (section 4), percent, walls x levels; grand mean -19.1.
NORMAL_STRAIN = np.array(
    [
        [-14.5, -18.5, -22.0],
        [-17.0, -19.5, -21.5],
        [-19.5, -19.0, -20.0],
        [-18.0, -18.5, -20.0],
        [-16.0, -18.0, -21.0],
        [-17.5, -20.0, -22.5],
    ]
)
NORMAL_GLS = -19.1

# Walls x levels that stop when an artery closes (section 5).
TERRITORIES = {
    "infarct_lad": [(1, 1), (2, 1), *((wall, 2) for wall in range(6))],
    "infarct_rca": [(5, 0), (5, 1), (0, 0)],
    "infarct_lcx": [(4, 0), (4, 1), (3, 0), (3, 1)],
}

# Mean and SD of the target GLS, heart-rate mean and SD, EF class, relative diastolic plateau.
_POPULATION = {
    "normal": ((-20.0, 2.0), (66, 11), "EF>50", 0.20),
    "mild": ((-16.5, 2.0), (68, 11), "EF>50", 0.33),
    "hfmref": ((-13.5, 1.5), (72, 12), "EF35-50", 0.26),
    "hfref": ((-10.0, 2.5), (76, 14), "EF<35", 0.24),
    "infarct_lad": ((-12.0, 2.0), (72, 12), "EF35-50", 0.25),
    "infarct_rca": ((-15.5, 1.5), (70, 12), "EF>50", 0.24),
    "infarct_lcx": ((-15.5, 1.5), (70, 12), "EF>50", 0.24),
    "ischaemic": ((-15.5, 1.5), (72, 12), "EF>50", 0.26),
    "lbbb": ((-11.0, 2.0), (72, 12), "EF35-50", 0.25),
    "amyloid": ((-10.5, 2.5), (76, 12), "EF35-50", 0.35),
    "hypertrophic": ((-14.5, 1.5), (68, 11), "EF>50", 0.33),
    "atrial_fibrillation": ((-14.0, 2.5), (84, 14), "EF>50", 0.14),
}
POPULATIONS = tuple(_POPULATION)

# Everything that is neither normal nor globally reduced.
_REGIONAL = (
    "infarct_lad",
    "infarct_rca",
    "infarct_lcx",
    "lbbb",
    "amyloid",
    "hypertrophic",
    "ischaemic",
    "atrial_fibrillation",
)


def _mix(normal: float, mild: float, hfref: float, regional: float) -> tuple[tuple[str, float], ...]:
    share = regional / len(_REGIONAL)
    return (("normal", normal), ("mild", mild), ("hfref", hfref), *((name, share) for name in _REGIONAL))


MIXES = {"wide": _mix(0.45, 0.25, 0.20, 0.10), "test": _mix(0.50, 0.35, 0.05, 0.10)}
"""Population shares (section 3.3): `wide` for training templates, `test` for the evaluation cohorts. `hfmref` has none of
its own there; ask for it by name."""


@dataclass(frozen=True, eq=False)
class Disease:
    """One patient's contraction pattern, by wall (6) and level (3)."""

    population: str
    """One of POPULATIONS."""
    ef_class: str
    """Geometry class, one of EF_CLASSES."""
    strain_percent: np.ndarray
    """Strain at aortic closure, (6, 3) percent."""
    lag_ms: np.ndarray
    """Peak after (+) or before (-) aortic closure, (6, 3) ms."""
    post_systolic_percent: np.ndarray
    """Further shortening after closure, (6, 3) percent, >= 0."""
    early_stretch_percent: np.ndarray
    """Passive stretch in early ejection, (6, 3) percent, >= 0."""
    jitter: np.ndarray
    """Relative deviation of the template's knots, (6, 3, 8)."""
    plateau: float
    """Fraction of the peak that is left in diastasis."""
    wall_scale: np.ndarray
    """ED wall thickness relative to the class, (6, 3)."""
    twist_deg: float
    """Peak apex minus base rotation, degrees."""
    apex_descent_mm: float
    """Apex toward base at end-systole, mm."""
    septal_rebound_percent: float = 0.0
    """Left bundle branch block: systolic rebound of the septum, percent; 0 otherwise."""

    @property
    def atrial_wave(self) -> bool:
        """Whether the atrium contracts."""
        return self.population != "atrial_fibrillation"


def population_at(mix: str, index: int, offset: float = 0.17) -> str:
    """Population of the patient with this index; every prefix follows the mix closely.

    Raises:
        ValueError: The mix is unknown, or the index is negative.
    """
    if mix not in MIXES:
        raise ValueError(f"mix must be one of {sorted(MIXES)}, got {mix!r}")
    if index < 0:
        raise ValueError(f"index must not be negative, got {index}")
    return MIXES[mix][in_turn([share for _, share in MIXES[mix]], index, offset=offset)][0]


def heart_rate_for(population: str, rng: np.random.Generator) -> float:
    """Heart rate of a patient, 1/min: N(66, 11) in health, faster in failure, within 45..110."""
    (mean, sd) = _POPULATION[population][1]
    return float(np.clip(rng.normal(mean, sd), 45, 110))


def _neighbour_noise(rng: np.random.Generator, sd: float) -> Float[np.ndarray, "6 3"]:
    """Segment noise with neighbour correlation about 0.4, around the wall and along it."""
    white = rng.normal(size=(6, 3))
    mixed = white + 0.25 * (np.roll(white, 1, 0) + np.roll(white, -1, 0))
    mixed[:, 1:] += 0.25 * white[:, :-1]
    mixed[:, :-1] += 0.25 * white[:, 1:]
    return sd * mixed / 1.12


def _truncated_normal(rng: np.random.Generator, mean: float, sd: float, limit: float = 1.8) -> float:
    """Normal value within `limit` SD, by drawing again: no heap at the limits."""
    while True:
        score = rng.normal()
        if abs(score) <= limit:
            return mean + sd * score


def _remote_to_target(strain: np.ndarray, affected: np.ndarray, target: float) -> None:
    """Scale the healthy segments, within limits, so that the mean reaches the target (compensation by neighbours)."""
    healthy = ~affected
    wanted = (18 * target - strain[affected].sum()) / healthy.sum()
    wanted = np.clip(wanted, -23.0, -11.0)
    strain[healthy] *= wanted / strain[healthy].mean()


def draw_disease(population: str, rng: np.random.Generator) -> Disease:
    """Contraction pattern of one patient of a population.

    Args:
        population: One of POPULATIONS.
        rng: Random generator of the patient's disease.

    Raises:
        ValueError: The population is unknown.

    References:
        Virtual-patient numbers, sections 3.3 (GLS), 4 (normal pattern), 5 (recipes), 7 (twist).
    """
    if population not in _POPULATION:
        raise ValueError(f"population must be one of {list(_POPULATION)}, got {population!r}")
    (mean, sd), _, ef_class, plateau = _POPULATION[population]
    target = _truncated_normal(rng, mean, sd)
    strain = NORMAL_STRAIN * (target / NORMAL_GLS) + _neighbour_noise(rng, 2.5 if target < -13 else 1.6)
    lag = rng.normal(0, 12, size=(6, 3))
    jitter = np.clip(rng.normal(0, 0.06, size=(6, 3, 8)), -0.15, 0.15)
    # A third of healthy segments shorten a little after closure (Voigt 2003).
    post = np.where(rng.random((6, 3)) < 0.31, rng.uniform(0.1, 0.6, size=(6, 3)), 0.0)
    stretch = np.zeros((6, 3))
    scale = np.ones((6, 3))
    rebound = 0.0
    twist, descent = rng.normal(13.0, 2.5), abs(rng.normal(2.4, 1.0))

    if population == "mild":
        strain[:, 0] *= 0.93
        strain *= target / strain.mean()
        scale += rng.uniform(0.1, 0.25)
    elif population == "hfmref":
        strain = 0.7 * strain + 0.3 * target
        twist, descent = rng.uniform(6, 11), abs(rng.normal(1.8, 0.9))
    elif population == "hfref":
        strain = 0.45 * strain + 0.55 * target + _neighbour_noise(rng, 1.2)
        lag += rng.normal(15, 30, size=(6, 3))
        twist, descent = rng.uniform(3, 8), abs(rng.normal(1.2, 0.7))
    elif population in TERRITORIES or population == "ischaemic":
        scar = population in TERRITORIES
        name = population if scar else rng.choice(sorted(TERRITORIES))
        affected = np.zeros((6, 3), dtype=bool)
        for place in TERRITORIES[str(name)]:
            affected[place] = True
        count = int(affected.sum())
        low, high = ((-5.0, 2.0) if name == "infarct_lad" else (-9.0, -3.0)) if scar else (-11.0, -5.0)
        strain[affected] = rng.uniform(low, high, size=count)
        _remote_to_target(strain, affected, target)
        post[affected] = np.maximum(1.5, -strain[affected] * rng.uniform(0.3, 0.8, size=count))
        stretch[affected] = rng.uniform(1.0, 3.0, size=count)
        if population == "infarct_lad":
            scale[affected] = 0.75
            twist *= 0.6
    elif population == "lbbb":
        septal = np.zeros((6, 3), dtype=bool)
        septal[:2, :2] = True
        strain[septal] = rng.uniform(-6.0, -1.0, size=4)
        _remote_to_target(strain, septal, target)
        lateral = np.zeros((6, 3), dtype=bool)
        lateral[2:5] = True
        lag[lateral] = rng.uniform(40, 100, size=9)
        stretch[lateral] = rng.uniform(1.0, 3.0, size=9)
        post[lateral] = 0.0
        rebound = rng.uniform(3.0, 7.0)
        twist *= 0.6
    elif population == "amyloid":
        for level, (low, high) in enumerate(((-7.0, -3.0), (-10.0, -7.0), (-18.0, -14.0))):
            strain[:, level] = rng.uniform(low, high, size=6)
        strain *= np.clip(target / -10.5, 0.7, 1.3)
        scale += rng.uniform(0.25, 0.45)
        twist *= 0.7
    elif population == "hypertrophic":
        thick = np.zeros((6, 3), dtype=bool)
        thick[:2, :2] = True
        strain[thick] = rng.uniform(-10.0, -5.0, size=4)
        _remote_to_target(strain, thick, target)
        scale[:2] += np.array([0.55, 0.6, 0.25]) * rng.uniform(0.8, 1.2)
    return Disease(
        population=population,
        ef_class=ef_class,
        strain_percent=np.clip(strain, -30.0, 5.0),
        lag_ms=np.clip(lag, -40, 120),
        post_systolic_percent=post,
        early_stretch_percent=stretch,
        jitter=jitter,
        plateau=float(np.clip(rng.normal(plateau, 0.04), 0.10, 0.42)),
        wall_scale=scale,
        twist_deg=float(np.clip(twist, 3, 20)),
        apex_descent_mm=float(np.clip(descent, 0.0, 6.0)),
        septal_rebound_percent=float(rebound),
    )


def _septal_lbbb_knots(timing: BeatTiming, late_percent: float, rebound_percent: float) -> SegmentKnots:
    """Early septal peak, stretch by the late lateral wall, small late shortening (section 5)."""
    opening, ejection, closure = timing.aortic_opening_ms, timing.ejection_ms, timing.aortic_closure_ms
    early = min(late_percent, -1.0) - rebound_percent
    end = min(timing.early_filling_end_ms, timing.atrial_start_ms - 20)
    return SegmentKnots(
        (0.0, opening, opening + 0.18 * ejection, opening + 0.65 * ejection, closure, closure + 60.0, end),
        (0.0, 0.55 * early, early, early + rebound_percent, late_percent, late_percent - 0.6, 0.25 * late_percent),
    )


def wall_knots(disease: Disease, timing: BeatTiming, gain: float = 1.0) -> list[list[SegmentKnots]]:
    """Strain knots of the 18 segments, [wall][level].

    Args:
        disease: The patient's pattern.
        timing: Events of the beat.
        gain: Factor on all strains, for a physiologic change between two acquisitions.
    """
    knots = []
    for wall in range(6):
        row = []
        for level in range(3):
            strain = gain * float(disease.strain_percent[wall, level])
            if disease.septal_rebound_percent > 0 and wall < 2 and level < 2:
                row.append(_septal_lbbb_knots(timing, strain, disease.septal_rebound_percent))
                continue
            row.append(
                segment_knots(
                    timing,
                    strain,
                    lag_ms=float(disease.lag_ms[wall, level]),
                    post_systolic_percent=float(disease.post_systolic_percent[wall, level]),
                    early_stretch_percent=float(disease.early_stretch_percent[wall, level]),
                    plateau=disease.plateau,
                    jitter=disease.jitter[wall, level],
                )
            )
        knots.append(row)
    return knots
