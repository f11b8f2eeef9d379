#!/usr/bin/env bash
# What attacks cost a neighbour: this tree's program, beside that of an earlier revision when one is named.
# Two minutes a program once they are built.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/portaria/target}"
cargo build --release --package portaria --package bench
programs=("after=$CARGO_TARGET_DIR/release/portaria")
if [ $# -gt 0 ]; then
  tree="$(mktemp -d)"
  trap 'git worktree remove --force "$tree"' EXIT
  git worktree add --quiet --detach "$tree" "$1"
  (cd "$tree" && CARGO_TARGET_DIR="$CARGO_TARGET_DIR/before" cargo build --release --package portaria)
  programs=("before=$CARGO_TARGET_DIR/before/release/portaria" "${programs[@]}")
fi
echo "$(date -I), $(nproc) cores"
echo
"$CARGO_TARGET_DIR/release/attacks" "${programs[@]}"
