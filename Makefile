# halosync: "make demo" shows what it does, "make test" proves it.
SHELL      := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS  += --no-print-directory

GO      ?= go
BIN     := bin
LINT    := $(BIN)/golangci-lint
CDX     := $(BIN)/cyclonedx-gomod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# -trimpath and no VCS stamp: the same source gives the same binary.
BUILD   := $(GO) build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"
# Tests that have a long form. CONTRIBUTING.md describes what the long form proves.
LONG := TestOneResyncPerNight|TestResyncRequests|TestManyClients|TestKilledWorkerIsSucceeded|TestScheduledRunsWithKilledWorkers|TestKilledWorkersTaskIsFinished|TestFourWorkersShareOneBudget|TestForeignSystemTakesItsPart|TestSmallTenantsBesideABigOne|TestHostileNeighbours
# Total time for all fuzz targets together.
FUZZTIME ?= 10m

.PHONY: help demo test check screenshots soak chaos bench bench-doc micro build release reproducible sbom embedded vuln verify lint lint-deploy fuzz fmt servers testkit promtool tidy clean

help: ## list the targets; the times are for two cores
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: servers build ## import 2,500 clients of a simulated Halo; half a minute (DEMO_ONCE=1: end without waiting)
	@$(GO) run ./internal/demo -bin $(BIN)

# Tests mostly wait, so more tests run at a time than the machine has cores. The build
# omits debug information, which no test reads and which takes a fifth of the build time.
# GOGC saves an eighth of the compiler's CPU time; the tests themselves run without it.
# Without GORACE, each program with the race detector waits a second before it exits.
test: export GOFLAGS := $(GOFLAGS) -gcflags=all=-dwarf=false
test: testkit promtool ## run every test in its short form, race detector on; 4 minutes, 5 with an empty build cache
	GOGC=800 $(GO) test -exec 'env -u GOGC GORACE=atexit_sleep_ms=0' -race -vet=off -shuffle=on -p 4 -parallel 8 -timeout 12m ./...

check: ## run all checks that a change must pass: verify, lint, test; 5 minutes, 7 with an empty build cache
	@$(MAKE) verify lint
	@$(MAKE) test

build: ## build bin/worker and bin/enqueue
	@$(BUILD) -o $(BIN)/worker ./cmd/worker
	@$(BUILD) -o $(BIN)/enqueue ./cmd/enqueue

release: ## pack dist/: both programs for Linux and macOS (amd64, arm64), man pages, completions, checksums
	@GO="$(GO)" VERSION=$(VERSION) ./tools/release.sh

verify:
	$(GO) mod verify
	$(GO) mod tidy -diff

# The programs must not depend on the folder or the build cache.
reproducible: ## build both programs twice, in different folders, and compare them
	@work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	for nth in first second/and/deeper; do \
	  mkdir -p "$$work/$$nth/source"; \
	  git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$$work/$$nth/source"; \
	  (cd "$$work/$$nth/source" && GOCACHE="$$work/$$nth/cache" $(MAKE) build VERSION=$(VERSION)); \
	done; \
	for program in worker enqueue; do \
	  cmp "$$work/first/source/$(BIN)/$$program" "$$work/second/and/deeper/source/$(BIN)/$$program"; \
	done; \
	echo "both builds are the same"

sbom: build $(CDX) ## write bin/worker.cdx.json and bin/enqueue.cdx.json: what each program contains
	@for program in worker enqueue; do \
	  $(CDX) app -json -licenses -std -output-version 1.6 -main cmd/$$program -output $(BIN)/$$program.cdx.json . 2> $(BIN)/$$program.cdx.log \
	    || { cat $(BIN)/$$program.cdx.log; exit 1; }; \
	  n=0; while read -r path version; do \
	    grep -qF "pkg:golang/$$path@$$version" $(BIN)/$$program.cdx.json || { echo "$$program: $$path $$version is missing in the SBOM"; exit 1; }; \
	    n=$$((n + 1)); \
	  done < <($(GO) version -m $(BIN)/$$program | awk '$$1 == "dep" {print $$2, $$3}'); \
	  echo "$(BIN)/$$program.cdx.json: all $$n modules of the program"; \
	done
	@cd tools/sbom && $(GO) run . add ../../$(BIN)/worker.cdx.json

embedded: ## list the npm packages inside asynqmon again, after an update of asynqmon
	@cd tools/sbom && $(GO) run . lock

