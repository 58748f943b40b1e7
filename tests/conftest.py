"""Settings of all tests: one thread, no display, no telemetry, no run database but a test's own."""

import os

os.environ.update(
    OMP_NUM_THREADS="1",
    OMP_WAIT_POLICY="passive",
    MPLBACKEND="Agg",
    MLFLOW_DISABLE_TELEMETRY="true",
    MLFLOW_LOGGING_LEVEL="WARNING",
    DVC_NO_ANALYTICS="1",
)
for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI", "ECHOTAS_PROFILE", "ECHOTAS_BACKEND"):
    os.environ.pop(name, None)
