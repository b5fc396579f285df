# `make hire` is all a newcomer needs. Everything is installed into .venv, pinned and checked by hash.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED := install --require-hashes --only-binary :all:
EDITABLE := install --no-deps --no-build-isolation --editable .
TORCH ?= -r requirements/torch.txt
JOB ?= examples/town-hall/job.yaml
TEST_MODEL := smollm2-135m-instruct-q4_1
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
  --annotation-style line --python-version 3.11 pyproject.toml

PEERS := $(basename $(notdir $(wildcard benchmarks/peers/*.txt)))

.DEFAULT_GOAL := help
.PHONY: help hire ocr train test test-e2e docs lock bench-peers clean

help: ## show what there is
	@sed -n 's/^\([a-zA-Z0-9%_-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 22

hire: $(VENV)/.run ## set up, hire the worker of the example (JOB=path for another), show the result
	@if [ -t 0 ]; then $(BIN)/staffroom hire "$(JOB)"; else $(BIN)/staffroom hire "$(JOB)" --yes; fi

ocr: $(VENV)/.ocr ## add what reads scans and pictures

train: $(VENV)/.train ## add what trains adapters (PyTorch; TORCH=... for another build of it)

test: $(VENV)/.dev ## all checks and tests, with the smallest real model
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	STAFFROOM_HOME=$(VENV)/test-home $(BIN)/staffroom models get $(TEST_MODEL)
	$(BIN)/python -m pytest tests/unit tests/integration tests/conformance

test-e2e: $(VENV)/.dev ## the README's commands with real models (takes long)
	$(BIN)/python -m pytest tests/e2e

bench-peers: $(PEERS:%=.peers/%/.ready) ## install what the benchmarks compare with
	@echo "peers: $(or $(PEERS),none; benchmarks/peers/ names no program to compare with)"

bench-%: $(VENV)/.dev benchmarks/%.py ## run benchmarks/NAME.py (ARGS=... is passed on)
	$(BIN)/python benchmarks/$*.py $(ARGS)

docs: $(VENV)/.dev ## write docs/reference/ anew from the program itself
	$(BIN)/python docs/make_reference.py

lock: $(VENV)/.lock ## resolve all dependencies anew and pin them
	$(COMPILE) --upgrade --group build --output-file requirements/run.txt >/dev/null
	$(COMPILE) --upgrade --group build --extra ocr --constraint requirements/run.txt \
	  --output-file requirements/ocr.txt >/dev/null
	$(COMPILE) --upgrade --group build --group train-locked --constraint requirements/ocr.txt \
	  --output-file requirements/train.txt >/dev/null
	$(COMPILE) --upgrade --group build --group train-locked --extra ocr --extra dev --constraint requirements/ocr.txt \
	  --constraint requirements/train.txt --output-file requirements/dev.txt >/dev/null
	$(subst pyproject.toml,,$(COMPILE)) --upgrade --group lock --output-file requirements/lock.txt >/dev/null

clean: ## remove what can be made again; the workers' home (.staffroom) stays
	rm -rf $(VENV) .peers build dist src/staffroom.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache

$(VENV)/.made: | requirements/find_python.sh
	@python=$$(sh requirements/find_python.sh $(PYTHON)) && "$$python" -m venv $(VENV)
	@touch $@

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/.made
	@echo "installing the pinned dependencies into $(VENV) (once; about a minute)"
	@$(PIP) $(LOCKED) -r requirements/run.txt
	@$(PIP) $(EDITABLE)
	@touch $@

$(VENV)/.ocr: requirements/ocr.txt | $(VENV)/.run
	@echo "installing the pinned OCR packages into $(VENV)"
	@$(PIP) $(LOCKED) -r requirements/ocr.txt
	@touch $@

$(VENV)/.train: requirements/train.txt requirements/torch.txt | $(VENV)/.run
	@echo "installing PyTorch and the pinned packages for training into $(VENV)"
	@$(PIP) $(LOCKED) -r requirements/train.txt
	@$(PIP) install --only-binary :all: $(TORCH)
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/run.txt requirements/ocr.txt requirements/train.txt \
  requirements/torch.txt pyproject.toml | $(VENV)/.made
	@echo "installing the pinned dependencies and tools into $(VENV) (once; some minutes)"
	@$(PIP) $(LOCKED) -r requirements/dev.txt
	@$(PIP) install --only-binary :all: $(TORCH)
	@$(PIP) $(EDITABLE)
	@touch $@ $(VENV)/.run $(VENV)/.ocr $(VENV)/.train

$(VENV)/.lock: requirements/lock.txt | $(VENV)/.made
	@$(PIP) $(LOCKED) -r requirements/lock.txt
	@touch $@

.peers/%/.ready: benchmarks/peers/%.txt | requirements/find_python.sh
	python=$$(sh requirements/find_python.sh $(PYTHON)) && "$$python" -m venv .peers/$*
	.peers/$*/bin/python -m pip --disable-pip-version-check --quiet $(LOCKED) -r $<
	if grep -q '^# needs torch' $<; then .peers/$*/bin/python -m pip --disable-pip-version-check --quiet \
	  install --only-binary :all: $(TORCH); fi
	touch $@
