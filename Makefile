# The tasks of this project. Each makes .venv and installs what it needs, then does its job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AXE := 4.14.1
export OMP_NUM_THREADS ?= 1

.PHONY: run test e2e look lint format bench bench-cuda soak first-light screenshots clean

run: $(VENV)/run.stamp
	$(BIN)/python -m app $(ARGS)

# At the lowest priority, where trainers, which let a page answer first, stand level with the tests that wait for them.
test: $(VENV)/dev.stamp
	nice -n 19 $(BIN)/python -m pytest tests/test_architecture.py tests/core tests/app -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# In two workers, each with a server and a browser of its own; then alone what puts a server under load for some seconds.
# ARGS may choose none of the one part or the other, which pytest tells by a 5.
e2e: $(VENV)/dev.stamp $(VENV)/axe-$(AXE).stamp
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| { apt-get update && apt-get install -y chromium; }
	$(BIN)/python -m pytest tests/browser --ignore tests/browser/test_soak.py -n 2 --dist worksteal -rP $(ARGS) || [ $$? = 5 ]
	$(BIN)/python -m pytest tests/browser/test_soak.py -s $(ARGS) || [ $$? = 5 ]

# Every page at three widths in both themes: pictures in test-results/look, and a report of what is wrong with them.
look: $(VENV)/dev.stamp $(VENV)/axe-$(AXE).stamp
	$(BIN)/python -m tests.browser.look $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Speed as ratios measured side by side in one process; see the README.
bench: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench

# What a GPU does, where there is one and a build of PyTorch for it; ARGS="--sizes", --table, --agreement, --out FILE.
bench-cuda: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench.cuda $(ARGS)

# Many sessions on one server, faults, odd input; ARGS="load --sessions 20 --seconds 300", "faults --only full-disk", inputs.
soak: $(VENV)/dev.stamp
	$(BIN)/python -m tests.soak $(ARGS)

# The results that make the first page full at once: train them anew.
first-light: $(VENV)/run.stamp
	$(BIN)/python -m app.bundled_results

# The pictures of the README; ARGS="sweep runs" takes those alone.
screenshots: $(VENV)/dev.stamp
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

clean:
	rm -rf $(VENV)

$(VENV)/run.stamp: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

# DeepOD, which tests and bench compare with, asks for a torch of 2022 that it does not need.
$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt requirements-comparators.txt requirements-cluster.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps deepod==0.4.1
	touch $@

# axe-core, which the browser tests ask what stands in the way of a screen reader or a keyboard.
$(VENV)/axe-$(AXE).stamp: $(VENV)/run.stamp
	@command -v npm >/dev/null || { apt-get update && apt-get install -y --no-install-recommends npm; }
	npm install --silent --no-save --no-package-lock --prefix $(VENV)/axe axe-core@$(AXE)
	touch $@
