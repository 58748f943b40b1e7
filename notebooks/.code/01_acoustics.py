# Code view of 01_acoustics.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
n_scatterers = 3000  # in the test patch
n_beams = 24  # over 30 degrees
ranks = [2, 4, 8, 12]

# %% imports
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from echotas import seeds
from echotas.acoustics import Scan, phased_2p5_mhz, simulate, simulate_channels
from echotas.acoustics.comparison import (
    decorrelation,
    half_width,
    patch_of_scatterers,
    relative_error,
    speckle_statistics,
    window_of,
)
from echotas.acoustics.field import pressure_field
from echotas.acoustics.pymust_reference import pymust_channels
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.report import style
from echotas.report.acoustic_figures import (
    decorrelation_curves,
    envelope_histogram,
    envelope_panels,
    point_widths,
    pressure_map,
    signals,
)

# %% setup
style.apply()
scan = Scan(phased_2p5_mhz(), n_beams=n_beams, sector_deg=30, depth_m=0.1)
cache = paths.work() / "response"
rng = seeds.generator(seed, "acoustics", "patch")
positions, reflectivity = patch_of_scatterers(rng, n_scatterers, depth_m=(0.045, 0.062), half_angle_deg=8)
run = runs.start(
    "simulation",
    "fast engine against exact",
    params={"n_scatterers": n_scatterers, "n_beams": n_beams, "ranks": ranks},
    tags={"chain": "acoustics", "seed": seed},
    note="Same scatterers through PyMUST, the exact, the fast and the COLE engine.",
)
display(
    Markdown(
        f"{n_scatterers} scatterers at 45-62 mm, {n_beams} beams over {scan.sector_deg:.0f} degrees, {scan.probe.n_elements} elements at {scan.probe.freq_center_hz / 1e6:.1f} MHz."
    )
)

# %% field
aside = Scan(phased_2p5_mhz(), n_beams=7, sector_deg=60, depth_m=0.1, focus_m=0.06)
x, z = np.arange(-0.03, 0.0501, 5e-4), np.arange(1e-3, 0.1, 5e-4)
grid = np.stack(np.broadcast_arrays(x[None, :], 0.0, z[:, None]), axis=-1)
pressure = pressure_field(grid, aside, beam=4)
angle = aside.angles_rad[4]
figure = pressure_map(pressure, 1e3 * x, 1e3 * z, (60 * np.sin(angle), 60 * np.cos(angle)))
run.log_figure(figure, "pressure.png")
figure

# %% pymust
few, few_reflectivity = patch_of_scatterers(rng, 200, depth_m=(0.02, 0.1), half_angle_deg=15)
beam = 2
ours = simulate_channels(few, few_reflectivity, scan, [beam])[0]
theirs = pymust_channels(few, few_reflectivity, scan, beam)
n = min(ours.shape[1], theirs.shape[1])
rf_error = float(np.linalg.norm(ours[:, :n] - theirs[:, :n]) / np.linalg.norm(theirs[:, :n]))
shown = slice(int(70e-6 * scan.sampling_hz), int(80e-6 * scan.sampling_hz))
time_us = 1e6 * np.arange(n)[shown] / scan.sampling_hz
figure = signals(
    time_us,
    {"PyMUST": theirs[20, shown], "exact": ours[20, shown]},
    f"element 20, beam at {np.degrees(scan.angles_rad[beam]):.0f} deg; all elements: relative difference {rf_error:.1e}",
)
run.log_figure(figure, "pymust.png")
figure

# %% points
depths_m = np.array([0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09])
widths = {}
for name in ("exact", "fast"):
    echoes = [
        simulate(np.array([[0.0, 0.0, depth]]), np.ones((1, 1)), scan, name, rank=ranks[-1], cache_dir=cache)[0]
        for depth in depths_m
    ]
    widths[name] = np.array([half_width(iq, scan) for iq in echoes])
figure = point_widths(1e3 * depths_m, widths)
run.log_figure(figure, "point_widths.png")
figure

# %% same
images = {"exact": simulate(positions, reflectivity[None], scan, method="exact")[0]}
for rank in ranks:
    images[f"fast, rank {rank}"] = simulate(
        positions, reflectivity[None], scan, method="fast", rank=rank, cache_dir=cache
    )[0]
