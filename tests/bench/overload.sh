# shellcheck shell=bash disable=SC2154,SC2034 # variables of run and lib.sh, and for lib.sh
# More than it can do: Argon2 on all cores, and twice the peak.

# Everyone with a hash of the usual cost, in DIR, and no cache; sets $daemon
costly_in() {
    local dir=$1 port=$2
    rm -rf "$dir"
    mkdir -p "$dir/keys"
    (umask 077; head -c 32 /dev/urandom | base64 >"$dir/keys/demo.key")
    served_in "$dir" "$port" password
    { echo username,password; cut -d, -f1,2 "$costly"; } >"$dir/import.csv"
    "$doorward" --socket "$dir/admin.sock" person import "$dir/import.csv"
}

argon2() {
    prepared
    results_of argon2
    costly=$out/costly.csv
    head -500 "$base/users10k.csv" >"$costly"
    local bare round cores
    cores=$(nproc)
    bare=$(cargo bench --locked --quiet --bench argon2 --no-run --message-format json |
        jq -r 'select(.target.name? == "argon2") | .executable // empty')
    step "Argon2id at the usual cost, $cores threads: A = the bare function, B = logins without a cache"
    costly_in "$out/costly" 22818
    side B 127.0.0.1:22818 "$daemon"
    local all=$rounds TIMEFORMAT='%U %S'
    for round in $(seq "$all"); do
        # As nice as the threads that hash for logins.
        { time nice -n 5 "$bare" "$cores" "$seconds" >"$results/bare.json"; } 2>"$results/bare.time"
        jq --arg time "$(cat "$results/bare.time")" '.cpu_us = ($time | split(" ") | map(tonumber) | add) * 1e6 / .hashes' \
            "$results/bare.json" >"$results/bare-$round.json"
        rounds=1 turns "logins-$round" B pap --users "$costly" --inflight 16 --warmup 1 --duration "$seconds"
    done
    ended
    shown argon2
}

# twice NAME PORT INFLIGHTS RADLOAD-ARGUMENTS…: finds the peak of the daemon among the numbers in flight, then asks for twice
# that, from as many ports: answers for one port are cheaper together. The server has the first core and the clients have the
# second, so that the load does not take from the server.
twice() {
    local name=$1 port=$2 inflight rate peak=0 at=0 load status
    side B "127.0.0.1:$port" "$daemon"
    for inflight in $3; do
        turns "$name-$inflight" B "${@:4}" --sockets 256 --inflight "$inflight" --warmup 1 --duration "$seconds"
        rate=$(jq -s 'map(.per_second) | sort | .[length / 2 | floor] | round' "$results/$name-$inflight"/B-*.json)
        if [ "$rate" -gt "$peak" ]; then peak=$rate at=$inflight; fi
    done
    echo "peak: $peak/s with $at in flight"
    "${client_on[@]}" "$RADLOAD" "${@:4}" --server "127.0.0.1:$port" --secret testing123 --pid "$daemon" --rate "$((peak * 2))" \
        --sockets 256 --warmup 2 --duration "$overload_seconds" --json >"$results/$name.json" 2>"$results/$name.err" &
    load=$!
    "${client_on[@]}" "$RADLOAD" status --server "127.0.0.1:$port" --secret testing123 --rate 20 --irt 2 --mrc 0 \
        --duration "$overload_seconds" --json >"$results/$name-status.json" 2>"$results/$name-status.err" &
    status=$!
    local begun=$SECONDS rss=()
    while kill -0 "$load" 2>/dev/null; do
        [ $((SECONDS - begun)) -gt "$overload_seconds" ] || rss+=("$(rss_kib "$daemon")")
        sleep 1
    done
    wait "$load" "$status" || true
    local after=$EPOCHREALTIME
    "$RADLOAD" "${@:4}" --server "127.0.0.1:$port" --secret testing123 --count 1 --inflight 1 --mrc 0 --expect accept >/dev/null
    fact "$name.after_ms" "$(ms_since "$after")"
    fact "$name.peak" "$peak"
    fact "$name.inflight" "$at"
    fact "$name.rss_kib" "$(jq -n '$ARGS.positional | map(tonumber)' --args "${rss[@]}")"
}

overload() {
    prepared
    results_of overload
    fact seconds "$overload_seconds"
    [ "$(nproc)" -ge 2 ] || { echo "overload needs two cores: one for the server, one for the load" >&2 && exit 1; }
    server_on=(taskset -c 0) client_on=(taskset -c 1)
    step "password, cache warm: twice the peak for $overload_seconds s"
    people_in "$out/overload" "$base/users200k.csv"
    served_in "$out/overload" 22819 password "$warm_cache"
    warmed 22819 "$base/users200k.csv" >/dev/null
    # Ids are scarce at this rate, so what is not answered within half a second is given up.
    twice warm 22819 "64 256 1024" pap --users "$base/users200k.csv" --irt 0.5 --mrc 0 --mrd 0.5
    ended
    step "Argon2 at the usual cost: twice the peak for $overload_seconds s"
    costly=$out/costly.csv
    head -1000 "$base/users10k.csv" >"$costly"
    costly_in "$out/costly" 22818
    twice argon2 22818 "16 64" pap --users "$costly" --irt 2 --mrt 2 --mrc 2 --mrd 6
    server_on=() client_on=()
    ended
    shown overload
}