$(CDX): tools/sbom/go.mod tools/sbom/go.sum
	@cd tools/sbom && $(GO) build -o ../../$(CDX) github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

vuln: ## list known vulnerabilities that our code reaches; needs the internet
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...
	@if command -v npm > /dev/null; then cd tools/sbom/asynqmon && npm audit --package-lock-only || echo "docs/security.md has the known ones"; fi

# Linters and tests use the same compiled packages: those of the race build.
lint: export GOFLAGS := $(GOFLAGS) -race -gcflags=all=-dwarf=false
lint: export GOGC := 800
lint: $(LINT) ## run the linters of .golangci.yml; half a minute, plus two minutes to build them the first time
	$(LINT) run --allow-parallel-runners ./...
	@for module in bench house man sbom; do (cd tools/$$module && $(GO) build -o /dev/null .) || exit 1; done

# tools/deploy is a separate module, because Kubernetes and BuildKit are large.
lint-deploy: ## check deploy/ with the readers of BuildKit, compose and kustomize and with systemd-analyze
	@cd tools/deploy && $(GO) run . ../../deploy

# The linter has a separate module, so that none of its dependencies enters the product.
$(LINT): tools/go.mod tools/go.sum
	@echo "building the linter (once, some two minutes)"
	@cd tools && GOFLAGS="-gcflags=all=-dwarf=false" GOGC=800 $(GO) build -ldflags "-s -w" -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

screenshots: testkit ## take docs/screenshots again, of the console with a made-up tenant
	@mkdir -p docs/screenshots
	HALOSYNC_SCREENSHOTS=$(CURDIR)/docs/screenshots $(GO) test -count 1 -run TestJourneys/technicians/northwind ./internal/e2e/journeys

# The histories run without the race detector; the short form runs with it.
soak: testkit ## run the long forms: 10,000 histories, 100 Halos, real waiting times; an hour (HALOSYNC_HISTORIES=n: as many)
	HALOSYNC_HISTORIES=$${HALOSYNC_HISTORIES:-10000} HALOSYNC_HALOS=100 $(GO) test -count 1 -run 'TestHistories|TestImportFromAHundredHalos' -timeout 90m -v ./internal/engine
	HALOSYNC_LONG=1 $(GO) test -race -count 1 -run '$(LONG)' -timeout 60m -v ./internal/e2e ./internal/engine ./tasks
	cd tools/bench && HALOSYNC_LONG=1 $(GO) test -race -count 1 -timeout 20m -v ./...

chaos: servers ## compare 500 runs under random faults with a model; 10 minutes (HALOSYNC_CHAOS_RUNS=n, HALOSYNC_CHAOS_SEED=n: repeat one episode)
	HALOSYNC_CHAOS_RUNS=$${HALOSYNC_CHAOS_RUNS:-500} $(GO) test -race -count 1 -run TestChaos -timeout 90m -v ./internal/e2e/chaos

# tools/bench is a separate module, because only certain packages of the product may import
# asynq and pgx.
BUILD_BENCH := cd tools/bench && $(GO) build -o ../../$(BIN)/bench .

bench: servers build ## print the cost of imports and resyncs, next to floors and rivals (BENCH=name: only that part)
	@$(BUILD_BENCH) && $(GO) test -count 1 . -bin $(CURDIR)/$(BIN)
	@$(BIN)/bench -bin $(BIN) -only '$(BENCH)'

bench-doc: servers build ## run all parts of bench and write docs/benchmarks.md
	@$(BUILD_BENCH)
	@$(BIN)/bench -bin $(BIN) -out docs/benchmarks.md

micro: servers ## benchmark the hot functions, for benchstat
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz: ## run every fuzz target, FUZZTIME (10m) in total (FUZZ=name: only those)
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" ./tools/fuzz.sh '$(FUZZ)'

fmt: $(LINT) ## format the code
	$(LINT) fmt ./...

promtool:
	@./tools/promtool.sh $(BIN)

testkit: # install programs that only the tests need
	@./internal/devstack/install.sh pgbouncer chromium

servers: ## install Postgres and Redis if they are missing (apt or brew)
	@./internal/devstack/install.sh

tidy:
	$(GO) mod tidy
	cd tools && $(GO) mod tidy
	cd tools/bench && $(GO) mod tidy
	cd tools/sbom && $(GO) mod tidy
	cd tools/deploy && $(GO) mod tidy
	cd tools/man && $(GO) mod tidy

clean: ## remove everything that make has built
	rm -rf $(BIN) dist
