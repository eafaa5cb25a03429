# One place for every command; CI goes through the same targets.
# The only thing assumed: git, make and Python 3.11. GPU=1 installs the CUDA build into an environment of its own.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
.DELETE_ON_ERROR:

HARDWARE := $(if $(filter-out 0,$(GPU)),gpu,cpu)
HOURS := 8
VENV := .venv$(if $(filter gpu,$(HARDWARE)),-gpu)
UV := .tools/bin/uv
RUN_STAMP := $(VENV)/.installed-run
# Two files at a time: networks so small leave a core idle.
PYTEST := python -m pytest -n 2 --dist loadfile
TEST_STAMP := $(VENV)/.installed-test

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Without .pyc files `import tensorflow` takes 10 s instead of 4 s.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV

.PHONY: help run init best overnight submit test slow check lint lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo "  GPU=1 after run, test or check uses the CUDA build"

run: $(RUN_STAMP) ## install, run the pipeline on the active competition, print scores and the submission's path
	@python -m pipeline run

init: $(RUN_STAMP) ## a competition of your own: FROM=photos.zip or KAGGLE=SLUG, METRIC=NAME; then make run
	@python -m pipeline init $(if $(KAGGLE),--kaggle "$(KAGGLE)",--from "$(FROM)" --activate) $(if $(METRIC),--metric "$(METRIC)")

best: $(RUN_STAMP) ## the best ensemble that HOURS=8 in all give; a valid submission at any moment, continues when killed
	@python -m pipeline best --hours $(HOURS)

overnight: $(RUN_STAMP) ## the same with a third of HOURS=8 for better settings of the networks that help; continues when killed
	@python -m pipeline best --hours $(HOURS) --search

submit: $(RUN_STAMP) ## hand the ensemble's submission in at Kaggle, wait for its score
	@python -m pipeline submit

test: $(TEST_STAMP) ## install with the test tools, run the tests
	@$(PYTEST) -m "not slow"

slow: $(TEST_STAMP) ## the slow tests: whole runs, killed and continued, big networks; PART=3/24 for a part of them
	@$(PYTEST) -m slow $(if $(PART),--part $(PART))

check: lint test slow ## format, lint, types, all tests: before a change lands

lint: $(TEST_STAMP) ## format, lint and types alone
	@ruff format --check .
	@ruff check .
	@mypy

lock: $(UV) ## resolve requirements/*.txt again from pyproject.toml
	@compile="$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header"; \
	$$compile --group pyproject.toml:bootstrap -o requirements/uv.txt; \
	$$compile pyproject.toml --extra cpu -o requirements/cpu.txt; \
	$$compile pyproject.toml --extra gpu -c requirements/cpu.txt -o requirements/gpu.txt; \
	for group in mlflow ray test; do \
		$$compile --group pyproject.toml:$$group -c requirements/cpu.txt -o requirements/$$group.txt; \
	done

clean: ## remove environments, caches and all results; keep folds.csv and the submissions
	@rm -rf .venv .venv-gpu .tools .work .dvc/cache .dvc/tmp data reports configs/tuned folds/*/ pack dvc_plots \
		.pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN_STAMP): requirements/$(HARDWARE).txt | $(UV)
	@$(call install,$<)
	@touch $@

# Packages that several locks hold have one version in all.
$(TEST_STAMP): $(addprefix requirements/,$(addsuffix .txt,$(HARDWARE) mlflow ray test)) | $(UV)
	@$(call install,$^)
	@touch $@ $(RUN_STAMP)

define install
	test -x $(VENV)/bin/python || $(UV) venv -q --allow-existing --python .tools/bin/python $(VENV); \
	echo "installing $(1) into $(VENV)"; \
	$(UV) pip install -q --python $(VENV)/bin/python --require-hashes --no-deps $(addprefix -r ,$(1))
endef

$(UV): requirements/uv.txt
	@for python in python3.11 python3; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
			"$$python" -m venv .tools; \
			.tools/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt; \
			touch $(UV); \
			exit 0; \
		fi; \
	done; \
	echo "error: Python 3.11 is needed, found $$(python3 --version 2>&1 || echo none); install python3.11" >&2; \
	exit 1
