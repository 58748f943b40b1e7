"""The table's cache: keyed by content, written whole, rebuilt when damaged."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from echotas.acoustics.response import ResponsePlan, load_response


@pytest.fixture
def plan(scan):
    return ResponsePlan(replace(scan, n_beams=6, sector_deg=4.0, depth_m=0.034), rank=3, offset_deg=3.0)


def test_a_cached_table_is_the_built_one(plan, tmp_path):
    built = load_response(plan, tmp_path / "tables")
    (path,) = (tmp_path / "tables").iterdir()
    stamp = path.stat().st_mtime_ns
    read = load_response(plan, tmp_path / "tables")
    assert path.stat().st_mtime_ns == stamp
    assert read.coef.tobytes() == built.coef.tobytes()
    assert read.axial.tobytes() == built.axial.tobytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"not a table",
        lambda data: data[:1000] + bytes(200) + data[1200:],
    ],
    ids=["truncated", "empty", "foreign", "flipped"],
)
def test_a_damaged_table_is_rebuilt(damage, plan, tmp_path, caplog):
    built = load_response(plan, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING, logger="echotas.acoustics.response"):
        again = load_response(plan, tmp_path)
    assert "rebuilding" in caplog.text
    assert again.coef.tobytes() == built.coef.tobytes()
    caplog.clear()
    load_response(plan, tmp_path)
    assert not caplog.records


def test_another_plans_table_under_this_name_is_rebuilt(plan, tmp_path):
    other = replace(plan, rank=2)
    load_response(other, tmp_path)
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / f"response-{plan.key}.npz")
    assert load_response(plan, tmp_path).coef.shape[2] == 3


def test_the_key_follows_everything_that_changes_the_table(plan):
    changed = [
        replace(plan, rank=4),
        replace(plan, elevation=True),
        replace(plan, splat_order=2),
        replace(plan, method="cole"),
        replace(plan, offset_deg=3.5),
        replace(plan, scan=replace(plan.scan, focus_m=0.06)),
        replace(plan, scan=replace(plan.scan, probe=replace(plan.scan.probe, baffle="rigid"))),
    ]
    assert len({plan.key, *(other.key for other in changed)}) == len(changed) + 1
    assert replace(plan).key == plan.key


def test_workers_may_build_the_same_table_at_once(plan, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: load_response(plan, tmp_path), range(4)))
    assert len({table.coef.tobytes() for table in tables}) == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_table_is_symmetric(plan):
    table = load_response(plan)
    np.testing.assert_array_equal(table.coef[:, ::-1, :, ::-1], table.coef)
