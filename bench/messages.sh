#!/usr/bin/env bash
# What a message costs: instructions counted by callgrind (Debian's valgrind) and the rate of webhooks, for each program
# named. With two programs the rates are taken in the order first, second, first, second, first.
#   bench/messages.sh [NAME=PROGRAM…]     (none: this tree's)
# Whoever names programs builds them with RUSTFLAGS="--cfg rustix_use_libc": under valgrind the kernel's page of clocks is
# missing, which the program reads otherwise. ONLY=counts or ONLY=rates does half of it.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/portaria/target}"
messages="${MESSAGES:-2000}"
if [ $# -eq 0 ]; then
  RUSTFLAGS="--cfg rustix_use_libc" CARGO_TARGET_DIR="$CARGO_TARGET_DIR/counted" cargo build --release --package portaria
  set -- "now=$CARGO_TARGET_DIR/counted/release/portaria"
fi
secret=bench-secret-0123456789
dir="$(mktemp -d -p "$CARGO_TARGET_DIR")"
pid=""
finish() { [ -z "$pid" ] || kill "$pid" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"; }
trap finish EXIT
export PORTARIA_ALLOW_PRIVATE_UPSTREAMS=1 PORTARIA_WEBHOOK_SENDER_MESSAGES=1000000 PORTARIA_LOG=error
port=19490

# Makes a new installation for a program: one business whose messages are stored and not answered.
prepare() {
  rm -rf "$dir/data" && mkdir "$dir/data"
  "$1" tenant create bench --name Bench --data "$dir/data" >/dev/null
  "$1" channel add whaticket --tenant bench --domain bench.example.com --base-url http://127.0.0.1:9 --token K \
    --shared-secret "$secret" --skip-probe --data "$dir/data" >/dev/null
  "$1" tenant suspend bench --data "$dir/data" >/dev/null
}

load() { # PROGRAM REQUESTS CONCURRENCY
  "$1" --json loadtest webhook --url "http://127.0.0.1:$port/webhook/whaticket" --secret "$secret" --domain bench.example.com \
    --requests "$2" --concurrency "$3"
}

begin() { # waits until the server answers
  for _ in $(seq 1200); do curl -fs -o /dev/null "http://127.0.0.1:$port/livez" && return; sleep 0.1; done
  echo "the server did not start" >&2; exit 1
}

stop() { kill "$pid"; wait "$pid" || true; pid=""; }

count() {
  prepare "$1"
  valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$dir/callgrind" \
    "$1" serve --listen "127.0.0.1:$port" --data "$dir/data" >"$dir/log" 2>&1 & pid=$!
  begin
  load "$1" 300 1 >/dev/null
  callgrind_control --instr=on "$pid" >/dev/null
  load "$1" "$messages" 1 >/dev/null
  callgrind_control --instr=off "$pid" >/dev/null
  stop
}

rate() {
  prepare "$1"
  "$1" serve --listen "127.0.0.1:$port" --data "$dir/data" >"$dir/log" 2>&1 & pid=$!
  begin
  load "$1" 5000 64 >/dev/null
  load "$1" 40000 64 > "$dir/report"
  stop
  python3 -c 'import json,sys; r=json.load(open(sys.argv[1])); assert r["failed"]==0, r; print(round(r["succeeded"]/r["seconds"]))' "$dir/report"
}

echo "$(date -I), $(valgrind --version), $messages messages each by one connection; rates by 64 connections"
if [ "${ONLY:-counts}" = counts ]; then
  # A request's own instructions are the same in every run; those of the whole process are not, as the queue looks when time
  # has passed.
  echo
  echo "| program | instructions of a request | of the process, a message |"
  echo "|---|---|---|"
  for given in "$@"; do
    count "${given#*=}"
    own="$(callgrind_annotate --inclusive=yes --threshold=100 "$dir/callgrind" 2>/dev/null \
      | awk '/Dispatcher<D,Bs,I,T>::poll_write/ && !seen {gsub(",", "", $1); print $1; seen = 1}')"
    awk -v n="$messages" -v own="$own" -v name="${given%%=*}" \
      '/^(summary|totals):/{sum=$2} END{printf "| %s | %.0f | %.0f |\n", name, own / n, sum / n}' "$dir/callgrind"
  done
fi
if [ "${ONLY:-rates}" = rates ]; then
  echo
  echo "| program | webhooks a second |"
  echo "|---|---|"
  order=("$@")
  [ $# -ne 2 ] || order=("$1" "$2" "$1" "$2" "$1")
  for given in "${order[@]}"; do echo "| ${given%%=*} | $(rate "${given#*=}") |"; done
fi
