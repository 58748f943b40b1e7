"""Tables from lines alone: known strain, agreement of known differences, files that break rules, the command."""

import os
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from echotas.evaluation.tracked_lines import (
    against_reference,
    between_readings,
    line_errors,
    line_strain,
    segment_strain,
)
from echotas.metrics.__main__ import main
from echotas.readers import ReaderError
from echotas.readers.tracked_lines import read_tracked_lines

REAL = Path(os.environ.get("ECHOTAS_SHARED", Path(__file__).parents[3] / "shared")) / "real" / "echopac_full_trace"
N_FRAMES, N_POINTS = 9, 25


def arch(shortening, offset_mm=0.0):
    """(n_frames, n_points, 2) mm: an arch that shortens by a share at frame 4 and is back at the last frame."""
    angle = np.linspace(0, np.pi, N_POINTS)
    rest = np.stack([-30 * np.cos(angle), 90 - 70 * np.sin(angle)], axis=1)
    scale = 1 - shortening * np.sin(np.pi * np.arange(N_FRAMES) / (N_FRAMES - 1))
    return scale[:, None, None] * rest + offset_mm


def rows(patient, method, observer, shortening, recording="R1", offset_mm=0.0, accepted="111111"):
    line = arch(shortening, offset_mm)
    frame, point = np.indices(line.shape[:2])
    return pd.DataFrame(
        {
            "patient": patient, "recording": f"{patient}-{recording}", "view": "A4C", "method": method, "observer": observer,
            "frame": frame.ravel(), "time_s": frame.ravel() / 50, "point": point.ravel(), "x_mm": line[..., 0].ravel(),
            "y_mm": line[..., 1].ravel(), "ed_frame": 0, "es_frame": 4, "accepted": accepted,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def study():
    """Six patients, two observers, a tracker 2 points too weak, and a second recording."""
    parts = []
    for k in range(6):
        true = 0.14 + 0.02 * k
        for observer, change in (("a", 0.0), ("b", 0.01)):
            parts.append(rows(f"P{k}", "reader", observer, true + change))
            parts.append(rows(f"P{k}", "tracker", observer, true + change - 0.02, offset_mm=0.3))
        parts.append(rows(f"P{k}", "reader", "b", true + 0.03, "R2"))
    return pd.concat(parts)


@pytest.fixture(scope="module")
def csv(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "lines.csv"
    study.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def lines(csv):
    found, left_out = read_tracked_lines(csv)
    assert len(found) == 30 and not left_out
    return found


def test_strain_of_each_line_is_its_shortening(lines):
    table = line_strain(lines).set_index(["recording", "method", "observer"])
    assert table.loc[("P2-R1", "reader", "a"), "gls_es"] == pytest.approx(-18)
    assert table.loc[("P2-R1", "tracker", "b"), "gls_peak"] == pytest.approx(-17)
    assert table["peak_s"].unique() == pytest.approx(0.08)
    assert np.allclose(table["drift_percent"], 0) and np.allclose(table["closure_mm"], 0)
    segments = segment_strain(lines)
    assert len(segments) == 6 * len(table)
    first = segments[(segments["recording"] == "P2-R1") & (segments["method"] == "reader")].query("observer == 'a'")
    np.testing.assert_allclose(first["strain_es"], -18)
    assert first["segment"].iloc[0] == "basal inferoseptal"


def test_known_differences_come_back_with_n(lines):
    table = line_strain(lines)
    row = against_reference(table, n_resamples=200).loc["tracker"]
    assert (row["n_patients"], row["n_lines"]) == (6, 12)
    assert (
        row["bias"] == pytest.approx(2) and row["mae"] == pytest.approx(2) and row["sd"] == pytest.approx(0, abs=1e-9)
    )
    assert row["loa_low"] == pytest.approx(2) and row["loa_high"] == pytest.approx(2)
    repeated = between_readings(table, n_resamples=200)
    assert repeated["observers"].loc["reader", "bias"] == pytest.approx(-1)
    assert repeated["observers"].loc["tracker", "n_lines"] == 6
    assert repeated["test_retest"].loc["reader", "bias"] == pytest.approx(-3)
    assert "tracker" not in repeated["test_retest"].index


def test_distance_to_the_reference_line(lines):
    errors = line_errors(lines)
    still = arch(0.16) - arch(0.14, 0.3)
    expected = np.linalg.norm(still, axis=-1).mean()
    picked = errors[(errors["recording"] == "P1-R1") & (errors["observer"] == "a")]
    assert picked["error_mm"].item() == pytest.approx(expected, rel=1e-6)


def test_only_accepted_segments_count(tmp_path):
    line = rows("P0", "reader", "a", 0.2)
    stretched = (line["frame"] == 4) & (line["point"] > 22)
    line.loc[stretched, "x_mm"] += 8
    whole, part, none = (tmp_path / name for name in ("whole.csv", "part.csv", "none.csv"))
    for path, accepted in ((whole, "111111"), (part, "111110"), (none, "000000")):
        line.assign(accepted=accepted).to_csv(path, index=False)
    values = [line_strain(read_tracked_lines(path)[0])["gls_es"].item() for path in (whole, part, none)]
    assert values[1] == pytest.approx(-20, abs=0.3) and abs(values[0] - values[1]) > 0.5
    assert np.isnan(values[2])


def test_hdf5_gives_the_same_lines(lines, tmp_path):
    with h5py.File(tmp_path / "lines.h5", "w") as file:
        for index, line in enumerate(lines):
            group = file.create_group(f"{index:03d}")
            group["line_mm"], group["times_s"] = line.line_mm, line.times_s
            for name in ("patient", "recording", "view", "method", "observer", "ed_frame", "es_frame"):
                group.attrs[name] = getattr(line, name)
            group.attrs["accepted"] = line.accepted
        file.create_group("empty")
    again, left_out = read_tracked_lines(tmp_path / "lines.h5")
    pd.testing.assert_frame_equal(line_strain(again), line_strain(lines))
    assert left_out["empty"].startswith("must hold patient, recording")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.assign(x_mm=t["x_mm"] / 1000, y_mm=t["y_mm"] / 1000), "must span a ventricle in mm"),
        (lambda t: t.drop(t.index[7]), "every frame must hold every point once"),
        (lambda t: t.assign(x_mm=t["x_mm"].where(t["frame"] != 3)), "line_mm must be finite, got 25 NaN"),
        (lambda t: t.assign(es_frame=99), "ed_frame < es_frame < 9 must hold, got 0 and 99"),
        (lambda t: t.assign(view="PLAX"), "view must be A4C, A2C or A3C, got 'PLAX'"),
        (lambda t: t.assign(accepted="11111"), "accepted must be six digits 0 or 1, got '11111'"),
        (lambda t: t.assign(time_s=0.0), "times_s must increase"),
    ],
)
def test_a_line_that_breaks_a_rule_is_left_out_and_named(change, reason, tmp_path):
    good, bad = rows("P0", "reader", "a", 0.2), rows("P1", "reader", "a", 0.2).reset_index(drop=True)
    pd.concat([good, change(bad)]).to_csv(tmp_path / "lines.csv", index=False)
    found, left_out = read_tracked_lines(tmp_path / "lines.csv")
    assert [line.patient for line in found] == ["P0"]
    (why,) = left_out.values()
    assert reason in why


