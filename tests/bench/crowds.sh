# shellcheck shell=bash disable=SC2154 # variables of run and lib.sh
# Many people: what they cost in memory and at the start, and throughput when everyone is somebody else.

crowds() {
    results_of crowds
    local count
    for count in $crowds; do a_crowd_of "$count"; done
    shown crowds
}

a_crowd_of() {
    local count=$1 users=$out/crowd-$1.csv dir=$out/crowd-$1
    step "$count people with passwords and passcode apps"
    "$RADLOAD" users --count "$count" --totp --seed 4 >"$users"
    people_in "$dir" "$users"
    fact "$count.made_ms" "$took_ms"
    served_in "$dir" 22817 password+passcode "$warm_cache"
    fact "$count.start_ms" "$took_ms"
    fact "$count.start_rss_kib" "$(rss_kib "$daemon")"
    warmed 22817 "$users" >"$results/first-$count.json"
    fact "$count.first_per_second" "$(jq .per_second "$results/first-$count.json")"
    fact "$count.warm_rss_kib" "$(rss_kib "$daemon")"
    side B "[::1]:22817" "$daemon"
    turns "pap-$count" B pap --users "$users" --inflight 64 --warmup 1 --duration "$seconds"
    side B 127.0.0.1:22817 "$daemon"
    turns "totp-$count" B pap --users "$users" --inflight 64 --warmup 0.5 --duration 3 --otp append
    fact "$count.end_rss_kib" "$(rss_kib "$daemon")"
    fact "$count.store_kib" "$(du -k "$dir/doorward.db" | cut -f1)"
    ended
}
