.DEFAULT_GOAL := help
.PHONY: help setup run image test pytest canary faults soak simulate bench lint clients generate dashboard picture lock
MAKEFLAGS += --no-print-directory

# Any python3 from 3.11 on; evaluated only where .venv is made.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Many tests wait for servers: more of them at a time than there are processors. PARALLEL= runs them one by one.
PARALLEL ?= -n 4 --dist worksteal
PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check
# The libraries of which private parts are used: docs/decisions.md lists those.
WATCHED := aiohttp aiokafka 'clickhouse-connect[async]' chdb-core 'pyjwt[crypto]'
CANARY_PIP := .cache/canary/bin/python -m pip --quiet --disable-pip-version-check
UV_VERSION := 0.13.9
# --universal: one file for every platform and for Python 3.11 and later. UPGRADE=1 takes newer versions.
COMPILE := .cache/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate $(if $(UPGRADE),--upgrade)

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

setup: .venv/.embedded ## make .venv with what embedded mode needs
	@true

run: setup ## start everything in one process, for trying out (EVENTS=file, DATA=folder; else the shipped events and ./data)
	@exec .venv/bin/siddes-telemetry up --debug $(if $(EVENTS),--events $(EVENTS)) $(if $(DATA),--data $(DATA))

image: ## build the image of the services, tagged with the version (IMAGE=name CA=file PIP_INDEX_URL=url; deploy/make-image has more)
	@deploy/make-image

test: lint clients pytest ## every check: ruff, mypy, import-linter, the clients' own, pytest (ARGS="-k retry" passes on)
	@true

pytest: .venv/.dev ## the Python tests alone
	@.venv/bin/pytest $(PARALLEL) $(ARGS)

canary: .venv/bin/python ## run the unit, contract, Kafka and HTTP tests on the newest aiohttp, aiokafka, clickhouse-connect, chdb-core and PyJWT
	@rm -rf .cache/canary && .venv/bin/python -m venv .cache/canary
	@echo "installing into .cache/canary ..."
	@$(CANARY_PIP) install --require-hashes -r constraints/build.txt -r constraints/dev.txt
	@$(CANARY_PIP) install --no-deps --no-build-isolation --editable .
	@$(CANARY_PIP) freeze --exclude-editable >.cache/canary/pinned
	@$(CANARY_PIP) install --upgrade $(WATCHED) 2>.cache/canary/conflicts || { cat .cache/canary/conflicts >&2; exit 1; }
	@$(CANARY_PIP) freeze --exclude-editable | diff .cache/canary/pinned - && echo "nothing newer than what is pinned" || true
	@.cache/canary/bin/pytest $(PARALLEL) tests/unit tests/contract tests/integration/kafka tests/integration/web \
		tests/e2e/test_http_contract.py $(ARGS)

faults: .venv/.dev ## break everything at random for a while, and see that all adds up (MINUTES=10 SEED=n ONLY=case)
	@exec .venv/bin/python -m tests.faults.run --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

soak: .venv/.dev ## run a whole cluster at a steady load, disturb it, and see what grows and whether it adds up (MINUTES=60 RATE=100 SEED=n WRITE=file)
	@exec .venv/bin/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)) \
		$(if $(SEED),--seed $(SEED)) $(if $(WRITE),--write $(WRITE)) $(if $(KEEP),--keep $(KEEP))

simulate: .venv/.dev ## run the consumer's protocol under random faults in virtual time (MINUTES=n SEED=s)
	@.venv/bin/python -m tests.simulation --minutes $(or $(MINUTES),1) $(if $(SEED),--seed $(SEED))

bench: .venv/.bench ## measure this beside its peers, and write benchmarks/results (ONLY=gateway,consumer SECONDS=4 ROUNDS=5)
	@.venv/bin/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS))

lint: .venv/.dev ## every check but the tests
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports --no-logo >.cache/lint-imports.log || { cat .cache/lint-imports.log; exit 1; }
	@echo "ruff, mypy and import-linter: nothing to say"

clients: clients/node_modules/.installed ## check the TypeScript clients: types, unit tests, size, what is committed is what is built
	@cd clients && npm run --silent check

generate: .venv/.dev clients/node_modules/.installed ## write anew what is generated from the event registry, and build the clients
	@.venv/bin/siddes-telemetry schema openapi >.cache/generated && mv .cache/generated docs/openapi.json
	@.venv/bin/siddes-telemetry schema typescript >.cache/generated && mv .cache/generated clients/typescript/tests/telemetry.generated.ts
	@cd clients && npm run --silent build

dashboard: .venv/.dev ## write the Grafana dashboard anew from deploy/grafana/dashboard.toml
	@.venv/bin/python deploy/grafana/generate.py >.cache/generated && mv .cache/generated deploy/grafana/siddes-telemetry.json

picture: .venv/.dev ## take the README's pictures of the dashboard anew (needs Chromium)
	@.venv/bin/python -m tests.browser.picture

lock: .cache/uv/bin/uv ## write the hash-pinned constraints anew (UPGRADE=1: newer versions)
	@$(COMPILE) --extra dev --output-file constraints/dev.txt pyproject.toml
	@$(COMPILE) --extra embedded --constraints constraints/dev.txt --output-file constraints/embedded.txt pyproject.toml
	@$(COMPILE) --constraints constraints/dev.txt --output-file constraints/cluster.txt pyproject.toml
	@$(COMPILE) --constraints constraints/dev.txt --output-file constraints/build.txt constraints/build.in
	@$(COMPILE) --extra bench --constraints constraints/dev.txt --output-file constraints/bench.txt pyproject.toml
	@echo "constraints/ is written"

.venv/.%: constraints/build.txt constraints/%.txt pyproject.toml | .venv/bin/python
	@echo "installing into .venv: $* ..."
	@$(PIP) install --require-hashes -r constraints/build.txt -r constraints/$*.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@mkdir -p .cache
	@touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed (or name one: make PYTHON=...)" >&2; exit 1; }
	@echo "making .venv ..."
	@$(PYTHON) -m venv .venv

clients/node_modules/.installed: clients/package.json clients/package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 or later with npm is needed for the clients' checks" >&2; exit 1; }
	@echo "installing into clients/node_modules ..."
	@cd clients && npm ci --ignore-scripts --loglevel=error
	@touch $@

.cache/uv/bin/uv: | .venv/bin/python
	@.venv/bin/python -m venv .cache/uv
	@.cache/uv/bin/python -m pip --quiet --disable-pip-version-check install uv==$(UV_VERSION)
