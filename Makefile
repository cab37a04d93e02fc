# Tasks of this project. Each creates .venv and installs what it needs, then does its job. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE := docs/_build/html
export OMP_NUM_THREADS ?= 1

# pip compiles modules one after the other; this compiles them on all cores. Some packages carry files that are no Python.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x /tests/ $(VENV)/lib || true

.PHONY: help run test test-spawn ranges browser e2e look lint format docs bench bench-cuda soak first-light screenshots clean

help: ## List all tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp ## Start the app on http://localhost:8501; ARGS="--server.address 0.0.0.0" opens it to a network
	$(BIN)/python -m app $(ARGS)

# At the lowest priority: trainers let a page answer first, and so run level with the tests that wait for them.
# A worker takes a file at a time: the package first, which has long files, and documents last, which have short ones.
test: $(VENV)/dev.stamp ## Run the architecture, core, app and documentation tests
	nice -n 19 $(BIN)/python -m pytest tests/package tests/test_architecture.py tests/core tests/app tests/docs -n 2 --dist loadfile \
		--no-loadscope-reorder $(ARGS)

# Linux forks workers by default; this starts them as macOS and Windows do. These tests start worker processes: the pool
# and its executors, what trains, reads or makes features in a worker, the commands, the pages, and the installed package.
SPAWNED := tests/package tests/core/execution tests/core/cli tests/core/data/tables/test_limits.py \
	tests/core/features/test_task.py tests/core/weak_supervision/test_plugin.py tests/core/test_machine.py tests/app

test-spawn: $(VENV)/dev.stamp ## Run the tests that start worker processes with the start method spawn
	ANOONLY_START_METHOD=spawn nice -n 19 $(BIN)/python -m pytest $(SPAWNED) -n 2 --dist loadfile \
		--no-loadscope-reorder $(ARGS)

ranges: $(VENV)/dev.stamp ## Use the wheel with the packages at one end of its ranges: ARGS="lowest" or "newest"
	$(BIN)/python -m tests.package.ranges $(ARGS)

browser: $(VENV)/axe.stamp ## Install Chromium, npm and axe-core if missing; the first two with apt
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| { apt-get update && apt-get install -y chromium; }

# Two workers, each with a server and a browser; then, alone, the test that puts a server under load for some seconds.
# A test whose wait for the browser runs out of time is run once more and reported as R; a failed assertion never is.
# pytest exits with 5 where ARGS selects no test of a part.
e2e: $(VENV)/dev.stamp browser ## Run the browser tests
	$(BIN)/python -m pytest tests/browser --ignore tests/browser/test_soak.py -n 2 --dist worksteal -rPR \
		--reruns 1 --only-rerun TimeoutError $(ARGS) || [ $$? = 5 ]
	$(BIN)/python -m pytest tests/browser/test_soak.py -s $(ARGS) || [ $$? = 5 ]

look: $(VENV)/dev.stamp $(VENV)/axe.stamp ## Picture every page at three widths in both themes; report defects
	$(BIN)/python -m tests.browser.look $(ARGS)

lint: $(VENV)/dev.stamp ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp ## Fix style where ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## Build the documentation site, offline, to docs/_build/html
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs $(SITE)
	@echo "$(SITE)/index.html"

bench: $(VENV)/dev.stamp ## Measure training speed as ratios, or with ARGS=page the page in a browser; ARGS="norms others" prints those tables
	$(BIN)/python -m tests.bench $(ARGS)

bench-cuda: $(VENV)/dev.stamp ## Measure a GPU; ARGS="--sizes", --table, --paper, --agreement or --out FILE
	$(BIN)/python -m tests.bench.cuda $(ARGS)

soak: $(VENV)/dev.stamp ## Test load, faults and odd input; ARGS="load --sessions 20", "faults --only full-disk" or inputs
	$(BIN)/python -m tests.soak $(ARGS)

first-light: $(VENV)/run.stamp ## Train the results with which Compare, Sweep and Why it works open
	$(BIN)/python -m app.bundled_results

screenshots: $(VENV)/dev.stamp ## Take the pictures of the documentation; ARGS="sweep runs" takes those alone
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

clean: ## Remove .venv and the built site
	rm -rf $(VENV) docs/_build

$(VENV)/venv.stamp:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run.stamp: requirements.txt | $(VENV)/venv.stamp
	$(PIP) -r requirements.txt
	$(COMPILE)
	touch $@

# It includes what the app needs, so that one resolution finds all. The tests and benchmarks compare with DeepOD, which
# requires a torch of 2022 that it does not need.
$(VENV)/dev.stamp: $(wildcard requirements*.txt) | $(VENV)/venv.stamp
	$(PIP) -r requirements-dev.txt
	$(PIP) --no-deps deepod==0.4.1
	$(COMPILE)
	touch $(VENV)/run.stamp $@

# axe-core checks accessibility in the browser tests. npm refuses a package that has not the hash of the lock file.
$(VENV)/axe.stamp: tests/browser/axe/package.json tests/browser/axe/package-lock.json | $(VENV)/venv.stamp
	@command -v npm >/dev/null || { apt-get update && apt-get install -y --no-install-recommends npm; }
	mkdir -p $(VENV)/axe
	cp tests/browser/axe/*.json $(VENV)/axe
	npm ci --silent --ignore-scripts --prefix $(VENV)/axe
	touch $@
