# Works with GNU make 3.81 and later, on Linux, macOS and (from a POSIX shell) Windows.

PYTHON ?= python3
PYTEST_ARGS ?=

BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help race lecture test lint format bench pictures clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

race: .venv/.run-ready ## Race the rules on the lecture's curve and on a real table; pictures in out/
	@mkdir -p out
	$(BIN)/layda race --save out/lecture.png
	$(BIN)/layda race breast_cancer --save out/breast_cancer.png

lecture: .venv/.run-ready ## The lecture's chapters in both languages, each as one HTML document; in out/lecture/
	$(BIN)/layda lecture --save out/lecture
	$(BIN)/layda lecture --language vi --save out/lecture

test: lint ## Lint, then run all tests; PYTEST_ARGS="-k nesterov" is passed on
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

lint: .venv/.dev-ready ## Check style, types and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONUTF8=1 $(BIN)/lint-imports

format: .venv/.dev-ready ## Mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.dev-ready ## Run every file in benchmarks/
	@if ! ls benchmarks/*.py >/dev/null 2>&1; then echo "There is nothing in benchmarks/ yet."; fi
	@for file in benchmarks/*.py; do \
		if [ -f "$$file" ]; then echo "== $$file"; $(BIN)/python "$$file" || exit 1; fi; \
	done

pictures: .venv/.dev-ready ## Make the pictures of the README again; docs/pictures/
	$(BIN)/python tools/pictures.py

clean: ## Remove what was made: caches, builds and pictures; .venv stays
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov
	rm -f .coverage .coverage.*
	find . \( -name .git -o -name .venv \) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "layda needs Python 3.11 or newer, and '$(PYTHON)' is not one." >&2; \
		echo "Name another interpreter: make PYTHON=python3.12 ..." >&2; \
		exit 1; \
	}
	@$(PYTHON) -m venv .venv || { \
		rm -rf .venv; \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu it comes with the package python3-venv." >&2; \
		exit 1; \
	}

.venv/.run-ready: requirements/run.txt pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing what a race needs into .venv"
	@$(PIP) -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# torch goes first and by itself: which build of it fits is the machine's affair, so no other pin may pull it in.
.venv/.dev-ready: requirements/dev.txt requirements/run.txt pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing the development set-up into .venv; PyTorch and JAX take a few minutes"
	@$(PIP) torch==2.13.0
	@$(PIP) -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch .venv/.run-ready $@
