#!/usr/bin/env bash
# Five hosts in a ring, each linked with two others over a bad cable: network namespaces, veth pairs
# and tc/netem. No packet is routed, so no host can reach more than its two neighbours. A table works
# end to end; then one host vanishes and the others go on.
#
#   drivers/tokio/tests/hosts.sh [PROGRAM]     PROGRAM defaults to target/release/bitcraps
#
# Needs root and iproute2; says so and ends with 0 where it cannot run, unless MUST_RUN=1. Without
# netem it says so too, and goes on over good cables.
set -euo pipefail

bitcraps=$(realpath "${1:-target/release/bitcraps}")
hosts=5
netem=${NETEM-netem delay 20ms loss 1%}
prefix="craps$$"
work=$(mktemp -d)

skip() {
    echo "SKIPPED: hosts in network namespaces: $*" >&2
    [ "${MUST_RUN:-0}" = 1 ] && exit 1 || exit 0
}

clean_up() {
    for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for ((host = 0; host < hosts; host++)); do ip netns del "$prefix-$host" 2>/dev/null || true; done
    rm -rf "$work"
}

[ "$(id -u)" = 0 ] || skip "not root"
command -v ip >/dev/null && command -v tc >/dev/null || skip "no iproute2"
ip netns add "$prefix-0" 2>/dev/null || skip "no network namespaces"
trap clean_up EXIT

on() { local host=$1; shift; ip netns exec "$prefix-$host" "$@"; }
run() { local host=$1; shift; timeout 120 "$bitcraps" --data-dir "$work/$host" "$@"; }

ip -n "$prefix-0" link set lo up
for ((host = 1; host < hosts; host++)); do
    ip netns add "$prefix-$host"
    ip -n "$prefix-$host" link set lo up
done
# The cable from each host to the next: 10.7.HOST.1 and 10.7.HOST.2.
for ((host = 0; host < hosts; host++)); do
    next=$(((host + 1) % hosts))
    ip link add right netns "$prefix-$host" type veth peer name left netns "$prefix-$next"
    ip -n "$prefix-$host" addr add "10.7.$host.1/30" dev right
    ip -n "$prefix-$next" addr add "10.7.$host.2/30" dev left
    for end in "$host right" "$next left"; do
        set -- $end
        ip -n "$prefix-$1" link set "$2" up
        if [ -n "$netem" ] && ! on "$1" tc qdisc add dev "$2" root $netem 2>/dev/null; then
            echo "WARNING: this kernel has no netem: the cables are perfect" >&2
            netem=
        fi
    done
done

cards=()
for ((host = 0; host < hosts; host++)); do cards+=(--validator "$(run "$host" key card)"); done
run 0 network new --name ring "${cards[@]}" >/dev/null

declare -a pids
for ((host = 0; host < hosts; host++)); do
    before=$(((host + hosts - 1) % hosts))
    # Not `on`: its shell would be what is killed later, and not the node.
    ip netns exec "$prefix-$host" "$bitcraps" --data-dir "$work/$host" node \
        --genesis "$work/0/genesis" --log warn \
        --listen 0.0.0.0:7711 --lan off --peers "10.7.$host.2:7711" \
        --advertise "10.7.$host.1:7711,10.7.$before.2:7711" \
        >"$work/$host.out" 2>"$work/$host.log" &
    pids[host]=$!
done
for ((host = 0; host < hosts; host++)); do
    for ((tries = 0; tries < 600; tries++)); do
        grep -q '^ready: ' "$work/$host.out" && break
        sleep 0.1
    done
    grep -q '^ready: ' "$work/$host.out" || { cat "$work/$host.log" >&2; exit 1; }
done

began=$(date +%s)
run 0 table open kitchen 20000 --betting-time 0
payee=$(run 0 status --json | sed -n 's/.*"address": *"\([^"]*\)".*/\1/p' | head -1)
for ((host = 1; host < hosts; host++)); do run "$host" transfer "$payee" 1; done
echo "a table and $((hosts - 1)) payments around a ring of $hosts hosts (${netem:-no netem}): $(($(date +%s) - began)) s"

kill -9 "${pids[2]}"
began=$(date +%s)
for host in 1 3 4; do run "$host" transfer "$payee" 1; done
echo "three payments without one of the hosts: $(($(date +%s) - began)) s"
