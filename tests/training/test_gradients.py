"""Gradients of a batch: the same bits from one process or two, and the mean of the clips' own."""

from functools import partial

import pytest
import torch

from echotas.training.gradients import BatchGradient

BAD_STEP = 99


def clip_loss(model, step, clip):
    if step == BAD_STEP:
        raise ValueError("clip must be good, got a bad one")
    generator = torch.Generator().manual_seed(1000 * step + clip)
    loss = model(torch.randn(16, 5, generator=generator)).square().mean()
    return loss, {"part": float(loss.detach()) + 1}


# A partial object, as the training loop sends to its processes.
make_clip_loss = partial(partial, clip_loss)


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
        with pytest.raises(ValueError, match="clip must be good"):
            gradient_at(BAD_STEP)
    return seen, list(model.parameters())


def test_two_processes_give_the_bits_of_one_and_its_exceptions():
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
