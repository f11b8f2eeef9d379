#!/usr/bin/env bash
# Runs every benchmark of docs/benchmarks.md and writes its table. About ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/portaria/target}"
python="${BENCH_PYTHON:-$HOME/.cache/portaria/bench-python}"
if [ ! -x "$python/bin/gunicorn" ] || [ ! -x "$python/chroma/bin/chroma" ]; then
  python3 -m venv "$python"
  # The versions that the guide's application names, where it names them.
  "$python/bin/pip" install --quiet flask==3.0.3 rq==1.15.1 redis==5.0.3 sqlalchemy==2.0.25 pydantic==2.6.4 \
    prometheus-client==0.19.0 gunicorn requests structlog psycopg2-binary
  # Beside them: its own pydantic would not do.
  python3 -m venv "$python/chroma"
  "$python/chroma/bin/pip" install --quiet chromadb
fi
cargo build --release --package portaria --package bench --package xtask
exec "$CARGO_TARGET_DIR/release/xtask" with-servers "$CARGO_TARGET_DIR/release/bench" "$python" bench "$@"
