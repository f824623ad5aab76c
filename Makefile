# `make demo` and `make test` set up everything they need in $(VENV); Python >= 3.10 and gcc are the only prerequisites.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# the tested versions are those of Python 3.11; others take the newest that they have
PINS := $(shell $(PYTHON) -c 'import sys; print("-c requirements/constraints.txt" * (sys.version_info[:2] == (3, 11)))')
# processes that run tests (each holds about 1.5 GiB), and more arguments of pytest
JOBS ?= 2
PYTEST_ARGS ?=
# what is pure or small, and one config per method; no command line, no second process
FAST_TESTS := tests/functional tests/structures tests/evaluation tests/models/losses tests/models/heads \
	tests/test_import_graph.py tests/test_layout.py tests/test_repetition.py tests/test_registry.py tests/test_configs.py
FAST := -m "not slow and not tools and not dist and not gpu"

.PHONY: help setup demo test test-fast soak lint docs clean

help:
	@echo 'make setup  create $(VENV) with the tested versions'
	@echo 'make demo   toy data -> classifier -> CAMs -> pseudo masks -> DeepLab -> work_dirs/demo/report.html'
	@echo 'make test   the test suite'
	@echo 'make test-fast  its fast part, for every change: minutes instead of ten'
	@echo 'make soak   kills, full disks and locks in full; writes docs/reliability.md'
	@echo 'make lint   static checks'
	@echo 'make docs   the documentation site: docs/_build/html/index.html'

setup: $(STAMP)

$(STAMP): setup.py requirements/runtime.txt requirements/optional.txt requirements/photos.txt requirements/proposals.txt requirements/tests.txt requirements/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("mmwsss needs Python >= 3.10; this is %s: run make PYTHON=/path/to/python3.10" % sys.version.split()[0] if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check $(PINS) \
		-r requirements/runtime.txt -r requirements/optional.txt -r requirements/photos.txt \
		-r requirements/proposals.txt -r requirements/tests.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)
	$(PY) tools/run_pipeline.py configs/pipelines/mctformer_plus_toy_demo.py --work-dir work_dirs/demo

test: $(STAMP)
	OMP_NUM_THREADS=1 $(PY) -m pytest tests -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-fast: $(STAMP)
	OMP_NUM_THREADS=1 $(PY) -m pytest $(FAST_TESTS) $(FAST) -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

soak: $(STAMP)
	$(PY) -m tests.soak.run

lint: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m codespell_lib .

docs: $(STAMP)
	$(PY) -m pip install --quiet --disable-pip-version-check $(PINS) -r requirements/docs.txt
	OMP_NUM_THREADS=1 $(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html

clean:
	rm -rf $(VENV) build docs/_build *.egg-info
