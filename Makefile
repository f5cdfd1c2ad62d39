# Each target installs what it needs into .venv the first time; afterwards it starts at once.
# Another interpreter: make demo PYTHON=python3.12
PYTHON ?= python3.11
WORKERS ?= 2
PORT ?= 8501
KILLS ?= 200
ROWS ?= 10000000
ROUNDS ?= 20
RUNS ?= 300
TIER ?= quick
COLUMNS ?= 24
PEOPLE ?= 20
LOAD_SECONDS ?= 300
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo app test lint audit-mutants bench bench-audit bench-counting bench-dpsgd bench-gan bench-marginals torture load screenshots clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/dpsynth demo

# Worker and page end together: on Ctrl-C, on a closed terminal and when one of them cannot start.
app: $(VENV)/.demo
	@DPSYNTH_DEMO=1 exec $(BIN)/dpsynth serve --port $(PORT)

# One thread a worker: the numeric libraries would otherwise start one a core in each of them. In the order of
# tests/conftest.py: xdist's own puts the files with the most tests first, which are not those that take longest.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict dpsynth
	$(BIN)/lint-imports --no-cache --no-logo

# Every planted fault through the plan of its tier ROUNDS times, correct pipelines through the whole gate RUNS
# times; hours in all, resumable. MUTANTS takes more of the driver's flags, such as --only P1,P3.
audit-mutants: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m audits.mutants.scoreboard --tier $(TIER) --rounds $(ROUNDS) \
		--correct independent,mst,aim,gan-short --runs $(RUNS) --jobs $(WORKERS) $(MUTANTS)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.ledger
	$(BIN)/python -m benchmarks.verifying

# All two-way marginals of ROWS made-up rows of COLUMNS columns: the vault, DuckDB, numpy; about ten minutes.
bench-counting: $(VENV)/.dev
	$(BIN)/python -m benchmarks.counting --rows $(ROWS) --columns $(COLUMNS)

# Ours and peers on TABLE (its domain lies beside it as NAME-domain.json), then its page and plots. Runs that
# are there already are not repeated; MARGINALS takes more of the driver's flags, such as --systems ours.
bench-marginals: $(VENV)/.dev
	@test -n "$(TABLE)" || { echo "Say which table: make bench-marginals TABLE=path/to/adult.csv"; exit 2; }
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.marginals --table "$(TABLE)" --build-envs $(MARGINALS)

# Release attacks on 50,000 rows of 15 columns: seconds and memory of each; a minute on an idle core.
bench-audit: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.audit_speed

# A DP-SGD step behind the curator beside plain SGD and Opacus; a minute, on one core that is otherwise idle.
bench-dpsgd: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.dpsgd

# A generator trained by DP-SGD beside our marginals and smartnoise's GANs, on TABLE; resumable, hours in all.
bench-gan: $(VENV)/.dev
	@test -n "$(TABLE)" || { echo "Say which table: make bench-gan TABLE=path/to/adult.csv"; exit 2; }
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.marginals --table "$(TABLE)" --build-envs --systems gan,diffusion \
		--epsilons 0.5,1,3,10 --results benchmarks/results/gan $(MARGINALS)

# Workers killed at every numbered point of a run, then at KILLS random moments.
torture: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.torture --kills $(KILLS)

# PEOPLE simulated people for LOAD_SECONDS while four workers run 200 small requests on PostgreSQL.
load: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.load --people $(PEOPLE) --seconds $(LOAD_SECONDS)

# Every page of every role at 1280 and 390 pixels, as the app's own menu lists them, in test-output/pages.
screenshots: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python .ci/screenshots.py

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis test-output
	find dpsynth tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: EXTRAS := ui,demo
$(VENV)/.dev: EXTRAS := ui,demo,dev
$(VENV)/.demo $(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing .[$(EXTRAS)] into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@