def test_files_that_cannot_be_read_are_refused(tmp_path, study):
    for name, content, reason in (
        ("missing.csv", None, "no such file"),
        ("empty.csv", "", "got an empty file"),
        ("lines.txt", "x", r"must be \.csv"),
        ("broken.h5", "not hdf5", "must be an HDF5 file"),
        ("short.csv", "patient,frame\n1,2\n", "must have the columns recording"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        with pytest.raises(ReaderError, match=reason):
            read_tracked_lines(path)


def test_command_writes_every_table_and_says_what_they_are_not(csv, tmp_path, capsys):
    assert main([str(csv), "--out", str(tmp_path / "out"), "--resamples", "200"]) == 0
    page = capsys.readouterr().out
    assert "Research use only" in page and "| tracker | 6 | 12 | 2.00 [2.00, 2.00]" in page
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {
        "against_reader.csv", "errors.csv", "left_out.csv", "observers.csv", "segments.csv", "strain.csv", "summary.md",
        "test_retest.csv",
    }  # fmt: skip
    assert main([str(tmp_path / "nothing.csv")]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_one_patient_bounds_nothing_and_says_so_with_a_dash(tmp_path, capsys):
    pd.concat([rows("P0", "reader", "a", 0.2), rows("P0", "tracker", "a", 0.18)]).to_csv(
        tmp_path / "one.csv", index=False
    )
    assert main([str(tmp_path / "one.csv"), "--out", str(tmp_path / "out"), "--resamples", "100"]) == 0
    page = capsys.readouterr().out
    assert "| tracker | 1 | 1 | 2.00 [-, -]" in page
    assert "nan" not in page.lower()


@pytest.mark.skipif(not REAL.is_dir(), reason="no EchoPAC traces beside the checkout (../shared/real)")
def test_echopac_files_give_the_known_numbers(tmp_path):
    lines, left_out = read_tracked_lines(REAL)
    raw, corrected = line_strain(lines), line_strain(lines, without_drift=True)
    row = raw[raw["recording"] == "VOL_0001_OFF_4CH"].iloc[0]
    assert row["length_ed_mm"] == pytest.approx(201.73, abs=0.01)
    assert (row["gls_es"], row["gls_peak"], row["drift_percent"]) == pytest.approx((-11.87, -11.98, 5.19), abs=0.01)
    row = corrected[corrected["recording"] == "VOL_0001_OFF_4CH"].iloc[0]
    assert (row["gls_es"], row["gls_peak"], row["drift_percent"]) == pytest.approx((-14.04, -14.76, 5.19), abs=0.01)
    assert "SUB_0014_POST_SAX.CSV" in left_out
