# Marque's front door. `make` alone lists every target.

PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin/python

SOURCE  ?=
PRESET  ?=
# Small ImageNet weights beside the checkout, for the presets that use that backbone on photos; else Keras downloads its own.
WEIGHTS ?= $(if $(filter-out toy:%,$(SOURCE)),$(if $(filter b0,$(PRESET)),,$(abspath $(firstword $(wildcard ../shared/weights/*mobilenet_v2_0.35*.h5)))))
SET     ?=
IMAGE   ?=
PARTS   ?=
APP     ?=
# Images: where they are pushed to, a tag instead of the content's, another base, and which of them.
REGISTRY ?=
TAG      ?=
BASE     ?=
IMAGES   ?=
NAMED    = $(if $(REGISTRY),--registry "$(REGISTRY)") $(if $(TAG),--tag "$(TAG)")
DEMO     = $(if $(SOURCE),--source "$(SOURCE)") $(if $(WEIGHTS),--set weights="$(WEIGHTS)") $(if $(PRESET),--preset $(PRESET)) \
	$(foreach s,$(SET),--set "$(s)")

.DEFAULT_GOAL := help
# `make -j images push` must not push before it has built.
.NOTPARALLEL:
.PHONY: help env env-dev demo app demo-containers images push sbom audit compile test test-containers test-fast lint format lock bench bench-serving bench-containers messages plots clean \
	infra-check infra-settings infra-render infra-apply infra-outputs kind-up kind-test kind-down

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-16s %s\n", $$1, $$2}'

env: $(VENV)/.installed ## the environment, from the locked requirements

env-dev: $(VENV)/.installed-dev ## the same with the tools for tests

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-app: requirements-app.lock pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install --quiet --no-deps --require-hashes -r requirements-app.lock
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed

$(VENV)/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 13) else "marque: error: expected Python 3.11 or 3.12, found " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

demo: env ## pipeline, server and answers on this machine: SOURCE=, PRESET=, WEIGHTS=, SET="name=value ..."
	@$(RUN) -m pipelines demo $(DEMO)

app: $(VENV)/.installed-app ## what the demo left, in the browser: APP="--dataset ... --repository ... --server host:8500 --port 8600"
	@$(RUN) -m serving.app $(APP)

demo-containers: env ## the same with every step, the server and the client in its image, by docker or podman: also BASE=
	@$(RUN) -m pipelines demo --containers --folder build/demo-containers $(DEMO) $(if $(BASE),--base "$(BASE)")

images: env ## the images, by docker or podman: REGISTRY=, TAG=, BASE=, IMAGES="data trainer-gpu"
	@$(RUN) -m pipelines.images build $(IMAGES) $(NAMED) $(if $(BASE),--base "$(BASE)")

push: env ## the images to REGISTRY=, as `make images push`
	@$(RUN) -m pipelines.images push $(IMAGES) $(NAMED)

sbom: env-dev ## what the images' locks install, as CycloneDX, in build/sbom: IMAGES=
	@$(RUN) -m pipelines.images sbom $(IMAGES)

compile: env ## the pipeline as YAML for Kubeflow: REGISTRY=, TAG=, or one IMAGE=
	@$(RUN) -m pipelines compile $(NAMED) $(if $(IMAGE),--image "$(IMAGE)")

audit: env-dev ## known vulnerabilities of what the images lock, from PyPI's database: needs the network
	@status=0; for lock in images/locks/*.lock; do echo $$lock; \
	    $(VENV)/bin/uv tool run --quiet pip-audit@2.10.1 --strict --disable-pip --requirement $$lock || status=1; done; exit $$status

test: lint ## everything that CI runs
	$(RUN) -m pytest

test-fast: env-dev ## the tests that take no more than a few seconds each
	$(RUN) -m pytest -m "not slow"

test-containers: env-dev ## the tests that build the images and run them, by docker or podman: BASE=
	MARQUE_CONTAINERS=1 MARQUE_BASE="$(BASE)" $(RUN) -m pytest tests/containers

lint: env-dev ## ruff, mypy, import-linter
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy components pipelines serving
	$(VENV)/bin/lint-imports

format: env-dev ## format the code
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --no-annotate pyproject.toml
IMAGE_LOCK := $(LOCK) --constraints requirements-dev.lock --overrides images/overrides.txt --output-file images/locks

lock: env-dev ## the locked requirements anew, from pyproject.toml
	$(LOCK) --extra pipelines --extra train --extra app --extra tracking --group dev --output-file requirements-dev.lock
	$(LOCK) --constraints requirements-dev.lock --extra pipelines --extra train --output-file requirements.lock
	$(LOCK) --constraints requirements-dev.lock --extra pipelines --extra train --extra app --output-file requirements-app.lock
	$(IMAGE_LOCK)/client.lock
	$(IMAGE_LOCK)/data.lock --extra data --extra step
	$(IMAGE_LOCK)/trainer-gpu.lock --extra train --extra step --extra gpu
	$(IMAGE_LOCK)/trainer.lock --overrides images/overrides-cpu.txt --extra train --extra step --extra cpu
	$(IMAGE_LOCK)/server.lock --overrides images/overrides-cpu.txt --extra server --extra cpu
	$(IMAGE_LOCK)/app.lock --extra app

bench: env ## speeds, memory and growth, in build/bench.json: PARTS="speeds growth training evaluation"
	@$(RUN) -m tests.bench $(PARTS)

messages: env-dev ## the client's messages anew, after a change of tf_serving.proto
	$(RUN) -m serving.client.messages.generate

bench-serving: env ## the embedded server: latency, throughput, swaps under load, overload, in build/bench-serving.json
	@$(RUN) -m tests.bench.serving

bench-containers: env ## the images: sizes and start-up, in build/bench-containers.json
	@$(RUN) -m tests.bench.containers

PLOTTED = $(or $(SOURCE),toy://?classes=8&per_class=60&seed=1)
PLOTTED_DATA = build/plots/data-$(firstword $(shell printf %s "$(PLOTTED)" | cksum))

plots: env ## what training is fed, as pictures in build/plots: SOURCE=
	@test -e $(PLOTTED_DATA)/records || { \
	    $(RUN) -m components.ingest run "$(PLOTTED)" $(PLOTTED_DATA)/dataset && $(RUN) -m components.shard $(PLOTTED_DATA)/dataset $(PLOTTED_DATA)/records; }
	@$(RUN) -m components.train plots --records $(PLOTTED_DATA)/records --output build/plots

# Infrastructure: what you supply is in infra/settings/settings.env, and nowhere else.
OVERLAY  ?= kind
SETTINGS := $(PYTHON) infra/settings/check.py
TERRAFORM := terraform -chdir=infra/terraform

infra-check: env-dev ## manifests, policies, alerts, Terraform's format and the scripts of infra/, checked
	$(RUN) -m pytest -rs tests/infra tests/cluster/test_manifests.py

infra-settings: ## whether settings.env has all that is needed: OVERLAY=gke, on-prem or terraform
	@$(SETTINGS) $(OVERLAY)

infra-render: infra-settings ## the manifests of OVERLAY=kind, gke or on-prem on stdout, for kubectl apply --server-side -f -
	@kubectl kustomize infra/kubernetes/overlays/$(OVERLAY)

infra-apply: ## the project on Google Cloud, by Terraform: STATE= its bucket
	@$(SETTINGS) terraform
	@test -n "$(STATE)" || { echo "marque: error: expected STATE=, the bucket for Terraform's state (infra/README.md)" >&2; exit 1; }
	$(TERRAFORM) init -input=false -backend-config=bucket="$(STATE)"
	env $$($(SETTINGS) terraform --terraform) $(TERRAFORM) apply

infra-outputs: ## what Terraform made: registry, repository, pipeline root, kubectl's login
	@$(TERRAFORM) output

kind-up: env ## a cluster on this machine with Kubeflow Pipelines, the images and TF Serving; needs kind and kubectl
	@infra/kind/up.sh

kind-test: env-dev ## tests/cluster against it
	@PYTHON=$(RUN) infra/kind/test.sh

kind-down: ## removes it
	@infra/kind/down.sh

clean: ## remove what was built, keep the environment
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
