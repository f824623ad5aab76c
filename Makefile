# `make demo` and `make test` set up everything they need in $(VENV); Python >= 3.10 and gcc are the only prerequisites.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: help setup demo test lint clean

help:
	@echo 'make setup  create $(VENV) with the tested versions'
	@echo 'make demo   toy data -> classifier -> CAMs -> pseudo masks -> DeepLab -> work_dirs/demo/report.html'
	@echo 'make test   the test suite'
	@echo 'make lint   static checks'

setup: $(STAMP)

$(STAMP): setup.py requirements/runtime.txt requirements/optional.txt requirements/photos.txt requirements/tests.txt requirements/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("mmwsss needs Python >= 3.10; this is %s: run make PYTHON=/path/to/python3.10" % sys.version.split()[0] if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt \
		-r requirements/runtime.txt -r requirements/optional.txt -r requirements/photos.txt \
		-r requirements/tests.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)
	$(PY) tools/run_pipeline.py configs/pipelines/mctformer_plus_toy_demo.py --work-dir work_dirs/demo

test: $(STAMP)
	$(PY) -m pytest tests

lint: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

clean:
	rm -rf $(VENV) build *.egg-info
