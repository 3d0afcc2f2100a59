# Every target does its own set-up: a machine with Node (>= 20.19), git and make is enough.
# `make` alone lists what there is.

SHELL := /bin/bash
NPM_CI := npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
SETUP := node_modules/.triton-setup
BUILD := dist/.triton-build
SOURCES := $(shell find src bin -type f)
CLIENT_TESTS = $(shell find test/clients -name '*.client.ts' | sort)
TESTS = $(shell find test -name '*.test.ts' | sort)
# A test that waits for what never comes ends as a failure that says where, not as a run without an end.
RUN_TESTS := node --import tsx --test --test-timeout=600000 --test-reporter=spec
INPUT ?=
SEEDS ?= 1000
SEED ?=
KEY ?=
export INPUT KEY

.PHONY: help dev demo demo-workers test test-clients soak simulate shell bench check format clean

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dev: $(BUILD) ## Installs and builds, then says how to go on
	@echo "Ready. Next: 'make demo' to see it run, 'make shell' to try the library, 'npx triton --help' for the program."

demo: $(BUILD) ## Real records through a local stream, with kills and a split (INPUT=path and KEY=field for your own JSON lines)
	@node --import tsx demo/demo.ts $(if $(INPUT),--input "$$INPUT") $(if $(KEY),--key "$$KEY")

demo-workers: $(BUILD) ## Three workers share a stream, live: one is killed, a shard is split, nothing is lost
	@node --import tsx demo/workers.ts

test: $(BUILD) ## All tests; random suites run a seeded share (about 1 %)
	$(RUN_TESTS) --test-concurrency=3 $(TESTS)

test-clients: $(BUILD) ## The AWS SDKs, the CLI, the KCL and the KPL against the local engine, and stores against moto's S3, where the machine has Python and Java
	node --import tsx --test --test-concurrency=2 --test-timeout=480000 --test-reporter=spec $(CLIENT_TESTS)

soak: $(BUILD) ## The random suites at full length; the result is kept in bench/results/
	node --import tsx bench/soak.ts

simulate: $(BUILD) ## Workers in simulated worlds (SEEDS=number of worlds, SEED=one of them)
	node --import tsx test/simulation/simulate.ts $(if $(SEED),1 $(SEED),$(SEEDS))

shell: $(BUILD) ## A REPL with the library, a config and a running local engine
	@node --import tsx demo/shell.ts

bench: $(BUILD) ## Measures each path beside its baseline and writes bench/results/
	node --import tsx bench/all.ts

check: $(BUILD) ## Types, lint, format, architecture
	npx tsc --noEmit
	npx tsc -p tsconfig.page.json
	npx biome ci .
	$(RUN_TESTS) test/architecture.test.ts

format: $(SETUP) ## Formats everything
	npx biome check --write .

clean: ## Removes what was installed and built
	rm -rf node_modules dist .cache

$(SETUP): package.json package-lock.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); if (a < 20 || (a === 20 && b < 19)) { console.error("Triton needs Node 20.19 or newer; this is " + process.version); process.exit(1) }'
	$(NPM_CI)
	@touch $@

$(BUILD): $(SETUP) $(SOURCES) tsconfig.json tsconfig.build.json
	@rm -rf dist
	npm run --silent build
	@touch $@
