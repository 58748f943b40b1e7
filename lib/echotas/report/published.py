"""Published clinical results, printed beside ours as published: never reproduced here, other data and other references.

Source: "Deep Learning Strain Estimation: Is Physics-Based Simulation the Solution?" (TAS-Net), Tables I to IV.
"""

import pandas as pd

__all__ = ["TAS_NET_TABLE_I", "TAS_NET_TABLE_II", "TAS_NET_TABLE_III", "TAS_NET_TABLE_IV"]

TAS_NET_TABLE_I = pd.DataFrame(
    [
        ("S1", 242, "1.21 ± 0.02", "1.42 ± 0.01"),
        ("S2", 242, "1.21 ± 0.04", "1.50 ± 0.04"),
        ("S1>S1", 1478, "1.20 ± 0.02", "1.33 ± 0.02"),
        ("S2>S2", 1478, "1.15 ± 0.01", "1.37 ± 0.02"),
        ("S1>S2", 1478, "1.16 ± 0.01", "1.31 ± 0.02"),
        ("S1>S1>S1", 1478, "1.15 ± 0.00", "1.33 ± 0.01"),
        ("S2>S2>S2", 1478, "1.15 ± 0.00", "1.34 ± 0.02"),
        ("S1>S2>S2", 1478, "1.16 ± 0.00", "1.32 ± 0.01"),
        ("S1>S2>S3", 1478, "1.16 ± 0.01", "1.29 ± 0.00"),
    ],
    columns=["chain", "published: cines", "published, patients: SSHF, mm", "published, patients: HUNT, mm"],
).set_index("chain")
"""Mean trajectory error of TAS-Net by stages and strategies of the data engine: mean ± SD over three seeds, against EchoPAC points."""

TAS_NET_TABLE_III = pd.DataFrame(
    {
        ("SSHF", "A2C"): {"EchoTracker, real videos": "1.21", "EchoTracker, TAS-1K": "1.57 ± 0.04"},
        ("SSHF", "A3C"): {"EchoTracker, real videos": "1.09", "EchoTracker, TAS-1K": "1.56 ± 0.07"},
        ("SSHF", "A4C"): {"EchoTracker, real videos": "1.10", "EchoTracker, TAS-1K": "1.49 ± 0.02"},
        ("HUNT", "A2C"): {"EchoTracker, real videos": "1.45", "EchoTracker, TAS-1K": "2.07 ± 0.05"},
        ("HUNT", "A3C"): {"EchoTracker, real videos": "1.32", "EchoTracker, TAS-1K": "2.02 ± 0.07"},
        ("HUNT", "A4C"): {"EchoTracker, real videos": "1.27", "EchoTracker, TAS-1K": "1.79 ± 0.05"},
        ("HUNT-A", "A2C"): {"EchoTracker, real videos": "1.26", "EchoTracker, TAS-1K": "1.93 ± 0.04"},
        ("HUNT-A", "A3C"): {"EchoTracker, real videos": "1.15", "EchoTracker, TAS-1K": "1.98 ± 0.04"},
        ("HUNT-A", "A4C"): {"EchoTracker, real videos": "1.04", "EchoTracker, TAS-1K": "1.68 ± 0.03"},
    }
)
TAS_NET_TABLE_III.loc["MyoTracker, TAS-1K"] = [
    "1.49 ± 0.01", "1.49 ± 0.03", "1.43 ± 0.06", "1.80 ± 0.05", "1.79 ± 0.08", "1.49 ± 0.05",
    "1.68 ± 0.05", "1.71 ± 0.05", "1.40 ± 0.05",
]  # fmt: skip
TAS_NET_TABLE_III.loc["TAS-Net, TAS-1K"] = [
    "1.22 ± 0.00", "1.12 ± 0.00", "1.12 ± 0.01", "1.42 ± 0.01", "1.19 ± 0.00", "1.21 ± 0.01",
    "1.33 ± 0.00", "1.17 ± 0.01", "1.07 ± 0.00",
]  # fmt: skip
"""Mean trajectory error in mm against EchoPAC points, mean ± SD over three seeds."""

TAS_NET_TABLE_IV = pd.DataFrame(
    [
        ("EchoPAC and expert", "", "2.02, -0.10, 2.77", "", "1.78, 0.78, 2.15"),
        ("EchoTracker, real videos", "1.59, 0.59, 1.94", "1.98, -0.03, 2.57", "1.50, 0.95, 1.85", "1.14, 0.34, 1.47"),
        ("EchoTracker, TAS-1K", "3.52, 3.37, 2.61", "2.69, 0.06, 3.57", "3.85, 3.67, 3.09", "1.97, -0.15, 2.64"),
        ("MyoTracker, TAS-1K", "2.12, 1.67, 2.17", "2.62, 0.23, 3.39", "2.31, 1.96, 2.47", "1.65, 0.43, 2.21"),
        ("TAS-Net, TAS-1K", "1.52, 1.02, 1.64", "2.04, 0.28, 2.71", "1.39, 0.91, 1.61", "1.42, 0.33, 1.86"),
    ],
    columns=[
        "method",
        "published, patients: SSHF+HUNT against reference",
        "published, patients: SSHF+HUNT test-retest (210 pairs)",
        "published, patients: HUNT-A against reference",
        "published, patients: HUNT-A agreement (264 pairs)",
    ],
).set_index("method")
"""Peak GLS per view in points of strain: mean absolute error, bias, SD (heads as reconstructed; the copy we have lacks them)."""

TAS_NET_TABLE_II = pd.DataFrame(
    [
        ("CoTracker v1", "1.18 ± 0.00", "1.46 ± 0.06", "27 ± 2"),
        ("bi-window", "1.17 ± 0.00", "1.52 ± 0.01", "22 ± 1"),
        ("bi-window + visibility", "1.16 ± 0.01", "1.42 ± 0.03", "25 ± 1"),
        ("bi-window + visibility + mesh", "1.15 ± 0.01", "1.32 ± 0.01", "18 ± 1"),
    ],
    columns=["variant", "mean error, mm", "GLS MAE, points", "videos with folds, %"],
).set_index("variant")
"""Ablation on SSHF (240 videos): mean ± SD over seeds, against EchoPAC points and peak GLS."""
