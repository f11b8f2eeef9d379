#!/usr/bin/env bash
# What a message costs: instructions counted by callgrind (Debian's valgrind) and the rate of webhooks, for each program
# named. With two programs the rates are taken in the order first, second, first, second, first.
#   bench/messages.sh [NAME=PROGRAM…]     (none: this tree's release build)
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/portaria/target}"
messages="${MESSAGES:-2000}"
if [ $# -eq 0 ]; then
  cargo build --release --package portaria
  set -- "now=$CARGO_TARGET_DIR/release/portaria"
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
    --shared-secret "$secret" --data "$dir/data" >/dev/null
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
  awk -v n="$messages" '/^(summary|totals):/{sum=$2} END{printf "%.0f", sum / n}' "$dir/callgrind"
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
echo
echo "| program | instructions a message |"
echo "|---|---|"
declare -a counts=()
for given in "$@"; do
  one="$(count "${given#*=}")"; counts+=("$one")
  echo "| ${given%%=*} | $one |"
done
if [ $# -eq 2 ]; then
  awk -v a="${counts[0]}" -v b="${counts[1]}" 'BEGIN{printf "\nThe second against the first: %+.1f %%.\n", (b / a - 1) * 100}'
fi
echo
echo "| program | webhooks a second |"
echo "|---|---|"
order=("$@")
[ $# -ne 2 ] || order=("$1" "$2" "$1" "$2" "$1")
for given in "${order[@]}"; do echo "| ${given%%=*} | $(rate "${given#*=}") |"; done
