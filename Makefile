# Needs Debian 12 or the like, Python 3.11, make and git; every target sets up the rest by itself.
MAKEFLAGS += --no-print-directory
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.1[1-9]) python3)
TOOLS := $(PYTHON) -m tools
BIN := .venv/bin
CHAOS_OPTIONS = --seconds $(or $(DURATION),300) $(if $(SEED),--seed $(SEED)) $(if $(BUDGET),--budget $(BUDGET)) \
	$(if $(BROKERS),--brokers $(BROKERS)) $(if $(RATE),--rate $(RATE)) $(if $(ONLY),--only $(ONLY))
LIFECYCLE_OPTIONS = --seconds $(or $(DURATION),120) $(if $(SEED),--seed $(SEED)) $(if $(PREVIEWS),--previews $(PREVIEWS))
BENCH_OPTIONS = $(if $(QUICK),--quick) $(if $(DOCS),--write-docs)

.DEFAULT_GOAL := help
.PHONY: bench-due bench-ingest bridge-faults help setup servers demo test fast system chaos lifecycle fuzz-bridge hostile confinement bench-render bench-pipeline bench-rate bench-lane bench-scale bench-metrics capacity check format licences lock schemas clean check-deploy golden dashboards

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv from the lock, with the Debian packages it needs
	@$(TOOLS) setup

servers: ## Also get what the tests run beside: Kafka, MinIO, versitygw, Prometheus, helm, the schemas of manifests (cached outside the checkout)
	@$(TOOLS) setup servers charts containers prometheus

demo: setup ## The whole way on this machine with embedded parts, in a minute; KEEP=1 leaves it running
	@$(BIN)/python -m tests.demo

test: servers ## All tests, with real Kafka and real S3, then make system and a minute of make chaos
	@$(BIN)/pytest
	@$(BIN)/python -m tests.system
	@$(BIN)/python -m tests.system.chaos --seconds 60 --seed 1445

fast: setup ## The tests that need no real server
	@$(BIN)/pytest -m "not real and not system"

system: servers ## Real processes, real servers, one worker killed; the last line is JSON
	@$(BIN)/python -m tests.system

chaos: servers ## All fails at random: DURATION=300 seconds, SEED=, BROKERS=3, BUDGET=6000 calls a minute, RATE=, ONLY=; the last line is JSON
	@$(BIN)/python -m tests.system.chaos $(CHAOS_OPTIONS)

lifecycle: servers ## What becomes of previews through kills, rebalances, holds and erasures: DURATION=120 seconds, SEED=, PREVIEWS=600; the last line is JSON
	@$(BIN)/python -m tests.system.lifecycle $(LIFECYCLE_OPTIONS)

fuzz-bridge: servers ## Malformed and hostile requests against a real bridge; COUNT=100000 SEED=1; the last line is JSON
	@$(BIN)/python -m tests.fuzz $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

hostile: setup ## Every test file beside the project, or made-up ones, through the renderer; the last line is JSON
	@$(BIN)/python -m tests.hostile

confinement: setup ## Every escape from a rendering child, tried; the last line is JSON
	@$(BIN)/python -m tests.confinement

bench-render: setup ## CPU of a preview beside the tutorial's way and the peers; QUICK=1, DOCS=1 writes docs/benchmarks.md
	@$(BIN)/python -m bench.render $(BENCH_OPTIONS)

bridge-faults: servers ## A bridge's Kafka killed 10 times under load; the last line is JSON
	@$(BIN)/python -m tests.system.bridge_faults

bench-ingest: servers ## Acknowledged webhooks a second beside the tutorial's hook; QUICK=1, EVENTS=, DOCS=1; the last line is JSON
	@$(BIN)/python -m bench.ingest $(BENCH_OPTIONS) $(if $(EVENTS),--events $(EVENTS))

bench-pipeline: setup ## Previews a second without Kafka beside the tutorial's way; QUICK=1, DOCS=1 as above
	@$(BIN)/python -m bench.pipeline $(BENCH_OPTIONS)

bench-rate: servers ## What one worker and three use of 300 calls a minute; five minutes, the last line is JSON
	@$(BIN)/python -m bench.rate

bench-scale: servers ## 1, 2 and 4 workers on real Kafka, with waits in place of work; QUICK=1, DOCS=1; the last line is JSON
	@$(BIN)/python -m bench.scale $(BENCH_OPTIONS)

bench-due: servers ## A million rows of the due table: reading back, sweeps, expiry, memory; QUICK=1, DOCS=1; the last line is JSON
	@$(BIN)/python -m bench.due $(BENCH_OPTIONS)

bench-metrics: servers ## What counting costs worker and bridge, of their CPU; QUICK=1, DOCS=1; the last line is JSON
	@$(BIN)/python -m bench.metrics $(BENCH_OPTIONS)

capacity: setup ## Work out docs/capacity.md from the costs in bench/capacity.py
	@$(BIN)/python -m bench.capacity

bench-lane: servers ## The lane on real Kafka: memory, CPU an event, growth, pause after a kill; QUICK=1; the last line is JSON
	@$(BIN)/python -m bench.lane $(if $(QUICK),--quick)

check-deploy: servers ## Chart, compose, Dockerfile, rules and dashboards by the real tools; the last line is JSON
	@$(BIN)/python -m tests.deployment

golden: servers ## Write the chart's golden files and its README anew
	@$(BIN)/python -m tests.deployment.golden_files

check: setup ## Lint, formatting, types, layers, dependencies
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry .

format: setup ## Format and mend what ruff can mend
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

lock: ## Resolve requirements/*.txt anew
	@$(TOOLS) lock

licences: setup ## Write docs/licences.md: what the image ships, and under which licences
	@$(BIN)/python -m tools.licences

schemas: setup ## Write what is generated: the messages' JSON Schemas, the pages of settings and metrics, .env.example
	@$(BIN)/python -m stream schemas
	@$(BIN)/python -m agents.settings_page
	@$(BIN)/python -m stream.telemetry.page

dashboards: setup ## Write what is generated for Grafana: the dashboards, and the chart's copies of dashboards and rules
	@$(BIN)/python -m grafana

clean: ## Remove what make made in this checkout (the cache stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-out dist
