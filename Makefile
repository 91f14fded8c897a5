# make demo   install, train the digits sweep, write its report      make test   everything that CI checks
# make lint   style, imports, types, security                        make clean  remove what these made
# make audit  known vulnerabilities of the tested versions
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# bandit: asserts are for our own bugs (B101); fixed programs are started without a shell (B404, B603, B607); seeded numbers are
# not secrets (B311); datasets/_pickles.py imports pickle to forbid what it could do (B403)
SPARED = B101,B311,B403,B404,B603,B607
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
	$(BIN)/bandit --quiet --recursive harness --skip $(SPARED)

$(VENV)/.installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) workspace .mypy_cache .ruff_cache .import_linter_cache

# Known vulnerabilities of the tested versions; asks a database on the network.
audit: $(VENV)/.installed-test
	$(BIN)/pip-audit --disable-pip --no-deps --requirement constraints.txt

.PHONY: demo test lint audit clean
