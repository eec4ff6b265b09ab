# Every target does all of its own set-up: from a bare clone it needs Python 3.11+, make and PyPI.
#
#   make demo     install, then write the worked company Larkspur and run it through every stage
#   make test     install, then run the whole suite
#   make test-engines   install Spark too, then run every case on DuckDB and on Spark, in three ways (Java 17)
#   make lint     ruff, mypy and the layer contracts
#   make bench    two million calls beside a bare GROUP BY
#   make bench-engines   the same on Spark, and as a script for Polars
#   make bench-gateway   the gateway beside nginx, LiteLLM, Portkey and BurnLens (Linux, a C compiler, wrk; ARGS=--quick)
#   make lock     write the lock files anew from .venv
#   make clean    remove everything that make has made

SHELL  := /bin/sh
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS   ?= 2

# Tests over real data run where that folder stands beside the checkout.
ifneq ($(wildcard ../shared/data),)
export APPORTION_SHARED ?= $(abspath ../shared)
endif

WAYS := $(addprefix test-engine-,local cluster connect)

.PHONY: demo test test-engines $(WAYS) lint bench bench-engines bench-gateway lock clean setup setup-dev setup-spark
.DELETE_ON_ERROR:

demo: setup
	@$(BIN)/apportion demo

test: setup-dev
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# A process for each way, because one process has one session of Spark. Side by side, because most of a small query is
# waiting; what DuckDB makes of a case is worked out once for all three.
test-engines: setup-spark
	@rm -rf build/engines && mkdir -p build/engines/twins
	@$(MAKE) --no-print-directory -j 3 TWINS=build/engines/twins $(WAYS)

$(WAYS): test-engine-%: setup-spark
	@mkdir -p build/engines
	@APPORTION_TEST_ENGINE=$* APPORTION_TEST_TWINS=$(TWINS) $(BIN)/python -m pytest tests/engines \
	  > build/engines/$*.log 2>&1; status=$$?; cat build/engines/$*.log; exit $$status

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup-dev
	@$(BIN)/python bench/bench.py

bench-engines: setup-spark
	@$(BIN)/python bench/bench.py --engines

bench-gateway: setup
	@$(BIN)/python bench/gateway/bench_gateway.py $(ARGS)

lock: setup-dev
	@$(BIN)/python .ci/lock

clean:
	rm -rf $(VENV) larkspur .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist bench/data
	find src tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(VENV)/.made-runtime
setup-dev: $(VENV)/.made-dev
setup-spark: $(VENV)/.made-spark

# The stamps are remade only when a lock file or pyproject.toml is newer than they are.
$(VENV)/.made-runtime: requirements-build.lock requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("apportion needs Python 3.11 or newer; this is %d.%d. Name another with: make PYTHON=python3.12" % v[:2])'
	@echo "setting up $(VENV) (once)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -r requirements-build.lock -r requirements.lock
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.made-dev: $(VENV)/.made-runtime requirements-dev.lock
	@$(PIP) install -r requirements-dev.lock
	@touch $@

$(VENV)/.made-spark: $(VENV)/.made-dev requirements-spark.lock
	@command -v java > /dev/null || { echo "Spark needs Java 17 or newer; there is no java on the path." >&2; exit 1; }
	@$(PIP) install -r requirements-spark.lock
	@touch $@
