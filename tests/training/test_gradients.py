"""Gradients of a batch: the same bits from one process or two, and the mean of the clips' own."""

from functools import partial

import pytest
import torch

from echotas.training.gradients import BatchGradient


def clip_loss(model, step, clip):
    generator = torch.Generator().manual_seed(1000 * step + clip)
    loss = model(torch.randn(16, 5, generator=generator)).square().mean()
    return loss, {"part": float(loss.detach()) + 1}


def make_clip_loss():
    return clip_loss


def fail(model, step, clip):
    raise ValueError("clip must be good, got a bad one")


def make_failing():
    return fail


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))


def descend(n_workers: int, batch_size: int = 3, steps: int = 3) -> tuple[list, list]:
    model = network()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    with BatchGradient(model, make_clip_loss, batch_size, n_workers) as gradient_at:
        for step in range(steps):
            optimiser.zero_grad(set_to_none=True)
            seen.append(gradient_at(step))
            optimiser.step()
    return seen, list(model.parameters())


def test_two_processes_give_the_bits_of_one():
    (alone, ours), (together, theirs) = descend(1), descend(2)
    assert alone == together
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_it_is_the_gradient_of_the_mean_loss():
    model = network()
    with BatchGradient(model, make_clip_loss, 3) as gradient_at:
        loss, parts = gradient_at(5)
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    mean = sum(clip_loss(model, 5, clip)[0] for clip in range(3)) / 3
    mean.backward()
    value = float(mean.detach())
    assert loss == pytest.approx(value) and parts["part"] == pytest.approx(value + 1)
    for ours, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_exception_of_a_clip_reaches_the_caller(n_workers):
    gradient_at = BatchGradient(network(), make_failing, 2, n_workers)
    with gradient_at, pytest.raises(ValueError, match="clip must be good"):
        gradient_at(0)


def test_partial_losses_travel_to_processes():
    with BatchGradient(network(), partial(partial, clip_loss), 2, 2) as gradient_at:
        assert gradient_at(0)[0] > 0
