# `make deploy` and `make test` are all that one needs; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup deploy status rollback teardown undeploy bundle test lint test-unit test-app test-charts test-molecule test-deployments test-transaction bench measure requirements

SHELL := /bin/bash
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
# For example: make deploy INVENTORY=inventory/umbrella ARGS='--check --diff'
INVENTORY ?= inventory/umbrella
ARGS ?=
BUNDLE_DIR ?= $(CURDIR)
PLAYBOOK = $(BIN)/ansible-playbook -i $(INVENTORY)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with everything a deploy runs on
	@scripts/setup.sh deploy

setup-test:
	@scripts/setup.sh test

deploy: setup ## from source to a verified deployment, cluster and tools included
	@$(PLAYBOOK) playbooks/site.yml $(ARGS)

status: setup ## what runs, which revision, healthy or why not
	@$(PLAYBOOK) playbooks/status.yml $(ARGS)

rollback: setup ## back to what was in service before the last deploy
	@$(PLAYBOOK) playbooks/rollback.yml $(ARGS)

teardown: setup ## remove the cluster, and the engine if it was installed for it; the cache stays
	@$(PLAYBOOK) playbooks/teardown.yml -e teardown_cluster=true $(ARGS)

undeploy: setup ## remove the deployment and its data; the cluster stays
	@$(PLAYBOOK) playbooks/teardown.yml $(ARGS)

bundle: setup ## write everything that another machine needs into one file (BUNDLE_DIR: where)
	@$(PLAYBOOK) playbooks/bundle.yml -e toolchain_bundle_dir=$(BUNDLE_DIR) $(ARGS)

test: setup-test ## lint, unit, charts, application, and on a throwaway cluster deployments, faults, failing deploys
	@tests/run.sh

lint: setup-test ## ansible-lint, ruff, mypy, codespell, yamllint, shell and Go formatting
	@tests/run.sh lint

test-unit: setup-test ## logic, without a cluster
	@tests/run.sh unit

test-app: setup-test ## the example application's own tests
	@tests/run.sh app

test-charts: setup-test ## the charts: schemas, suites, invariants
	@tests/run.sh charts

test-molecule: setup-test ## the next two and 33 faults, on a throwaway cluster
	@tests/run.sh molecule

test-deployments: setup-test ## only the five deployments of the example, one after the other
	@tests/run.sh deployments

test-transaction: setup-test ## deploys that fail or are killed, under load
	@tests/run.sh transaction

bench: setup-test ## whole deploys by Slipway, a shell script and Skaffold side by side, written to the README and docs/measurements.md
	@$(BIN)/python -m tests.bench.deploys $(ARGS)

measure: setup-test ## a running deployment against its budgets, written to the README and docs/measurements.md
	@$(BIN)/python -m tests.bench.budgets --inventory $(INVENTORY) $(ARGS)

requirements: ## pin the Python packages anew (needs uv)
	for profile in deploy test; do \
	  uv pip compile --quiet --generate-hashes --no-header --universal --python-version 3.12 \
	    requirements/$$profile.in -o requirements/$$profile.txt; done
