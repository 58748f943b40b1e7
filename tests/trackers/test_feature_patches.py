"""Patches of features and their products: known answers, and agreement with sampling every cell by itself."""

import pytest
import torch
import torch.nn.functional as F

from echotas.trackers.blocks.feature_patches import patch_products, query_patches


def sampled(maps, points, radius, outside, x_slow):
    """Features (n_maps, n_points, cells, c) by PyTorch's sampling of one cell after the other."""
    side = torch.arange(-radius, radius + 1, dtype=points.dtype)
    grids = torch.meshgrid(side, side, indexing="ij")
    offsets = torch.stack(grids if x_slow else grids[::-1], dim=-1).flatten(0, 1)
    size = torch.tensor([maps.shape[-1] - 1, maps.shape[-2] - 1], dtype=points.dtype)
    mode = {"zeros": "zeros", "edge": "border"}[outside]
    place = 2 * (points[:, :, None] + offsets) / size - 1
    return F.grid_sample(maps, place, padding_mode=mode, align_corners=True).permute(0, 2, 3, 1)


def test_rows_come_first_unless_x_is_slow_and_the_edge_continues():
    """Channels that hold x and y of their own cell."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing="ij")
    maps = torch.stack([x, y])[None, None]
    points = torch.tensor([[[4.5, 2.0], [0.0, 5.0]]])
    frame = torch.zeros(1, 2, dtype=torch.long)
    rows, columns = (query_patches(maps, frame, points, 1, x_slow)[0] for x_slow in (False, True))
    assert rows[0, :, 0].tolist() == [3.5, 4.5, 5.5] * 3 and rows[0, :, 1].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert columns[0, :, 1].tolist() == [1, 2, 3] * 3 and columns[1, :, 0].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert columns[1, :, 1].tolist() == [4, 5, 5] * 3


def test_a_query_is_read_in_its_own_frame():
    maps = torch.randn(2, 4, 3, 6, 7, dtype=torch.float64)
    frame = torch.tensor([[3, 0, 3, 1], [2, 2, 0, 3]])
    points = torch.rand(2, 4, 2, dtype=torch.float64) * 5
    found = query_patches(maps, frame, points, 1)
    for item in range(2):
        for point in range(4):
            one = sampled(maps[item, frame[item, point]][None], points[item, point].reshape(1, 1, 2), 1, "edge", False)
            torch.testing.assert_close(found[item, point], one[0, 0])


@pytest.mark.parametrize("x_slow", [False, True])
@pytest.mark.parametrize("outside", ["zeros", "edge"])
@pytest.mark.parametrize("per_frame", [False, True])
def test_products_are_those_of_cells_sampled_one_by_one(per_frame, outside, x_slow):
    """Also of points far outside the map, on its border and between its cells."""
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 4, 6, 8, dtype=torch.float64)
    points = torch.rand(2, 3, 5, 2, dtype=torch.float64) * 14 - 4
    points[0, 0, 0] = torch.tensor([-40.0, 90.0])
    points[1, 2, 1] = torch.tensor([7.0, 5.0])
    vectors = torch.randn(2, 5, 3 if per_frame else 1, 7, 4, dtype=torch.float64)
    patches = sampled(maps.flatten(0, 1), points.flatten(0, 1), 2, outside, x_slow).unflatten(0, (2, 3)).transpose(1, 2)
    found = patch_products(maps, points, vectors, 2, outside, x_slow)
    assert found.shape == (2, 5, 3, 25, 7)
    torch.testing.assert_close(found, patches @ vectors.transpose(-1, -2))


def test_gradients_are_those_of_cells_sampled_one_by_one():
    torch.manual_seed(0)
    given = [torch.randn(1, 2, 3, 5, 6), torch.rand(1, 2, 4, 2) * 4, torch.randn(1, 4, 1, 2, 3)]
    gradients = []
    for products in (
        lambda maps, points, vectors: patch_products(maps, points, vectors, 1),
        lambda maps, points, vectors: (
            sampled(maps[0], points[0], 1, "zeros", False)[None].transpose(1, 2) @ vectors.transpose(-1, -2)
        ),
    ):
        inputs = [value.double().requires_grad_() for value in given]
        products(*inputs).square().sum().backward()
        gradients.append([value.grad for value in inputs])
    torch.testing.assert_close(*gradients)
