#!/usr/bin/env bash
# Runs nginx and bramka side by side on this machine and prints what a request costs each of them.
#
#   benches/side_by_side.sh [SECONDS] [ROUNDS] [CONNECTIONS]        4 seconds, 5 rounds, 32 connections
#   BRAMKA=/path/to/bramka benches/side_by_side.sh                  another binary than target/release/bramka
#
# Both pass a body of 1 KiB through from the same system over TLS 1.3 with the same certificate, one core each.
# nginx writes an access log and asks nobody; bramka verifies a token, charges a plan, decides by 20 statements
# and writes a journal. Needs nginx and wrk: `apt-get install nginx-light wrk`.
#
# The figure that counts is CPU time per answered request (user and system, from /proc/PID/stat): on a machine
# that does other things too it is steadier than requests a second. Ratios are of the same round; the median is
# quoted. It listens on loopback only, writes to a temporary folder, and ends what it started.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-4} rounds=${2:-5} connections=${3:-32}
for tool in nginx wrk curl; do
  command -v "$tool" >/dev/null || { echo "\`$tool\` is needed: apt-get install nginx-light wrk curl" >&2; exit 2; }
done
bramka=${BRAMKA:-target/release/bramka}
if [ -z "${BRAMKA:-}" ]; then cargo build --release --locked --bin bramka; fi
bramka=$(realpath "$bramka")

run=$(mktemp -d /tmp/side_by_side.XXXXXX)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$run"
}
trap finish EXIT
trap 'exit 1' INT TERM

# Four ports that nobody listens on now.
ports=()
while [ "${#ports[@]}" -lt 4 ]; do
  port=$((20000 + RANDOM % 12000))
  [[ " ${ports[*]-} " == *" $port "* ]] || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || ports+=("$port")
done
up=${ports[0]} nginx=${ports[1]} gate=${ports[2]} admin=${ports[3]}

fill() { # fill FILE [WORD=TEXT...]: the file with its @WORDS@ filled in
  local text word
  text=$(<"$1")
  for word in "RUN=$run" "UP=$up" "NGINX=$nginx" "GATE=$gate" "ADMIN=$admin" "${@:2}"; do
    text=${text//"@${word%%=*}@"/${word#*=}}
  done
  printf '%s\n' "$text"
}

# Whatever is not measured stays off the core of what is.
cores=$(nproc)
proxy_core=$((cores - 1))
others=$([ "$cores" -gt 1 ] && echo "0-$((cores - 2))" || echo 0)
beside=(taskset -c "$others") measured=(taskset -c "$proxy_core")

here=benches/side_by_side
"$bramka" certs init --dir "$run/certs" >/dev/null 2>&1
cp -r "$here/policies" "$run/policies"
for file in gateway.yaml systems/up.yaml; do fill "$here/policies/$file" >"$run/policies/$file"; done
body=$(printf 'x%.0s' $(seq 1024))
fill "$here/nginx.conf" NAME=upstream "SERVERS=$(fill "$here/upstream.conf" "BODY=$body")" >"$run/upstream.conf"
fill "$here/nginx.conf" NAME=proxy "SERVERS=$(fill "$here/proxy.conf")" >"$run/proxy.conf"

"${beside[@]}" nginx -p "$run" -e "$run/start.err" -c "$run/upstream.conf" >/dev/null & pids+=($!)
"${measured[@]}" nginx -p "$run" -e "$run/start.err" -c "$run/proxy.conf" >/dev/null & nginx_pid=$!; pids+=($!)
"${measured[@]}" "$bramka" serve --cores 1 --policies "$run/policies" --data "$run/data" >"$run/gate.out" 2>&1 & gate_pid=$!; pids+=($!)
for _ in $(seq 100); do grep -q '^ready' "$run/gate.out" && break; sleep 0.1; done
token=$("$bramka" token issue --kind App --id load --ttl 1d --policies "$run/policies" --data "$run/data" 2>/dev/null)

probe() { # the right body, by the right token
  for _ in $(seq 100); do
    [ "$(curl -sS --cacert "$run/certs/ca.pem" -H "Authorization: Bearer $token" "https://localhost:$1/systems/up/1k" 2>"$run/probe.err")" = "$body" ] && return
    sleep 0.1
  done
  echo "$2 does not serve:" >&2
  cat "$run/probe.err" "$run"/*.err "$run/gate.out" >&2
  exit 1
}
probe "$nginx" nginx
probe "$gate" bramka
[ "$(curl -sS -o /dev/null -w '%{http_code}' --cacert "$run/certs/ca.pem" "https://localhost:$gate/systems/up/1k")" = 401 ]

cpu() { # clock ticks of a process and its children
  local pid all=0 stat
  for pid in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
    stat=$(<"/proc/$pid/stat")
    set -- ${stat##*) }
    all=$((all + ${12} + ${13}))
  done
  echo "$all"
}

ticks=$(getconf CLK_TCK)
measure() { # measure PORT PID: microseconds of CPU per request, requests a second
  local before after out requests bad
  before=$(cpu "$2")
  out=$("${beside[@]}" wrk -t1 -c"$connections" -d"${seconds}s" -H "Authorization: Bearer $token" "https://localhost:$1/systems/up/1k")
  after=$(cpu "$2")
  requests=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' <<<"$out")
  bad=$(grep -E 'Non-2xx|Socket errors' <<<"$out" || true)
  [ -z "$bad" ] || { echo "not measured: $bad" >&2; exit 1; }
  awk -v c=$((after - before)) -v t="$ticks" -v n="$requests" -v s="$seconds" 'BEGIN { printf "%.1f %.0f\n", c / t * 1e6 / n, n / s }'
}

measure "$nginx" "$nginx_pid" >/dev/null
measure "$gate" "$gate_pid" >/dev/null
echo "1 KiB passed through over TLS 1.3, $connections connections, $seconds s each; CPU µs (requests/s)"
for round in $(seq "$rounds"); do
  read -r a at < <(measure "$nginx" "$nginx_pid")
  read -r b bt < <(measure "$gate" "$gate_pid")
  awk -v r="$round" -v a="$a" -v at="$at" -v b="$b" -v bt="$bt" 'BEGIN { printf "round %d   nginx %6.1f (%d)   bramka %6.1f (%d)   ratio %.2f\n", r, a, at, b, bt, b / a }' | tee -a "$run/rounds"
done
awk '{ print $NF }' "$run/rounds" | sort -n | awk '{ v[NR] = $1 } END { printf "median ratio %.2f\n", (v[int((NR + 1) / 2)] + v[int((NR + 2) / 2)]) / 2 }'
