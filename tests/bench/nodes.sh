# shellcheck shell=bash disable=SC2154 # variables of run and lib.sh
# Several nodes on PostgreSQL and Redis.

# as_postgres COMMAND…: PostgreSQL refuses to run as root
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}

# shared DIR: starts PostgreSQL on port 21432 and Redis on port 21379 in DIR, which is durable like a real one; sets $shared_pids
shared() {
    local dir=$1 bin
    bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -1)
    chmod 755 "$out" "$dir"
    install -d "$dir/postgres" "$dir/redis"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$dir/postgres"
    (cd "$dir" && as_postgres "$bin/initdb" -D "$dir/postgres" -U doorward -A trust --locale=C -E UTF8 >/dev/null)
    (cd "$dir" && as_postgres "$bin/postgres" -D "$dir/postgres" -h 127.0.0.1 -p 21432 -k "$dir/postgres" >"$dir/postgres.log" 2>&1) &
    until_holds "PostgreSQL" "$bin/pg_isready" -h 127.0.0.1 -p 21432
    local postgres
    postgres=$(head -1 "$dir/postgres/postmaster.pid")
    "$bin/createdb" -h 127.0.0.1 -p 21432 -U doorward doorward
    redis-server --bind 127.0.0.1 --port 21379 --dir "$dir/redis" --save "" --appendonly no >"$dir/redis.log" 2>&1 &
    local redis=$!
    until_holds "Redis" redis-cli -p 21379 ping
    pids+=("$postgres" "$redis")
    shared_pids=("$postgres" "$redis")
}

# A process with its children, as a list for --pid: PostgreSQL has one for each connection.
with_children() { { echo "$1"; pgrep -P "$1"; } | paste -sd,; }

# node DIR PORT CROWD-DIR REDIS-PORT LINES…: a node on PostgreSQL and Redis with the keys and clients of a demonstration; sets $daemon
node() {
    local dir=$1 port=$2 from=$3 redis=$4
    rm -rf "$dir"
    cp -r "$from" "$dir"
    rm -f "$dir"/doorward.db* "$dir/admin.sock"
    sed -e 's|^path = .*|url = "postgres://doorward@127.0.0.1:21432/doorward"|' \
        -e "s|^listen = .*|listen = [\"127.0.0.1:$port\"]|" "$from/doorward.toml" >"$dir/doorward.toml"
    { printf '\n[redis]\nurls = ["redis://127.0.0.1:%s"]\n' "$redis"; cat; } >>"$dir/doorward.toml"
    "$doorward" serve --config "$dir/doorward.toml" 2>"$dir/log.txt" &
    daemon=$!
    pids+=("$daemon")
    until_holds "the daemon in $dir" "$doorward" --socket "$dir/admin.sock" status
}

# a_crowd DIR PEOPLE: a demonstration's people with apps in DIR, and the same in PostgreSQL
a_crowd() {
    local dir=$1 count=$2
    "$doorward" demo --people "$count" --radius-port 21812 --log warn --dir "$dir/crowd" >"$dir/demo.txt" 2>&1 &
    daemon=$!
    until_holds "a crowd of $count" grep -q 'Ctrl-C ends it' "$dir/demo.txt"
    kill "$daemon"
    wait "$daemon" || true
    sed -e 's|^path = .*|url = "postgres://doorward@127.0.0.1:21432/doorward"|' "$dir/crowd/doorward.toml" >"$dir/crowd/target.toml"
    "$doorward" db copy --config "$dir/crowd/target.toml" --from "$dir/crowd/doorward.db"
}

# Calls of Doorward: each is one script, and so one round trip; what a script does inside Redis is none.
calls() { redis-cli -p 21379 info commandstats | awk -F'[:=,]' '/^cmdstat_eval/ {sum += $3} END {print sum + 0}'; }

