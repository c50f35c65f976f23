#!/bin/sh
# The disaster drill: a network of four validators, a backup under load, the loss of one machine, and
# its restoration from the recovery phrase and the backup. Needs `bitcraps` on the path.
set -eu

work=$(mktemp -d)
nodes=""
finish() {
    for node in $nodes; do kill "$node" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT
cd "$work"

say() { echo "drill: $*"; }
run() { # run NAME [FLAG…]: starts a node and waits until it is ready
    name=$1; shift
    bitcraps --data-dir "$name" node "$@" >"$name.out" 2>"$name.log" &
    nodes="$nodes $!"; last=$!
    for _ in $(seq 300); do
        grep -q '^ready:' "$name.out" && return 0
        sleep 0.1
    done
    cat "$name.log" >&2; exit 1
}
field() { sed "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/"; }

cards=""
for name in a b c d; do
    cards="$cards --validator $(bitcraps --data-dir $name key card 2>/dev/null)"
done
# shellcheck disable=SC2086
bitcraps --data-dir a network new --name drill $cards >/dev/null 2>&1
run a --listen 127.0.0.1:7741
for number in 2 3 4; do
    name=$(echo "abcd" | cut -c$number)
    run "$name" --listen "127.0.0.1:774$number" --genesis a/genesis \
        --peers 127.0.0.1:7741,127.0.0.1:7742,127.0.0.1:7743
done
lost=$last

to=$(bitcraps --data-dir b key card --json 2>/dev/null | field address)
pay() { for _ in $(seq "$1"); do bitcraps --data-dir a transfer "$to" 1 >/dev/null; done; }
say "paying while a backup is made"
pay 10 & paying=$!
bitcraps --data-dir d backup create --target backups
wait $paying
bitcraps --data-dir d backup create --target backups
bitcraps --data-dir d key export 2>/dev/null >phrase

say "the machine is lost"
kill -9 "$lost"; rm -rf d
pay 5

say "restoring it elsewhere"
bitcraps --data-dir new key import <phrase >/dev/null 2>&1
bitcraps --data-dir new backup verify --target backups
bitcraps --data-dir new backup restore --target backups --dry-run
bitcraps --data-dir new backup restore --target backups
run new --listen 127.0.0.1:7744 --peers 127.0.0.1:7741,127.0.0.1:7742,127.0.0.1:7743
say "$(bitcraps --data-dir new status --json | grep -o '"abstains":[^,]*')"
pay 5
for _ in $(seq 600); do
    if [ "$(bitcraps --data-dir new status --json | grep -o '"abstains":null')" ]; then break; fi
    sleep 0.1
done
bitcraps --data-dir new status --json | grep -q '"abstains":null'
bitcraps --data-dir new audit verify

say "a backup that was tampered with is refused"
for file in backups/*.backup; do
    printf 'x' | dd of="$file" bs=1 seek=300 conv=notrunc 2>/dev/null
done
if bitcraps --data-dir new backup verify --target backups 2>/dev/null; then exit 1; fi
say "done"