images["COLE"] = simulate(positions, reflectivity[None], scan, method="cole", cache_dir=cache)[0]
best = f"fast, rank {ranks[-1]}"
compared = {name: images[name] for name in ("exact", best, "COLE")}
figure = envelope_panels(compared, scan, (0.043, 0.064), 10)
run.log_figure(figure, "same_scatterers.png")
figure

# %% errors
errors = {name: relative_error(iq, images["exact"]) for name, iq in images.items() if name != "exact"}
pd.DataFrame(
    {
        name: {
            "relative error of the IQ, %": f"{100 * e['iq']:.1f}",
            "correlation of the log image": f"{e['log_correlation']:.4f}",
        }
        for name, e in errors.items()
    }
).T

# %% statistics
inner = window_of(scan, (0.048, 0.059), 6)
statistics = {name: speckle_statistics(iq, scan, inner) for name, iq in compared.items()}
figure = envelope_histogram({name: np.abs(iq)[inner] for name, iq in compared.items()})
run.log_figure(figure, "envelope.png")
display(
    pd.DataFrame(
        {
            name: {
                "mean / SD of the envelope": f"{s['snr']:.3f}",
                "lateral half width, beams": f"{s['lateral_beams']:.2f}",
                "axial half width, mm": f"{s['axial_mm']:.3f}",
            }
            for name, s in statistics.items()
        }
    ).T
)
figure

# %% motion
middle = np.array([0.0, 0.0, 0.0535])
across, along, strain, through = (
    np.array([0, 0.5, 1, 2]),
    np.array([0, 0.1, 0.2, 0.4]),
    np.array([0, 2, 5, 10]),
    np.array([0, 0.5, 1, 2, 3]),
)
axis_x, axis_y, axis_z = np.eye(3)
narrow = window_of(scan, (0.051, 0.056), 4)
moved = {
    "lateral shift (mm)": (across, positions + 1e-3 * across[:, None, None] * axis_x, False),
    "axial shift (mm)": (along, positions + 1e-3 * along[:, None, None] * axis_z, False),
    "axial strain (%)": (strain, positions - strain[:, None, None] / 100 * (positions - middle) * axis_z, False),
}
slab, slab_reflectivity = patch_of_scatterers(
    rng, 2 * n_scatterers, depth_m=(0.048, 0.059), half_angle_deg=6, elevation_m=0.008
)
panels = {}
for label, (amount, displaced, elevation) in moved.items():
    curves = {
        name: decorrelation(displaced, reflectivity, scan, narrow, name, ranks[-1], elevation, cache)
        for name in ("exact", "fast", "cole")
    }
    panels[label] = (amount, curves)
displaced = slab + 1e-3 * through[:, None, None] * axis_y
curves = {
    name: decorrelation(displaced, slab_reflectivity, scan, narrow, name, ranks[-1], True, cache)
    for name in ("exact", "fast")
}
panels["through-plane shift (mm)"] = (through, curves)
figure = decorrelation_curves(panels)
run.log_figure(figure, "decorrelation.png")
figure

