# Build output stays outside the checkout, so that a clean clone starts warm.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/portaria/target

PACKAGES = postgresql redis-server redis-sentinel chromium chromium-driver ca-certificates curl nginx nghttp2-client pebble libfaketime
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help fuzz long demo run init migrate worker test screenshots coverage lint storm storm-proof bench bench-gateway tools

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: ## Two tenants, a scripted conversation, a page to try (needs nothing but Rust)
	cargo run --release --package portaria -- demo

run: ## Serve on 127.0.0.1:8080 with ./data
	cargo run --release --package portaria -- serve

init: ## Build the program and write a commented portaria.toml if there is none
	cargo build --release --package portaria
	@[ -e portaria.toml ] || "$(CARGO_TARGET_DIR)/release/portaria" config example > portaria.toml

migrate: ## Bring the database up to date
	cargo run --release --package portaria -- migrate

worker: ## Work the queue without serving
	cargo run --release --package portaria -- serve --role worker

tools: ## Install what the tests need and Debian has
	@missing=""; for p in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; \
	fi

	@command -v npm >/dev/null || { $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends nodejs npm; }

test: tools ## All tests, on SQLite and on a PostgreSQL of their own
	cargo xtask test

fuzz: ## Random bytes at what strangers reach first, SECONDS_EACH (600) seconds a target
	sh fuzz/run.sh

screenshots: tools ## Every page as the browser tests see it, into docs/screenshots
	rm -rf "$(CARGO_TARGET_DIR)/debug/screenshots"
	cargo xtask test -p tests --test browser
	mkdir -p docs/screenshots && rm -f docs/screenshots/*.png
	cp "$(CARGO_TARGET_DIR)"/debug/screenshots/*.png docs/screenshots/

coverage: tools ## Line coverage of the tests (needs cargo-llvm-cov)
	cargo llvm-cov --version >/dev/null || cargo install cargo-llvm-cov --locked
	cargo xtask with-servers cargo llvm-cov --workspace --summary-only

lint: ## Formatting, clippy, docs, and what the compiler does not hold
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	cargo xtask tidy
	@if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; \
	else echo "cargo-deny is not installed: licences and sources were not checked"; fi

storm: ## Five minutes of the whole server under faults and kill -9, compared with the truth
	cargo run --release --package portaria -- storm --minutes 5

long: storm ## The simulations that tests run for a tenth of the time, whole

storm-proof: ## A build that stores repeated messages twice: the storm must fail it
	cargo build --package portaria --features broken-dedupe
	if "$(CARGO_TARGET_DIR)/debug/portaria" storm --minutes 0.3; then echo "the storm did not notice"; exit 1; \
	else echo "the storm noticed the broken build"; fi
	cargo build --package portaria

bench: ## The benchmarks of docs/benchmarks.md
	bench/run.sh

bench-gateway: ## The gateway beside nginx and HAProxy, as in docs/benchmarks.md
	@missing=""; for p in nginx haproxy wrk nghttp2-client curl openssl; do \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; \
	fi
	bench/gateway.sh
