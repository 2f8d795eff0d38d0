# Two commands are enough: `make demo` and `make test`. Each installs what the
# machine lacks (Debian packages, by apt) and says so.

CARGO ?= cargo
DEMO_ARGUMENTS ?=
ifdef DATA
DEMO_ARGUMENTS += --data-set $(DATA)
endif

.PHONY: demo build test test-rust test-web test-sdk lint bench differential setup setup-test clean

## Build, then play a shop through the whole path and leave the page up.
demo: build
	./target/release/signalpost demo $(DEMO_ARGUMENTS)

build: setup
	$(CARGO) build --release --locked --package signalpost

## Everything that must hold before a change lands.
test: setup-test lint test-rust test-web test-sdk

test-rust:
	$(CARGO) test --release --locked --workspace

test-web:
	cd web && npm ci --no-audit --no-fund && npm run check && npm test

## After test-rust, which builds the server that the browser tests run against.
test-sdk:
	cd sdk && npm ci --no-audit --no-fund && npm run check && npm run build && npm test

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

bench: build
	./target/release/signalpost bench

## Compare generated templates with liquidjs and handlebars.js (see benchsuite/README.md).
differential:
	cd benchsuite && npm ci --no-audit --no-fund && npm run differential

setup:
	@./scripts/setup build

setup-test: setup
	@./scripts/setup test

clean:
	rm -rf target demo-data web/node_modules sdk/node_modules sdk/.build sdk/.venv