# %% record
difference = {
    label.split(" (")[0]: float(np.abs(curves["exact"] - curves["fast"]).max()) for label, (_, curves) in panels.items()
}
numbers = record(
    "01_acoustics",
    {
        "n_scatterers": n_scatterers,
        "rf_error_against_pymust": rf_error,
        "iq_error": {name: e["iq"] for name, e in errors.items()},
        "log_correlation": {name: e["log_correlation"] for name, e in errors.items()},
        "envelope_snr": {name: s["snr"] for name, s in statistics.items()},
        "decorrelation_difference": difference,
        "correlation_after_1_mm_through_plane": float(panels["through-plane shift (mm)"][1]["exact"][2]),
    },
    run=run,
    digits=4,
)
run.finish()
display(
    Markdown(
        f"The exact engine's channel signals agree with PyMUST's to {numbers['rf_error_against_pymust']:.0e} (200 scatterers, one transmit). At rank {ranks[-1]} the fast engine's IQ is within "
        f"**{100 * numbers['iq_error'][best]:.1f} %** of the exact one (COLE: {100 * numbers['iq_error']['COLE']:.0f} %), the log image correlates with {numbers['log_correlation'][best]:.4f}. "
        f"Its decorrelation differs by at most {max(difference[k] for k in list(difference)[:3]):.3f} in the plane and {difference['through-plane shift']:.3f} through it, where 1 mm leaves a correlation of "
        f"{numbers['correlation_after_1_mm_through_plane']:.2f}. One patch of {n_scatterers} scatterers at mid-depth; notebook 40 has the whole sector, near field included. Next: 02, simulation from a template."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.acoustics 3edacb31243c1c4b
# echotas.acoustics.beamform 98e837ac9423a2f1
# echotas.acoustics.bmode b8b3738eb70c8a9f
# echotas.acoustics.chebyshev 6c328b745ac257d2
# echotas.acoustics.comparison cf5fa208b04fe188
# echotas.acoustics.element 570a1124eac61ed1
# echotas.acoustics.elevation 44034427b97767c1
# echotas.acoustics.engine d3f3c9a72b2da127
# echotas.acoustics.exact 06bad8406b78a0ff
# echotas.acoustics.fast 9eff20e48a12085a
# echotas.acoustics.field 70335d92e6703dc2
# echotas.acoustics.lens 1a8d37e5fc67d081
# echotas.acoustics.noise 37933b18233bec78
# echotas.acoustics.patches bd2cbe7f8629f5f6
# echotas.acoustics.probe 3a26189800cc63db
# echotas.acoustics.pulse eb05ee0d46132f00
# echotas.acoustics.pymust_reference d8367e0fb655c529
# echotas.acoustics.response 93634f4d37cfb851
# echotas.acoustics.reverberation 86ebf902eb9c84d3
# echotas.acoustics.scan a00ee493690bf87a
# echotas.acoustics.scan_conversion 0aa5bf65cac752f0
# echotas.acoustics.scatterers ec1e73ce5512cebe
# echotas.acoustics.splat ad08321d41c54bf2
# echotas.geometry ab018291fd65d448
# echotas.geometry.contour 7b46f42c5a4ed821
# echotas.geometry.mesh d5a4de2df81270c7
# echotas.geometry.sector 226352a61cb47a5a
# echotas.geometry.segments 661d8a41f34c6508
# echotas.metrics 6f39f0efb665eff7
# echotas.metrics.accuracy 41b1ab8d47d3fe8f
# echotas.metrics.agreement 515dfaddb8c489ae
# echotas.metrics.bootstrap b14c9dd5e294eb3a
# echotas.metrics.contours cf2e9750ead8454e
# echotas.metrics.detection d4d6b6c3b8dd3738
# echotas.metrics.folds aa85440b285831c1
# echotas.metrics.paired e376e584140737ee
# echotas.metrics.patients 9f214433460277db
# echotas.metrics.point_paths 0bd7ccb84438d0ef
# echotas.metrics.realism af2fdbe532046435
# echotas.metrics.repeated 9732643c441780e5
# echotas.metrics.resampling efa5213e1e6dc791
# echotas.metrics.shift 1ee65dede9a24e08
# echotas.metrics.smoothness a8663e0793856966
# echotas.metrics.speed 1cbd0a4ba46a1747
# echotas.metrics.spread 046d45e23e285405
# echotas.metrics.trajectory 2608b5f6cb40354c
# echotas.pipeline cee181852a76d572
# echotas.pipeline.metrics_file 5d0e54ccb4878233
# echotas.records ceb5882154c2ecbd
# echotas.report 9c6194d39d05cd48
# echotas.report.acoustic_figures eb6084738e335aca
# echotas.report.bland_altman 6252654c325196bd
# echotas.report.bullseye 0095410507fb9b0b
# echotas.report.cine 9e3a36c206f83d5b
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves 8564c9e8c5320fe4
# echotas.report.intervals 254d88d92ff4183c
# echotas.report.learning 349bbfa4ac5f465d
# echotas.report.m_mode 2f57ee3ee04ee101
# echotas.report.movies 1f6c1966584ab946
# echotas.report.overlay 2943d7feb9d2185a
# echotas.report.style 1f272ada85ef8f3e
# echotas.report.tables 03a6739a358ecdf5
# echotas.seeds a6ab06202579f3ce
# echotas.strain 1ef74313580d28a5
# echotas.strain.drift c77e5a07722d92bd
# echotas.strain.function f05315df1f0fa5ec
# echotas.strain.global_strain 27b86412ebe04304
# echotas.strain.length 7e83b5436b109136
# echotas.strain.rate 677f48e57c42f3f9
# echotas.strain.regional 25eaf0f2e43d898b
# echotas.strain.segment_models 28835feae0ba2cc3
# echotas.strain.timing 987fd1731c9a85fb
# echotas.strain.uncertainty 97f0f77008ba3608
