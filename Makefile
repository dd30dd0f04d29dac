# `make deploy` and `make test` are the main targets; `make help` lists all of them.
.DEFAULT_GOAL := help
.PHONY: help setup deploy status doctor rollback teardown undeploy backup restore bundle test lint test-unit test-app test-charts test-molecule test-deployments test-transaction test-more test-mutants check-health bench measure requirements outdated raise

SHELL := /bin/bash
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
# For example: make deploy INVENTORY=inventory/umbrella ARGS='--check --diff'
INVENTORY ?= inventory/umbrella
ARGS ?=
BUNDLE_DIR ?= $(CURDIR)
FROM ?=
DEEP ?=
PLAYBOOK = $(BIN)/ansible-playbook -i $(INVENTORY)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create .venv with everything that a deploy needs
	@scripts/setup.sh deploy

setup-test:
	@scripts/setup.sh test

deploy: setup ## deploy from source and verify, including tools and cluster
	@$(PLAYBOOK) playbooks/site.yml $(ARGS)

status: setup ## show what is running, in which revision, and whether it is healthy
	@$(PLAYBOOK) playbooks/status.yml $(ARGS)

doctor: setup ## show what a deploy needs of this machine and what is missing; DEEP=1 compares the sums of all cached files
	@$(PLAYBOOK) playbooks/doctor.yml $(if $(DEEP),-e toolchain_check_sums=true) $(ARGS)

rollback: setup ## roll back the last deploy
	@$(PLAYBOOK) playbooks/rollback.yml $(ARGS)

teardown: setup ## delete the cluster, and the engine if Slipway installed it; keep the cache
	@$(PLAYBOOK) playbooks/teardown.yml -e teardown_cluster=true $(ARGS)

undeploy: setup ## remove the deployment and its data; keep the cluster
	@$(PLAYBOOK) playbooks/teardown.yml $(ARGS)

backup: setup ## back up the database in the cluster to backups/
	@$(PLAYBOOK) playbooks/backup.yml $(ARGS)

restore: setup ## restore a backup (FROM=backups/<file>.dump), and verify the application
	@$(PLAYBOOK) playbooks/restore.yml -e database_backup_file="$(abspath $(FROM))" $(ARGS)

check-health: setup ## run the health checks of a file: make check-health CHECKS=checks.yml ARGS='--junit health.xml'
	@scripts/health $(CHECKS) $(ARGS)

bundle: setup ## write everything that an offline machine needs to one file (in BUNDLE_DIR)
	@$(PLAYBOOK) playbooks/bundle.yml -e toolchain_bundle_dir=$(BUNDLE_DIR) $(ARGS)

test: setup-test ## run all tests, on a throwaway cluster where they need one
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

test-deployments: setup-test ## only the five deployments of the example
	@tests/run.sh deployments

test-transaction: setup-test ## only deploys that fail or are killed under load
	@tests/run.sh transaction

test-more: setup-test ## nightly: property tests with new examples, runs interrupted at every point
	@tests/run.sh more

test-mutants: setup-test ## nightly: small changes of the shared code, each of which a unit test must find
	@tests/run.sh mutants

bench: setup-test ## compare deploys by Slipway, a shell script and Skaffold; update README and docs/measurements.md
	@$(BIN)/python -m tests.bench.deploys $(ARGS)

measure: setup-test ## measure a running deployment against its budgets; update README and docs/measurements.md
	@$(BIN)/python -m tests.bench.budgets --inventory $(INVENTORY) $(ARGS)

requirements: ## update the pinned Python packages (needs uv)
	for profile in deploy test; do \
	  uv pip compile --quiet --generate-hashes --no-header --universal --python-version 3.12 \
	    requirements/$$profile.in -o requirements/$$profile.txt; done

outdated: setup-test ## list the pins for which a package registry has a newer version
	@$(BIN)/python scripts/pins.py outdated

raise: setup-test ## move one pin to its newest version, for example PIN=coredns
	@$(BIN)/python scripts/pins.py raise "$(PIN)"
