#!/usr/bin/env bash
# Runs every benchmark of docs/benchmarks.md and writes its table. About ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/portaria/target}"
python="${BENCH_PYTHON:-$HOME/.cache/portaria/bench-python}"
if [ ! -x "$python/bin/gunicorn" ] || [ ! -x "$python/bin/chroma" ]; then
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet flask gunicorn rq redis requests sqlalchemy 'psycopg[binary]' structlog \
    prometheus-client pydantic chromadb
fi
cargo build --release --package portaria --package bench --package xtask
exec "$CARGO_TARGET_DIR/release/xtask" with-servers "$CARGO_TARGET_DIR/release/bench" "$python" bench "$@"
