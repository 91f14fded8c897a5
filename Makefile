# make demo   install, train the digits sweep, write its report      make test   everything that CI checks
# make lint   style, imports, types                                  make clean  remove what these made
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export MLFLOW_DISABLE_TELEMETRY = true
export RAY_USAGE_STATS_ENABLED = 0

demo: $(VENV)/.installed
	$(BIN)/harness sweep digits
	$(BIN)/harness report digits

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.installed-test
	$(BIN)/ruff check harness tests
	$(BIN)/ruff format --check harness tests
	$(BIN)/lint-imports --config setup.cfg
	$(BIN)/mypy --config-file setup.cfg

$(VENV)/.installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) workspace .mypy_cache .ruff_cache .import_linter_cache

.PHONY: demo test lint clean
