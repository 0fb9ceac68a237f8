"""Trajectories of optimisers, by PyTorch, and of Lion by its paper's formula.

    python3 tests/golden/optimisers.py > tests/golden/optimisers.json

Each case is 20 steps of five parameters from START. The gradient at step t is WEIGHTS p + cos(t + i), in
f64, whatever the type of the parameters.
"""

import json
import math

import torch

START = [1.0, -2.0, 0.5, 3.0, -0.25]
WEIGHTS = [0.5, 2.0, 0.0, -0.3, 10.0]
STEPS = 20

CASES = [
    ("Sgd", torch.optim.SGD, dict(lr=0.05)),
    ("Sgd", torch.optim.SGD, dict(lr=0.05, weight_decay=0.1)),
    ("Sgd", torch.optim.SGD, dict(lr=0.05, momentum=0.9)),
    ("Sgd", torch.optim.SGD, dict(lr=0.05, momentum=0.9, dampening=0.5, weight_decay=0.1)),
    ("Sgd", torch.optim.SGD, dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1)),
    ("Adam", torch.optim.Adam, dict(lr=0.1)),
    ("Adam", torch.optim.Adam, dict(lr=0.1, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.2)),
    ("AdamW", torch.optim.AdamW, dict(lr=0.1)),
    ("AdamW", torch.optim.AdamW, dict(lr=0.1, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.2)),
    ("RmsProp", torch.optim.RMSprop, dict(lr=0.02)),
    ("RmsProp", torch.optim.RMSprop, dict(lr=0.02, alpha=0.9, eps=1e-3, weight_decay=0.2)),
    ("RmsProp", torch.optim.RMSprop, dict(lr=0.02, momentum=0.7)),
    ("RmsProp", torch.optim.RMSprop, dict(lr=0.02, centered=True)),
    ("RmsProp", torch.optim.RMSprop, dict(lr=0.02, alpha=0.8, centered=True, momentum=0.7)),
    ("Adagrad", torch.optim.Adagrad, dict(lr=0.3)),
    ("Adagrad", torch.optim.Adagrad, dict(lr=0.3, lr_decay=0.1, weight_decay=0.2)),
    ("Adagrad", torch.optim.Adagrad, dict(lr=0.3, initial_accumulator_value=2.0, eps=1e-2)),
    ("Adam", torch.optim.Adam, dict(lr=0.1, betas=(0.5, 0.7), amsgrad=True)),
    ("Adam", torch.optim.Adam, dict(lr=0.1, weight_decay=0.2, maximize=True)),
    ("AdamW", torch.optim.AdamW, dict(lr=0.1, betas=(0.5, 0.7), eps=1e-3, amsgrad=True)),
    ("AdamW", torch.optim.AdamW, dict(lr=0.1, betas=(0.5, 0.7), amsgrad=True, maximize=True)),
    ("Sgd", torch.optim.SGD, dict(lr=0.02, maximize=True)),
    ("Sgd", torch.optim.SGD, dict(lr=0.02, momentum=0.5, weight_decay=0.1, maximize=True)),
    ("RmsProp", torch.optim.RMSprop, dict(lr=0.02, weight_decay=0.2, maximize=True)),
    ("Adagrad", torch.optim.Adagrad, dict(lr=0.3, weight_decay=0.2, maximize=True)),
    ("Lion", None, dict(lr=0.02)),
    ("Lion", None, dict(lr=0.02, betas=(0.8, 0.95), weight_decay=0.5)),
    ("Lion", None, dict(lr=0.02, weight_decay=0.5, maximize=True)),
]


class Lion:
    """X. Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2."""

    def __init__(self, parameters, lr, betas=(0.9, 0.99), weight_decay=0.0, maximize=False):
        (self.p,) = parameters
        self.m = torch.zeros_like(self.p)
        self.lr, self.betas, self.weight_decay = lr, betas, weight_decay
        self.sign = -1 if maximize else 1

    def step(self):
        b1, b2 = self.betas
        g = self.sign * self.p.grad
        with torch.no_grad():
            c = b1 * self.m + (1 - b1) * g
            self.p -= self.lr * (torch.sign(c) + self.weight_decay * self.p)
            self.m = b2 * self.m + (1 - b2) * g


def trajectory(make, options, dtype):
    p = torch.tensor(START, dtype=dtype, requires_grad=True)
    optimiser = (make or Lion)([p], **options)
    points = []
    for t in range(STEPS):
        g = [w * x + math.cos(t + i) for i, (w, x) in enumerate(zip(WEIGHTS, p.tolist()))]
        p.grad = torch.tensor(g, dtype=torch.float64).to(dtype)
        optimiser.step()
        points.append(p.tolist())
    return points


def main():
    cases = []
    for name, make, options in CASES:
        for dtype in (torch.float64, torch.float32):
            cases.append(
                {
                    "optimiser": name,
                    "options": options,
                    "dtype": str(dtype).removeprefix("torch."),
                    "points": trajectory(make, options, dtype),
                }
            )
    # Learning rates by step, with their closed formulas in PyTorch.
    schedules = {}
    p = torch.nn.Parameter(torch.zeros(1))

    def rates(make):
        optimiser = torch.optim.SGD([p], lr=0.5)
        schedule = make(optimiser)
        out = []
        for _ in range(STEPS):
            out.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        return out

    lr = torch.optim.lr_scheduler
    schedules["cosine"] = rates(lambda o: lr.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.1))
    schedules["warm_up"] = rates(lambda o: lr.LinearLR(o, start_factor=0.25, total_iters=8))
    schedules["step"] = rates(lambda o: lr.StepLR(o, step_size=6, gamma=0.3))
    # Gradients of 3-4-12, and one of a single element, clipped by norm.
    grads = [torch.zeros(3, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)]
    grads[0].grad = torch.tensor([3.0, -4.0, 12.0], dtype=torch.float64)
    grads[1].grad = torch.tensor([84.0], dtype=torch.float64)
    norm = torch.nn.utils.clip_grad_norm_(grads, 10.0)
    clipped = [g.grad.tolist() for g in grads]
    out = {"start": START, "weights": WEIGHTS, "schedules": schedules, "norm": norm.item()}
    out["clipped"] = clipped
    out["cases"] = cases
    print("{")
    for key, value in out.items():
        if key != "cases":
            print(f' "{key}": {json.dumps(value)},')
    print(' "cases": [')
    print(",\n".join("  " + json.dumps(case) for case in cases))
    print(" ]\n}")


main()
