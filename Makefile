# What a person types. Each target works on a bare Debian 12 machine with Rust, as root or with sudo.
SHELL := /bin/bash
.DEFAULT_GOAL := check
# The codec of composed pictures is C++; without a compiler for it there are none (docs/rooms-video.md).
WITHOUT_GRID := $(shell command -v c++ >/dev/null || echo --no-default-features)
.PHONY: run test bench check schema-hardship fmt clean-data

## run: build, start on configs/dev.toml, prove itself with one measured call, serve until Ctrl-C
run:
	cargo build --release --package tandem $(WITHOUT_GRID)
	./target/release/tandem run --config configs/dev.toml --prove

## test: install what the tests need, then run every test
test:
	tests/setup.sh
	cargo xtask ci
	tests/interop/run.sh

## bench: the side-by-side benches against kamailio and rtpengine
bench:
	bench/run.sh

## schema-hardship: hundreds of requests of each operation by the printed schema, from a new seed
schema-hardship:
	cargo build --package tandem
	cd tests/interop && SCHEMA_EXAMPLES=$${SCHEMA_EXAMPLES:-200} SCHEMA_SEED=$${SCHEMA_SEED:-$$(date +%s)} \
		SCHEMA_TELLS=1 ../.venv/bin/python -m pytest -q -s --tb=short test_openapi.py

## check: what takes seconds rather than minutes
check:
	cargo xtask ci --quick

fmt:
	cargo fmt --all

## clean-data: forget the calls, logs and state that `make run` left behind
clean-data:
	rm -rf data
