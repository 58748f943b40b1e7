# Code view of 01_acoustics.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
n_scatterers = 1200  # in the test patch
n_beams = 24  # over 30 degrees
ranks = [2, 4, 8]

# %% imports
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from echotas import seeds
from echotas.acoustics import Scan, phased_2p5_mhz, simulate
from echotas.acoustics.comparison import elevation_decorrelation, half_width, patch_of_scatterers, relative_error
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.report import style
from echotas.report.acoustic_figures import decorrelation_curves, envelope_panels

# %% setup
style.apply()
scan = Scan(phased_2p5_mhz(), n_beams=n_beams, sector_deg=30, depth_m=0.1)
cache = paths.work() / "response"
rng = seeds.generator(seed, "acoustics", "patch")
positions, reflectivity = patch_of_scatterers(rng, n_scatterers, depth_m=(0.045, 0.06), half_angle_deg=8)
run = runs.start(
    "simulation",
    "fast engine against exact",
    params={"n_scatterers": n_scatterers, "n_beams": n_beams, "ranks": ranks},
    tags={"chain": "acoustics", "seed": seed},
    note="Same scatterers through the exact, the fast and the COLE engine.",
)
display(
    Markdown(
        f"{n_scatterers} scatterers at 45-60 mm, {n_beams} beams over {scan.sector_deg:.0f} degrees, {scan.probe.n_elements} elements at {scan.probe.freq_center_hz / 1e6:.1f} MHz."
    )
)

# %% psf
depths_m = np.array([0.03, 0.05, 0.07, 0.09])
widths = {}
for depth in depths_m:
    iq = simulate(np.array([[0.0, 0.0, depth]]), np.ones((1, 1)), scan, method="fast", cache_dir=cache)[0]
    widths[f"{1e3 * depth:.0f} mm"] = half_width(iq, scan)
pd.DataFrame(widths, index=["axial width, mm", "lateral width, mm"]).T.round(2)

# %% same
images = {"exact": simulate(positions, reflectivity[None], scan, method="exact")[0]}
for rank in ranks:
    images[f"fast, rank {rank}"] = simulate(
        positions, reflectivity[None], scan, method="fast", rank=rank, cache_dir=cache
    )[0]
images["COLE"] = simulate(positions, reflectivity[None], scan, method="cole", cache_dir=cache)[0]
figure = envelope_panels(
    {name: images[name] for name in ("exact", f"fast, rank {ranks[-1]}", "COLE")}, scan, (0.043, 0.063), 10
)
run.log_figure(figure, "same_scatterers.png")
figure

# %% error
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

# %% elevation
shifts_mm = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
slab, slab_reflectivity = patch_of_scatterers(
    rng, 2 * n_scatterers, depth_m=(0.05, 0.06), half_angle_deg=5, elevation_m=0.008
)
curves = {
    name: elevation_decorrelation(slab, slab_reflectivity, scan, shifts_mm, method=method, cache_dir=cache)
    for name, method in (("exact", "exact"), ("fast", "fast"))
}
figure = decorrelation_curves(shifts_mm, curves, "shift across the image plane (mm)")
run.log_figure(figure, "elevation.png")
figure

# %% record
best = f"fast, rank {ranks[-1]}"
numbers = record(
    "01_acoustics",
    {
        "n_scatterers": n_scatterers,
        "iq_error": {name: e["iq"] for name, e in errors.items()},
        "log_correlation": {name: e["log_correlation"] for name, e in errors.items()},
        "elevation_difference": float(np.abs(curves["exact"] - curves["fast"]).max()),
        "correlation_at_1_mm": float(curves["exact"][2]),
    },
    run=run,
    digits=4,
)
run.finish()
display(
    Markdown(
        f"At rank {ranks[-1]} the fast engine's IQ is within **{100 * numbers['iq_error'][best]:.1f} %** of the exact one (COLE: {100 * numbers['iq_error']['COLE']:.0f} %), the log image correlates with {numbers['log_correlation'][best]:.4f}. "
        f"One millimetre across the plane leaves an envelope correlation of {numbers['correlation_at_1_mm']:.2f}; fast and exact differ by at most {numbers['elevation_difference']:.2f}. "
        "One patch at mid-depth; the near field needs more rank. Next: 02, simulation from a template."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.acoustics 9c602fb17984327f
# echotas.acoustics.beamform df4e6414716c9ae4
# echotas.acoustics.bmode b8b3738eb70c8a9f
# echotas.acoustics.comparison ef4e8cb1e64c211d
# echotas.acoustics.element c2c50805b3dcb7ab
# echotas.acoustics.elevation 44034427b97767c1
# echotas.acoustics.engine d3f3c9a72b2da127
# echotas.acoustics.exact 2a918e1301a7add1
# echotas.acoustics.fast 5fe768488dcb3978
# echotas.acoustics.lens bde4e16ba7b5f486
# echotas.acoustics.noise 37933b18233bec78
# echotas.acoustics.probe 3a26189800cc63db
# echotas.acoustics.pulse eb05ee0d46132f00
# echotas.acoustics.response 9b4999bb2527b1c2
# echotas.acoustics.scan a00ee493690bf87a
# echotas.acoustics.scan_conversion 0aa5bf65cac752f0
# echotas.acoustics.scatterers ec1e73ce5512cebe
# echotas.acoustics.splat ad08321d41c54bf2
# echotas.geometry ab018291fd65d448
# echotas.geometry.contour 7b46f42c5a4ed821
# echotas.geometry.mesh d5a4de2df81270c7
# echotas.geometry.sector 226352a61cb47a5a
# echotas.geometry.segments 661d8a41f34c6508
# echotas.metrics b6e4abb6a1ce6fde
# echotas.metrics.agreement 5b616b1d3a174f14
# echotas.metrics.folds aa85440b285831c1
# echotas.metrics.inference 2b9a059faa40450f
# echotas.metrics.motion f72ce720f9b602d0
# echotas.metrics.realism af2fdbe532046435
# echotas.metrics.speed 1cbd0a4ba46a1747
# echotas.pipeline e3b0c44298fc1c14
# echotas.pipeline.metrics_file f26d337017427e44
# echotas.records a933352ac1d7dc86
# echotas.report 3032fd0b6f03c03c
# echotas.report.acoustic_figures c2d9969c6ef3c8bf
# echotas.report.bland_altman d0bc34e7073122b9
# echotas.report.bullseye b958d07d7b7ba65b
# echotas.report.cine b6e472e5f28cfb38
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves ee157656f3abbb72
# echotas.report.intervals 254d88d92ff4183c
# echotas.report.learning a6fc0aac7e815966
# echotas.report.m_mode 2f57ee3ee04ee101
# echotas.report.movies 1f6c1966584ab946
# echotas.report.overlay 2943d7feb9d2185a
# echotas.report.style 186af77e6d30ce72
# echotas.report.tables 2908e60b8569edee
# echotas.seeds 10083860965dc54e
