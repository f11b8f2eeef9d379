#!/bin/sh
# Builds the targets with the compiler's coverage for libFuzzer, and runs each. Stops at the first crash.
set -eu
cd "$(dirname "$0")"
: "${CARGO_TARGET_DIR:=$HOME/.cache/portaria/target}"
: "${SECONDS_EACH:=600}"
: "${TARGETS:=head proxy_header cookie config path firewall json evolution whaticket whatsapp_cloud frames}"
host=$(rustc -vV | sed -n 's/^host: //p')
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# With a target of its own the flags do not reach build scripts, which have no fuzzer to link with.
RUSTFLAGS="$flags --cfg fuzzing" CARGO_TARGET_DIR="$CARGO_TARGET_DIR/fuzz" cargo build --release --target "$host"
for target in $TARGETS; do
  corpus="$CARGO_TARGET_DIR/fuzz/corpus/$target"
  mkdir -p "$corpus"
  echo "== $target, $SECONDS_EACH s"
  seeds="seeds/$target"
  mkdir -p "$corpus.empty"
  [ -d "$seeds" ] || seeds="$corpus.empty"
  fixtures="../crates/tests/fixtures/$(echo "$target" | tr _ -)"
  [ -d "$fixtures" ] || fixtures="$corpus.empty"
  log="$CARGO_TARGET_DIR/fuzz/$target.log"
  if ! "$CARGO_TARGET_DIR/fuzz/$host/release/$target" "$corpus" "$seeds" "$fixtures" \
    -max_total_time="$SECONDS_EACH" -max_len=8192 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$CARGO_TARGET_DIR/fuzz/$target-" >"$log" 2>&1; then
    grep -E "panicked|assertion|left:|right:|SUMMARY|Test unit written" "$log" || tail -20 "$log"
    exit 1
  fi
  grep -E "^stat::(number_of_executed_units|average_exec_per_sec|new_units_added)" "$log"
done
