#!/usr/bin/env bash
# Instructions that a request costs with ten hosts in the table and with ten thousand, counted by callgrind (Debian's
# valgrind). A minute once the program is built.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/portaria/target}"
requests="${REQUESTS:-2000}"
cargo build --release --package portaria
dir="$(mktemp -d)"
chmod 755 "$dir"
started=()
finish() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
cat > "$dir/origin.conf" <<CONF
daemon off; worker_processes 1; pid $dir/origin.pid; error_log $dir/origin.log;
events { worker_connections 1024; }
http { client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
  access_log off; keepalive_requests 100000000; server { listen 127.0.0.1:19480; location / { return 200 "ok"; } } }
CONF
nginx -p "$dir" -c "$dir/origin.conf" & started+=($!)

# Prints instructions a request of a gateway with so many hosts.
count() {
  local hosts="$1" port="$2" out="$dir/callgrind.$1"
  {
    printf 'global: {bind_address: "127.0.0.1:%s", workers: 1}\npools:\n  - {name: origin, backends: [{address: "127.0.0.1:19480"}]}\nroutes:\n' "$port"
    echo '  - {host: 127.0.0.1, pool: origin}'
    for n in $(seq 2 "$hosts"); do echo "  - {host: tenant-$n.example.com, pool: origin}"; done
  } > "$dir/$hosts.yaml"
  valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$out" \
    "$CARGO_TARGET_DIR/release/portaria" serve --role gateway --config "$dir/$hosts.yaml" >"$dir/$hosts.log" 2>&1 &
  local pid=$!
  trap "kill $pid 2>/dev/null || true" EXIT
  local load=(h2load --h1 -c 1 -t 1 "http://127.0.0.1:$port/")
  for _ in $(seq 600); do curl -fs -o /dev/null "http://127.0.0.1:$port/" && break; sleep 0.1; done
  "${load[@]}" -n 200 >/dev/null
  callgrind_control --instr=on "$pid" >/dev/null
  "${load[@]}" -n "$requests" > "$dir/load.log"
  callgrind_control --instr=off "$pid" >/dev/null
  grep -q " $requests succeeded" "$dir/load.log" || { cat "$dir/load.log" >&2; exit 1; }
  kill "$pid"; wait "$pid" || true
  awk -v n="$requests" '/^(summary|totals):/{sum=$2} END{printf "%.0f\n", sum / n}' "$out"
}
few="$(count 10 19481)"
many="$(count 10000 19482)"
echo "$(date -I), $(valgrind --version), $requests requests each"
echo
echo "| hosts | instructions a request |"
echo "|---|---|"
echo "| 10 | $few |"
echo "| 10,000 | $many |"
awk -v a="$few" -v b="$many" 'BEGIN{printf "\nTen thousand against ten: %+.1f %%.\n", (b / a - 1) * 100}'