nodes() {
    local dir=$out/nodes
    rm -rf "$dir"
    mkdir -p "$dir"
    step "a crowd of $crowd, in SQLite and, copied, in PostgreSQL"
    shared "$dir"
    a_crowd "$dir" "$crowd"
    "$doorward" serve --config "$dir/crowd/doorward.toml" 2>"$dir/crowd/log.txt" &
    local embedded=$!
    pids+=("$embedded")
    until_holds "the embedded daemon" "$doorward" --socket "$dir/crowd/admin.sock" status
    node "$dir/shared" 21813 "$dir/crowd" 21379 </dev/null
    local shared=$daemon postgres=${shared_pids[0]} redis=${shared_pids[1]}
    local users=$dir/crowd/people.csv secret=demo-radius-shared-secret

    local load=(pap --secret "$secret" --users "$users" --expect accept)
    # A passcode counts once, so each turn of a server begins with a new half minute.
    two_turns() {
        local otp=$1 round
        rm -f "$out/nodes-$otp"/*.json
        mkdir -p "$out/nodes-$otp"
        for round in $(seq "$rounds"); do
            new_step
            "$RADLOAD" "${load[@]}" --server 127.0.0.1:21812 --pid "$embedded" --otp "$otp" --inflight 64 --warmup 1 \
                --duration "$seconds" --json >"$out/nodes-$otp/A-$round.json"
            "$RADLOAD" "${load[@]}" --server 127.0.0.1:21813 --pid "$shared,$(with_children "$postgres"),$redis" --otp "$otp" \
                --inflight 64 --warmup 1 --duration "$seconds" --json >"$out/nodes-$otp/B-$round.json"
        done
        "$RADLOAD" summary --a "$out/nodes-$otp"/A-*.json --b "$out/nodes-$otp"/B-*.json
    }
    step "password + TOTP in one string: A = embedded (SQLite), B = PostgreSQL and Redis on this machine"
    two_turns append
    step "password, then TOTP in answer to a challenge: A and B as before"
    two_turns challenge

    step "round trips to Redis, from INFO commandstats"
    local before
    for otp in append challenge; do
        new_step
        before=$(calls)
        "$RADLOAD" "${load[@]}" --server 127.0.0.1:21813 --otp "$otp" --inflight 16 --count 1000 >/dev/null
        echo "1000 logins, --otp $otp: $(($(calls) - before)) round trips"
    done

    echo "RSS: embedded $(rss "$embedded"), node $(rss "$shared"), Redis $(rss "$redis")"
    ended
}

# What a slow Redis costs: logins on a node that reaches it directly, and on one to which each answer comes 5 ms later.
slow() {
    local dir=$out/slow users=$out/slow/crowd/people.csv secret=demo-radius-shared-secret port otp bare
    rm -rf "$dir"
    mkdir -p "$dir"
    step "Redis slowed by 5 ms: latency at 200 logins a second"
    shared "$dir"
    a_crowd "$dir" 20000 >/dev/null
    node "$dir/near" 21813 "$dir/crowd" 21379 </dev/null
    python3 tests/bench/slow-proxy.py 21380 21379 5 &
    pids+=("$!")
    until_holds "the slow way to Redis" redis-cli -p 21380 ping
    node "$dir/far" 21814 "$dir/crowd" 21380 </dev/null
    for port in 21379 21380; do
        for otp in append challenge; do
            new_step
            # What one bare round trip takes meanwhile.
            redis-benchmark -p "$port" -c 1 -n 300 -t get --csv >"$dir/bare.csv" 2>/dev/null &
            bare=$!
            "$RADLOAD" pap --secret "$secret" --users "$users" --expect accept --server "127.0.0.1:$((port + 434))" --otp "$otp" \
                --rate 200 --warmup 1 --duration "$seconds" --json >"$dir/report.json"
            wait "$bare" || true
            jq -r --arg bare "$(tail -1 "$dir/bare.csv" | cut -d, -f3,5,7 | tr -d '"')" --arg what "Redis on port $port, --otp $otp" \
                'def ms: . / 100 | round / 10; "\($what): a bare round trip (mean, p50, p99) \($bare) ms; login p50 \(.latency.p50_us | ms) ms, p99 \(.latency.p99_us | ms) ms; each request p50 \(.round_trip.p50_us | ms) ms, p99 \(.round_trip.p99_us | ms) ms"' \
                "$dir/report.json"
        done
    done
    ended
}

# Nothing grows without bound: logins of all kinds with everything kept for a short time only, and what there is of everything.
soak() {
    local dir=$out/soak
    rm -rf "$dir"
    mkdir -p "$dir"
    step "soak of $soak_seconds s: challenges answered, left open, and codes by text; everything kept for seconds only"
    shared "$dir"
    a_crowd "$dir" 5000
    node "$dir/node" 21813 "$dir/crowd" 21379 <<'TOML'
[retention]
audit = "10s"
messages = "10s"
interval = "2s"
TOML
    local node=$daemon users=$dir/crowd/people.csv secret=demo-radius-shared-secret
    local sql=(psql -h 127.0.0.1 -p 21432 -U doorward -At -F ' ' doorward -c)
    local end=$((SECONDS + soak_seconds)) turn=0
    "${sql[@]}" "UPDATE people SET phone = '+1520' || (2000000 + CAST(substr(username, 5) AS BIGINT)) WHERE username LIKE 'user%'" >/dev/null
    echo "audit once outbox counters | redis keys, MB | RSS of the node | database MB"
    while [ "$SECONDS" -lt "$end" ]; do
        "$RADLOAD" pap --server 127.0.0.1:21813 --secret "$secret" --users "$users" --otp challenge --rate 150 --duration 5 \
            --wait-for-fresh-users >/dev/null 2>&1 || true
        # Codes that nobody uses, each for somebody else.
        turn=$((turn + 1))
        tail -n "+$((turn * 100))" "$users" | head -100 |
            awk -F, '{printf "User-Name = %s, User-Password = \"%s,sms\", Message-Authenticator = 0x00\n\n", $1, $2}' |
            radclient -p 20 127.0.0.1:21813 auth "$secret" >/dev/null 2>&1 || true
        # Challenges that nobody answers.
        "$RADLOAD" pap --server 127.0.0.1:21813 --secret "$secret" --users "$users" --rate 100 --duration 5 >/dev/null 2>&1 || true
        echo "$("${sql[@]}" 'SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM once), (SELECT count(*) FROM outbox), (SELECT count(*) FROM counters)') | $(redis-cli -p 21379 dbsize) $(redis-cli -p 21379 info memory | awk -F: '/^used_memory:/ {printf "%.1f", $2 / 1e6}') | $(rss "$node") | $("${sql[@]}" "SELECT pg_database_size('doorward') / 1000000")"
    done
    echo "texts that left: $(grep -c '^+1520' "$dir/node/messages.txt")"
    "$doorward" --socket "$dir/node/admin.sock" audit verify
    ended
}
