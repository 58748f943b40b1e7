# EchoTAS: `make help` lists what there is.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PROFILE ?= laptop
VENV ?= .venv
PORT ?= 5000
BIN := $(CURDIR)/$(VENV)/bin
BASE_PYTHON ?= python3

export PATH := $(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/lib
# Two threads that wait by spinning are slower than one on busy cores.
export OMP_WAIT_POLICY := passive
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_LOGGING_LEVEL := WARNING
# uv does not read pip's setting for a folder of local wheels.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# The environment that make was called in may point elsewhere, or forbid the bytecode that halves every start.
unexport VIRTUAL_ENV DVC_ROOT DVC_STAGE PYTHONDONTWRITEBYTECODE

# A database of its own for every profile, unless MLFLOW_TRACKING_URI names a server.
COPY := $(if $(filter laptop,$(PROFILE)),.,.work/profiles/$(PROFILE))

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo
	@echo "  PROFILE=laptop|smoke|paper  size of the run (repro, cohort, bench, ui, verify); VENV=folder; PORT=5000 (ui)"

$(VENV)/.ok: requirements.txt constraints.txt pyproject.toml
	$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "EchoTAS needs Python >= 3.11, this is %d.%d" % sys.version_info[:2])'
	$(BASE_PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q uv -c constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python -r requirements.txt -c constraints.txt \
	  || $(BIN)/python -m pip install -q -r requirements.txt -c constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e . \
	  || $(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

install: $(VENV)/.ok ## make .venv with everything in it (the other targets do this by themselves)

repro: $(VENV)/.ok ## run what is out of date: the whole benchmark, first time; PROFILE=smoke for a short one
	@python -m echotas.pipeline.data_guard check
ifeq ($(PROFILE),laptop)
	@python -m echotas.pipeline.side_by_side
	@python -m echotas.pipeline.changes
else
	@python -m echotas.pipeline.profiles $(PROFILE)
endif

cohort: $(VENV)/.ok ## the virtual patients only, resumable; PROFILE=paper for the papers' cohorts
ifeq ($(PROFILE),laptop)
	@python -m dvc repro default_data
else
	@python -m echotas.pipeline.profiles $(PROFILE) default_data
endif

test: $(VENV)/.ok ## run the tests (without those marked slow, gpu)
	@python -m pytest -q -m "not slow and not gpu" -n auto --maxprocesses 8 --dist loadfile

check: $(VENV)/.ok ## formatting, lint, stripped notebooks
	@ruff format --check --quiet . || { echo "ruff format: some files are not formatted; run: make format"; exit 1; }
	@ruff check .
	@if ls notebooks/*.ipynb >/dev/null 2>&1; then nbstripout --verify --keep-id notebooks/*.ipynb; fi

format: $(VENV)/.ok ## format code, strip notebook sources
	@ruff format .
	@ruff check --fix .
	@if ls notebooks/*.ipynb >/dev/null 2>&1; then nbstripout --keep-id notebooks/*.ipynb; fi

bench: $(VENV)/.ok ## measure times on this machine (40_speed), after make repro; then make repro to take them up
	@cd $(COPY) && PYTHONPATH=lib python -m echotas.pipeline.notebooks run notebooks/40_speed.ipynb \
	  .work/notebooks/40_speed.ipynb -s mesh -s simulation -s trackers -s untrained -s train_runs -p n_repeats 3 \
	  -p acoustics '{n_beams: 128, per_wavelength2: 5.0, n_scatterers_elevation: 800000, pymust_counts: [2000, 8000]}' \
	  -p measurement '{n_recordings: 1478, n_trackers: 10, n_resamples: 5000}' -p networks '{n_repeats: 1, size: 256}' \
	  -p exported '[tas_net_released, pwc_net, pips_plus_plus, cotracker, cotracker3, locotrack, echotracker, echotracker2, myotracker, specknet]'
	@cd $(COPY) && PYTHONPATH=lib python -m echotas.pipeline.notebooks weave notebooks/40_speed.ipynb \
	  .work/notebooks/40_speed.ipynb reports/40_speed.ipynb

weights: $(VENV)/.ok ## train the released TAS-Net weights again (.work/released, resumable): well over an hour on two cores
	@PYTHONPATH=lib python -m echotas.pipeline.released_weights .work/tas_net_released.safetensors

peer-weights: $(VENV)/.ok ## train the peers' released weights again, after make weights: over an hour on two cores
	@PYTHONPATH=lib python -m echotas.pipeline.released_peers .work/peers

ablation: $(VENV)/.ok ## TAS-Net's changes one by one, three seeds, and the engine's stages (33_ablation), after make repro; resumable
	@cd $(COPY) && PYTHONPATH=lib python -m echotas.pipeline.notebooks run notebooks/33_ablation.ipynb \
	  .work/notebooks/33_ablation.ipynb -s seed -s training -s engine_nodes \
	  -p ablation '{node: S1-S2-S3, steps: 40, seeds: [0, 1, 2], cohort: V-HUNT-A, n_recordings: 9, validation_patients: 1}'
	@cd $(COPY) && PYTHONPATH=lib python -m echotas.pipeline.notebooks weave notebooks/33_ablation.ipynb \
	  .work/notebooks/33_ablation.ipynb reports/33_ablation.ipynb

choices: $(VENV)/.ok ## which motions, starts and pairs to train on (34_training_choices), after make repro; resumable
	@cd $(COPY) && PYTHONPATH=lib python -m echotas.pipeline.notebooks run notebooks/34_training_choices.ipynb \
	  .work/notebooks/34_training_choices.ipynb -s training -s mesh \
	  -p choices '{node: S1-S2-S3, steps: 150, seeds: [0, 1], cohort: V-HUNT-A, n_recordings: 15, validation_patients: 1}'
	@cd $(COPY) && PYTHONPATH=lib python -m echotas.pipeline.notebooks weave notebooks/34_training_choices.ipynb \
	  .work/notebooks/34_training_choices.ipynb reports/34_training_choices.ipynb

ui: $(VENV)/.ok ## the MLflow pages, filled from reports/ if the database lacks runs
	@test -d $(COPY)/reports || { echo "no reports of profile $(PROFILE) yet; run: make repro PROFILE=$(PROFILE)"; exit 1; }
	@cd $(COPY) && PYTHONPATH=lib python -m echotas.pipeline.backfill --ui $(PORT)

verify: $(VENV)/.ok ## is the last run complete: reports, metrics, runs
	@cd $(COPY) && PYTHONPATH=lib python -m echotas.pipeline.verify

lab: $(VENV)/.ok ## JupyterLab in notebooks/
	@jupyter lab --notebook-dir=$(CURDIR) $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

use-data: $(VENV)/.ok ## replace the virtual cohort by yours: make use-data SRC=folder (or s3://, ssh://, remote://)
	@test -n "$(SRC)" || { echo "which data? make use-data SRC=folder"; exit 1; }
	@python -m echotas.pipeline.data_guard use "$(SRC)"

lock: $(VENV)/.ok ## write constraints.txt anew from requirements.txt
	@printf 'dask[distributed]\ndask-jobqueue\nuv\n' | uv pip compile -q requirements.txt - --universal --python-version 3.11 \
	  --no-annotate --no-header --no-emit-index-url | grep -vE '^(torch|triton|nvidia-|cuda-)' > constraints.txt.new
	@mv constraints.txt.new constraints.txt

clean: ## remove everything that can be made again (not .venv, not data of yours)
	@if grep -qs '^frozen: true' data.dvc; then echo "data.dvc holds data of yours: data/ and .dvc/cache stay"; \
	else { test ! -e data || test ! -x $(BIN)/python || python -m echotas.pipeline.data_guard check; } \
	  && rm -rf data data-default .dvc/cache; fi
	rm -rf .work mlflow.db* mlartifacts mlruns .dvc/tmp .pytest_cache .ruff_cache .hypothesis
	find lib tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help install repro test check format bench weights peer-weights ablation choices ui verify lab use-data lock clean
