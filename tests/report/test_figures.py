"""Figures: made without warnings, nothing clipped, the same bytes twice, units and n in sight, no state left behind."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg

from echotas import report
from echotas.metrics import bland_altman, bland_altman_repeated
from echotas.records import Cine, StrainCurve, View
from echotas.report.bland_altman import BIAS_COLOR, LIMIT_COLOR
from echotas.report.bullseye import MISSING_COLOR, TIMING_SCALES
from echotas.report.training_curve import training_curve

RNG = np.random.default_rng(0)
TIMES = np.arange(12) / 40
SHAPE = -18 * np.sin(np.pi * TIMES / TIMES[-1]) ** 2
SEGMENTS = SHAPE * np.linspace(0.7, 1.3, 6)[:, None]
CURVE = StrainCurve(TIMES, SHAPE, SEGMENTS, 0, 5)
LATE = StrainCurve(TIMES, SHAPE, np.roll(SEGMENTS, 2, axis=1) - np.roll(SEGMENTS, 2, axis=1)[:, [0]], 0, 5)
LATE_MS = {View.A4C: np.array([320.0, 350, np.nan, 400, 425, 600])}
PATIENTS = np.repeat(np.arange(8), 3)[:20]
VALUES = {view: RNG.normal(-17, 5, 6) for view in (View.A4C, View.A2C, View.A3C)}
ACCEPTED = np.array([True] * 5 + [False])
METHOD = RNG.normal(-18, 3, 20)
REFERENCE = METHOD - RNG.normal(1, 2, 20)


def arch_mesh():
    angle = np.linspace(0, np.pi, 9)[:, None]
    radius = np.linspace(16, 22, 3)
    mesh = np.stack([32 - radius * np.cos(angle), 50 - 1.6 * radius * np.sin(angle)], axis=-1)
    return np.stack([mesh * (1 - 0.01 * t) for t in range(12)])


MESH = arch_mesh()
CINE = Cine(RNG.integers(0, 255, (12, 64, 64), dtype=np.uint8), (0.8, 0.6), TIMES, View.A4C, 0, 5, "P1", "P1_A4C")


def panel(frame=3):
    return report.frame_panel(
        CINE, frame, "", MESH, np.full((12, 9, 3), -10.0), {"truth": MESH[:, :, 1], "tas_net": MESH[:, :, 1] + 1}
    )


TRAINED = pd.DataFrame({"step": [20, 40, 60], "position_mm": [0.3, 0.25, 0.2], "validation_error": [np.nan, 0.7, 0.6]})

FIGURES = {
    "strain_curves": lambda: report.strain_curves(CURVE, "A4C", ACCEPTED, CURVE, "P1 A4C"),
    "strain_curves_other_view": lambda: report.strain_curves(CURVE),
    "strain_curves_late": lambda: report.strain_curves(LATE, "A4C", ACCEPTED, title="P1 A4C", es_name="ES (AVC)"),
    "global_curves": lambda: report.global_curves({"truth": CURVE, "tas_net": [CURVE, CURVE], "unheard_of": CURVE}),
    "bullseye": lambda: report.bullseye(VALUES, {"A4C": ACCEPTED}, "P1"),
    "bullseyes": lambda: report.bullseyes({"truth": VALUES, "tas_net": {View.A2C: VALUES[View.A2C]}}, title="P1"),
    "bullseyes_timing": lambda: report.bullseyes(
        {"truth": LATE_MS, "reader": LATE_MS}, {"reader": {"A4C": ACCEPTED}}, **TIMING_SCALES["time_to_peak_ms"]
    ),
    "bland_altman_repeated": lambda: report.bland_altman_panel(METHOD, REFERENCE, "V-SSHF", patients=PATIENTS),
    "bland_altman_rows": lambda: report.bland_altman_grid(
        {f"segment {i}": (METHOD[: 12 - i], REFERENCE[: 12 - i]) for i in range(8)},
        patients={f"segment {i}": PATIENTS[: 12 - i] for i in range(8)},
        row_names=["A4C", "A2C"],
    ),
    "bland_altman_panel": lambda: report.bland_altman_panel(METHOD, REFERENCE, "V-SSHF", names=("tas_net", "truth")),
    "bland_altman_one_patient": lambda: report.bland_altman_panel(METHOD[:1], REFERENCE[:1]),
    "bland_altman_identical": lambda: report.bland_altman_panel(METHOD, METHOD),
    "bland_altman_grid": lambda: report.bland_altman_grid(
        {f"segment {i}": (METHOD + i, REFERENCE) for i in range(6)} | {"none": (METHOD[:0], METHOD[:0])}, "V-SSHF"
    ),
    "scatter_panel": lambda: report.scatter_panel(METHOD, REFERENCE, "V-SSHF"),
    "scatter_constant": lambda: report.scatter_panel(np.zeros(4), np.zeros(4)),
    "image_panels": lambda: report.image_panels([panel(0), panel(5)], title="P1"),
    "worst_case_gallery": lambda: report.worst_case_gallery({"a": panel(), "b": panel(1)}, {"a": 1.0, "b": 2.0}, 1),
    "strain_m_mode": lambda: report.strain_m_mode(SEGMENTS, TIMES, 0, 5, "A4C", "P1 A4C"),
    "correlation_bands": lambda: report.correlation_bands(
        {name: np.clip(RNG.normal(0.7, 0.1, (12, 4, 2)), 0, 1) for name in ("real", "S1", "S1>S2")}, TIMES, 5
    ),
    "loss_curves": lambda: report.loss_curves(
        {"tas_net/0": {"training": (np.arange(20), np.arange(20, 0, -1.0)), "validation": (np.arange(3), np.ones(3))}}
    ),
    "training_curve": lambda: training_curve({"tas_net": TRAINED}, "tas_net: training, validation and null", 2.3),
    "interval_plot": lambda: report.interval_plot(
        {"tas_net": (1.2, 1.0, 1.4), "frozen": (4.0, np.nan, np.nan)}, "error (mm)", 12, "V-SSHF", 1.16, "published"
    ),
}


@pytest.fixture(scope="module", params=FIGURES)
def figure(request):
    built = FIGURES[request.param]()
    built.set_label(request.param)
    FigureCanvasAgg(built).draw()
    return built


def test_nothing_is_clipped(figure):
    width, height = figure.get_size_inches()
    drawn = figure.get_tightbbox(figure.canvas.get_renderer())  # inches, around all that is drawn
    assert drawn.x0 >= -0.01
    assert drawn.y0 >= -0.01
    assert drawn.x1 <= width + 0.01
    assert drawn.y1 <= height + 0.01


def test_axes_say_what_they_show(figure):
    rows_are_named = figure.get_label() in ("strain_m_mode", "interval_plot")
    labelled_once = figure.get_supxlabel() and figure.get_supylabel()
    for axes in figure.axes:
        # Images and bull's-eyes have no axes; a colour bar has its label on the y axis.
        if axes.axison and not labelled_once:
            assert axes.get_xlabel() or axes.get_label() == "<colorbar>", axes
            assert axes.get_ylabel() or rows_are_named, axes


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_same_figure_gives_same_bytes(tmp_path, suffix):
    first = report.save(FIGURES["bullseye"](), tmp_path / f"first.{suffix}").read_bytes()
    assert first == report.save(FIGURES["bullseye"](), tmp_path / f"second.{suffix}").read_bytes()
    with pytest.raises(ValueError, match="path must end in"):
        report.save(FIGURES["bullseye"](), tmp_path / "picture.jpg")


def test_figures_leave_no_state_behind():
    before = dict(matplotlib.rcParams)
    FIGURES["bland_altman_panel"]()
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_a_figure_shows_as_picture_in_a_notebook():
    picture = FIGURES["scatter_panel"]()._repr_png_()
    assert picture.startswith(b"\x89PNG")
    assert picture == FIGURES["scatter_panel"]()._repr_png_()


def test_n_is_in_the_title():
    assert "n = 20" in FIGURES["bland_altman_panel"]().axes[0].get_title()
    assert "n = 20" in FIGURES["scatter_panel"]().axes[0].get_title()
    assert "n = 20" in FIGURES["bland_altman_grid"]().axes[0].get_title()
    assert "n = 12 patients" in FIGURES["interval_plot"]().get_suptitle()
    assert "worst 1 of n = 2" in FIGURES["worst_case_gallery"]().get_suptitle()


def test_bullseye_prints_every_value_in_its_wall():
    values = {View.A4C: np.arange(6.0), View.A2C: np.arange(6.0) + 10, View.A3C: np.arange(6.0) + 20}
    axes = report.bullseye(values, {"A3C": ACCEPTED}).axes[0]
    numbers = {text.get_text(): text.get_position() for text in axes.texts if text.get_text().isdigit()}
    assert sorted(map(int, numbers)) == sorted(int(v) for six in values.values() for v in six)
    # A2C: left wall inferior (below), right wall anterior (above); base outside.
    assert numbers["10"][1] < numbers["11"][1] < numbers["12"][1] < 0 < numbers["13"][1] < numbers["15"][1]
    # A4C: inferoseptal on the left and below, anterolateral on the right and above.
    assert numbers["0"][0] < 0 > numbers["0"][1]
    assert numbers["5"][0] > 0 < numbers["5"][1]
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert len(hatched) == 1
    assert hatched[0].theta1 + 30 == 150  # basal anteroseptal, the sixth of A3C


def test_bullseye_has_no_minus_zero_and_nothing_white_for_missing():
    values = {View.A4C: np.array([-0.4, -0.0, 0.3, np.nan, -0.6, -20])}
    figure = report.bullseye(values)
    numbers = [text.get_text() for text in figure.axes[0].texts if text.get_text().lstrip("-").isdigit()]
    assert sorted(numbers) == ["-1", "-20", "0", "0", "0"]
    colors = [matplotlib.colors.to_hex(patch.get_facecolor()).upper() for patch in figure.axes[0].patches]
    assert colors.count(MISSING_COLOR) == 13
    assert figure.get_supxlabel() == "grey: not measured"
    assert FIGURES["bullseyes_timing"]().get_supxlabel() == "hatched: rejected by the reader, grey: never shortens"
    assert report.bullseye(VALUES).get_supxlabel() == ""


def test_peaks_after_end_systole_are_marked():
    def marked(curve):
        return [line for line in report.strain_curves(curve).axes[0].lines if line.get_marker() == "v"]

    *peaks, legend = marked(LATE)
    assert legend.get_label() == "peak of a segment, after ES"
    expected = np.argmin(LATE.segment_percent, axis=1)
    assert [float(line.get_xdata()[0]) for line in peaks] == pytest.approx(list(1000 * TIMES[expected]))
    systolic = StrainCurve(TIMES, SHAPE, SEGMENTS, 0, 8)
    assert marked(systolic) == []
    growing = StrainCurve(TIMES, -SHAPE, -np.roll(SEGMENTS, 2, axis=1), 0, 5)
    assert [line for line in marked(growing) if len(line.get_xdata()) and line.get_ydata()[0] >= 0] == []


def test_the_line_at_end_systole_has_its_name():
    assert [text.get_text() for text in FIGURES["strain_curves"]().axes[0].texts] == ["ED", "ES"]
    assert [text.get_text() for text in FIGURES["strain_curves_late"]().axes[0].texts] == ["ED", "ES (AVC)"]


def test_global_curves_mark_the_events_of_the_truth():
    other = StrainCurve(TIMES, SHAPE, SEGMENTS, 0, 7)
    axes = report.global_curves({"tas_net": other, "truth": CURVE}).axes[0]
    assert [text.xy[0] for text in axes.texts] == pytest.approx([0, 1000 * TIMES[5]])
    assert len(report.global_curves({"tas_net": other, "reader": CURVE}).axes[0].texts) == 0


def test_bland_altman_of_repeated_patients_has_their_limits():
    figure = FIGURES["bland_altman_repeated"]()
    axes = figure.axes[0]
    assert "n = 20 pairs of 7 patients" in axes.get_title()
    expected = bland_altman_repeated(METHOD, REFERENCE, PATIENTS, 10, rng=np.random.default_rng(0))
    heights = sorted(float(line.get_ydata()[0]) for line in axes.lines)
    assert heights == pytest.approx(sorted([0, expected.bias, expected.loa_low, expected.loa_high]))
    single = report.bland_altman_panel(METHOD, REFERENCE, patients=np.arange(20), counted=("recordings", "hearts"))
    assert "n = 20 recordings of 20 hearts" in single.axes[0].get_title()
    plain = bland_altman(METHOD, REFERENCE)
    assert float(single.axes[0].lines[1].get_ydata()[0]) == pytest.approx(plain.loa_low)
    assert axes.get_ylabel() == "method - reference (points)" and axes.get_xlabel().endswith("(%)")
    assert report.bland_altman_panel(METHOD, REFERENCE, unit="mm").axes[0].get_ylabel().endswith("(mm)")


@pytest.mark.parametrize(("n", "patients"), [(9, np.arange(9)), (20, np.arange(20) % 3), (9, None)])
def test_few_pairs_or_patients_have_a_bias_but_no_limits(n, patients):
    axes = report.bland_altman_panel(METHOD[:n], REFERENCE[:n], patients=patients).axes[0]
    assert len(axes.lines) == 2 and not axes.patches  # zero and the bias
    assert "too few for limits" in axes.texts[0].get_text()
    grid = report.bland_altman_grid(
        {"a": (METHOD[:n], REFERENCE[:n])}, patients=patients if patients is None else {"a": patients}
    )
    assert "too few for limits" in grid.axes[0].get_title()


def test_lines_of_agreement_have_no_trackers_colour():
    names = (
        "tas_net",
        "tas_net_released",
        "myotracker",
        "farneback",
        "lucas_kanade",
        "mean_motion",
        "oracle",
        "reader",
    )
    assert not {report.tracker_look(name).color for name in names} & {BIAS_COLOR, LIMIT_COLOR}


def test_rows_of_panels_have_names():
    figure = FIGURES["bland_altman_rows"]()
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["A4C", "A2C"]
    assert "n = 12 of 4 patients" in figure.axes[0].get_title()


def test_gallery_shows_the_worst_first():
    panels = {name: panel() for name in "abc"}
    figure = report.worst_case_gallery(panels, {"a": 1.0, "b": 3.0, "c": 2.0}, 2)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["b: 3.00 mm", "c: 2.00 mm"]


def test_curves_are_zero_at_time_zero():
    shifted = StrainCurve(TIMES, SHAPE - SHAPE[2], SEGMENTS - SEGMENTS[:, [2]], 2, 5)
    line = report.strain_curves(shifted).axes[0].lines[0]
    assert np.interp(0, *line.get_data()) == pytest.approx(0)
    assert line.get_xdata()[3] == pytest.approx(25)  # ms at 40 Hz


def test_a_tracker_has_one_look_everywhere():
    assert report.tracker_look("tas_net") == report.tracker_look("tas_net")
    assert report.tracker_look("my_own") == report.tracker_look("my_own") != report.tracker_look("your_own")
    assert report.strategy_color("S1>S2>S3") == report.strategy_color("S3") != report.strategy_color("S2")
    known = ["frozen", "mean_motion", "oracle", "block_matching", "farneback", "lucas_kanade", "lucas_kanade_mesh"]
    looks = [report.tracker_look(name) for name in [*known, "tas_net", "echotracker", "truth", "reader"]]
    assert len({look.color for look in looks}) == len(looks)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: report.strain_curves(CURVE, accepted=np.ones(5, dtype=bool)), "accepted"),
        (lambda: report.global_curves({"tas_net": []}), "at least one strain curve"),
        (lambda: report.bullseye({"other": np.zeros(6)}), "values must be given for A2C, A3C or A4C"),
        (lambda: report.bullseye({"A4C": np.zeros(5)}), r"values\[A4C\] must have 6 values"),
        (lambda: report.bullseyes({}), "at least one bull's-eye"),
        (lambda: report.bland_altman_grid({}), "at least one panel"),
        (
            lambda: report.bland_altman_grid({"a": (METHOD, METHOD)}, row_names=["A4C", "A2C"]),
            "row_names must name each",
        ),
        (lambda: report.bland_altman_panel(METHOD, REFERENCE, patients=["a"]), "patients must have one entry"),
        (lambda: report.image_panels([]), "at least one panel"),
        (lambda: report.image_panels([panel()], "temperature"), "quantity must be one of strain"),
        (lambda: report.frame_panel(CINE, 12), r"frame must be in 0\.\.11, got 12"),
        (lambda: report.frame_panel(CINE, 0, mesh_px=MESH[:5]), "mesh_px must have the 12 frames"),
        (lambda: report.Panel(np.zeros((4, 4))), "image must be u8"),
        (lambda: report.worst_case_gallery({"a": panel()}, {"a": np.nan}), r"NaN for \['a'\]"),
        (lambda: report.strain_m_mode(SEGMENTS, TIMES[:-1], 0, 5), "strain_percent|times_s"),
        (lambda: report.correlation_bands({}, TIMES, 0), "at least one set"),
        (lambda: report.correlation_bands({"S1": np.full((12, 3), np.nan)}, TIMES, 0), r"curves\['S1'\] must have val"),
        (lambda: report.loss_curves({}), "histories must hold a run"),
        (lambda: report.loss_curves({"a": {"training": (np.arange(2), np.array([1.0, np.nan]))}}), "finite losses"),
        (
            lambda: training_curve({"tas_net": TRAINED}, null_mm=np.nan),
            r"levels\['mean_motion.*must be a finite loss",
        ),
        (lambda: report.interval_plot({"a": (np.nan, 0.0, 1.0)}, "error (mm)", 3), r"NaN for \['a'\]"),
    ],
)
def test_figures_refuse(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_figure_of_a_table_row_reads_floats():
    table = pd.DataFrame({"tracker": ["tas_net"], "mte": [1.0], "low": [0.8], "high": [1.2]}).set_index("tracker")
    estimates = {name: tuple(row) for name, row in zip(table.index, table.to_numpy(), strict=True)}
    axes = report.interval_plot(estimates, "mean trajectory error (mm)", 3).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["tas_net"]


def test_a_training_curve_names_its_two_measures_and_draws_the_null():
    axes = training_curve({"tas_net": TRAINED}, null_mm=2.3).axes[0]
    lines = {line.get_label().replace("\n", " "): line for line in axes.get_lines()}
    assert list(lines) == [
        "tas_net, training clips, per axis",
        "tas_net, validation cines, distance",
        "mean_motion, validation cines, distance",
    ]
    null = lines["mean_motion, validation cines, distance"]
    assert null.get_linestyle() == "--" and set(null.get_ydata()) == {2.3}
    assert lines["tas_net, validation cines, distance"].get_marker() == "o"
    assert len(training_curve({"tas_net": TRAINED}).axes[0].get_lines()) == 2
