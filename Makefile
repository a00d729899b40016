# Everything a newcomer needs; each target does its own set-up and is quick the second time.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml tools/*/pyproject.toml)
READY := $(VENV)/.ready
QUEUES := .venv-queues

.PHONY: help setup demo up test test-faults check bench bench-engine bench-target-queue bench-rebuild bench-replay bench-queues bench-traces lock schemas dashboards manifests crds images pin-images test-images sbom

help: ## Show what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment (the others do this by themselves)

$(READY): requirements.lock pyproject.toml $(MEMBERS)
	@echo "Setting up $(VENV) with the versions of requirements.lock ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		$(foreach member,$(MEMBERS),-e $(dir $(member)))
	@touch $@

demo: $(READY) ## Dial 200 targets of mixed behaviour and show what came of it
	@$(BIN)/campaignctl demo

up: $(READY) ## Run everything on this machine; ctrl-C ends it
	@$(BIN)/campaignctl up

test: $(READY) ## Run the tests, on real Kafka and real Redis where they can be had
	@$(BIN)/pytest

test-faults: $(READY) ## Break everything on purpose, for many minutes (SEED=N: as that time; SEEDS, TARGETS, MINUTES)
	@$(BIN)/pytest -m faults tests/faults tests/simulation tests/e2e $(foreach name,seed seeds targets minutes,\
		$(if $($(call upper,$(name))),--$(name) $($(call upper,$(name)))))

upper = $(shell echo $(1) | tr a-z A-Z)

test-images: $(READY) ## Carry out the Dockerfile without a Docker engine, and call from what it makes
	@$(BIN)/pytest -m images tests/deploy -s

check: $(READY) ## Format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy libs/*/src services/*/src tools/*/src tests bench
	@$(BIN)/lint-imports

bench: bench-engine bench-target-queue bench-rebuild bench-replay bench-queues bench-traces ## Measure everything; writes bench/RESULTS.md

bench-engine: $(READY) ## Whole campaigns at full speed
	@$(BIN)/python -m bench.engine

bench-target-queue: $(READY) ## Claims from 1 thousand to 1 million targets; a million imported
	@$(BIN)/python -m bench.target_queue

bench-rebuild: $(READY) ## An empty Redis rebuilt from Kafka, with a million targets
	@$(BIN)/python -m bench.rebuild

bench-replay: $(READY) ## Ten million messages scanned and replayed
	@$(BIN)/python -m bench.replay

bench-queues: $(READY) $(QUEUES)/arq/.ready $(QUEUES)/others/.ready ## Beside arq, celery, dramatiq, taskiq; each killed once
	@$(BIN)/python -m bench.queues

bench-traces: $(READY) ## A message told and handled, with traces off and on
	@$(BIN)/python -m bench.traces

$(QUEUES)/%/.ready: bench/queues/requirements/%.lock
	@echo "Setting up $(@D) with the versions of $< ..."
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

schemas: $(READY) ## Write JSON Schemas, AsyncAPI and the tables of topics, rights and metrics anew
	@$(BIN)/python -m contracts.schemas
	@$(BIN)/python -m campaignctl.metrics_page
	@$(BIN)/python -m campaignctl.rights_page

dashboards: $(READY) ## Write the dashboards of Grafana anew
	@$(BIN)/python deploy/grafana/make_dashboards.py

manifests: $(READY) ## Write anew what the Helm chart has of the code, and what is rendered from it
	@$(BIN)/python -m deploy.helm.make_manifests

crds: $(READY) ## Fetch anew the schemas of custom resources that the chart is checked with
	@$(BIN)/python tests/deploy/crds/make_crds.py

images: ## Build all images and try each; needs a Docker engine
	@$(PYTHON) deploy/docker/images.py

pin-images: ## Write the digests of what is run and built on into .env; needs docker buildx
	@$(PYTHON) deploy/docker/pin_images.py

sbom: $(READY) ## Write what each image holds to dist/sbom, as CycloneDX
	@$(BIN)/python deploy/docker/sbom.py

LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--python-version 3.11
OURS = $(foreach member,$(MEMBERS),--no-emit-package campaign-engine-$(notdir $(patsubst %/,%,$(dir $(member)))))

lock: ## Compile the lock files anew from the pyproject files
	@$(LOCK) pyproject.toml --group dev $(OURS) -o requirements.lock
	@for one in campaign-manager dialer flow-runner; do $(LOCK) services/$$one/pyproject.toml \
		$(OURS) --constraints requirements.lock -o deploy/docker/$$one.lock; done
	@$(LOCK) $(wildcard tools/*/pyproject.toml) $(OURS) --constraints requirements.lock \
		-o deploy/docker/campaignctl.lock
	@$(LOCK) deploy/docker/build.in --constraints requirements.lock -o deploy/docker/build.lock
	@for one in arq others; do $(LOCK) bench/queues/requirements/$$one.txt \
		-o bench/queues/requirements/$$one.lock; done
