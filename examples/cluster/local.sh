#!/usr/bin/env bash
# Three nodes on this machine, each started again when the cluster has taken it out (code 255) or it was killed.
# Ctrl-C lets all of them leave. In another terminal:  ./ringworld submit examples/jobs/needles.conf ring.size=3
set -u
home=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)

keep() {
  local node=
  trap '[ -n "$node" ] && kill -TERM "$node"; wait "$node"; exit 0' TERM INT
  while true; do
    "$home/ringworld" node "port=$1" &
    node=$!
    wait "$node"
    code=$?
    case $code in
      0 | 143 | 130) exit 0 ;; # it was asked to leave
      2) echo "node $1 does not start: see above" >&2; exit 2 ;;
    esac
    echo "node $1 ended with code $code; starting it again" >&2
    sleep 1
  done
}

"$home/ringworld" --version >/dev/null || exit 1 # builds once, before three do
for port in 25520 25530 25540; do
  keep "$port" &
done
trap 'kill -TERM $(jobs -p) 2>/dev/null' INT TERM
wait
wait
