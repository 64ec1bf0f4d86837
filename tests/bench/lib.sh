# shellcheck shell=bash disable=SC2154,SC2034 # variables of run, and those that the other files use
# What all cases share: servers and their ends, turns, results.

step() { printf '\n== %s\n' "$*"; }

# Words before the commands that serve and that load, such as `taskset -c 0`.
server_on=() client_on=()

pids=()
ended() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    pids=()
}
trap ended EXIT

# end PID…: ends some of them
end() {
    local pid left=()
    kill "$@"
    wait "$@" 2>/dev/null || true
    for pid in "${pids[@]}"; do [[ " $* " == *" $pid "* ]] || left+=("$pid"); done
    pids=("${left[@]}")
}

# until DESCRIPTION COMMAND…: waits for something to hold, two minutes at most
until_holds() {
    local description=$1
    shift
    for _ in $(seq 1200); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "waited too long: $description" >&2
    exit 1
}

rss() { awk '/^VmRSS/ {printf "%.0f MiB", $2 / 1024}' "/proc/$1/status"; }
rss_kib() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }

# Waits for the next code of every app.
new_step() { sleep "$((30 - $(date +%s) % 30))"; }

# Milliseconds since $1, which was EPOCHREALTIME.
ms_since() { echo "$(((${EPOCHREALTIME/./} - ${1/./}) / 1000))"; }

answers() {
    "$RADLOAD" status --server "$1" --secret testing123 --count 1 --inflight 1 --irt 0.2 --mrc 0 --expect accept
}

# FreeRADIUS in its configurations and the files of people, in $base. Its files name the folder, so one that was moved is
# made again.
prepared() {
    base=$out/freeradius
    if ! grep -qs "^raddbdir = $base/totp\$" "$base/totp/radiusd.conf" || [ ! -e "$base/prepared" ]; then
        step "preparing FreeRADIUS and slapd"
        rm -rf "$base"
        "$radload_dir/baseline/freeradius-setup.sh" "$base" >/dev/null
        touch "$base/prepared"
    fi
}

# freeradius_as NAME PORT: one of its configurations; sets $peer
freeradius_as() {
    "${server_on[@]}" freeradius -f -d "$base/$1" -l "$base/$1/radius.log" &
    peer=$!
    pids+=("$peer")
    until_holds "FreeRADIUS" answers "127.0.0.1:$2"
}

# echo_on PORT: the server that accepts everyone; sets $echo
echo_on() {
    "$RADLOAD" echo --listen "127.0.0.1:$1" --secret testing123 &
    echo=$!
    pids+=("$echo")
    until_holds "the echo" answers "127.0.0.1:$1"
}

# people_in DIR FILE: a store with the people of FILE (user,password[,totp]), their passwords hashed lightly; sets $took_ms
people_in() {
    local dir=$1 begun=$EPOCHREALTIME demo
    rm -rf "$dir"
    mkdir -p "$dir"
    "$doorward" demo --people-file "$2" --radius-port 21811 --log warn --dir "$dir" >"$dir.txt" 2>&1 &
    demo=$!
    pids+=("$demo")
    until grep -qs 'Ctrl-C ends it' "$dir.txt"; do
        kill -0 "$demo" 2>/dev/null || { cat "$dir.txt" >&2 && exit 1; }
        sleep 0.1
    done
    took_ms=$(ms_since "$begun")
    end "$demo"
}

# Hashes as people_in makes them, and everyone is remembered.
warm_cache='[password]
memory = "64KiB"
passes = 1
cache = "1h"
cache_entries = 2000000'

# served_in DIR PORT LOGIN LINES…: a daemon on the store in DIR. 127.0.0.1 logs in by LOGIN, ::1 by password, which warms the
# cache; sets $daemon and $took_ms.
served_in() {
    local dir=$1 port=$2 login=$3 begun
    cat >"$dir/doorward.toml" <<TOML
[store]
path = "doorward.db"
[keys]
files = ["keys/demo.key"]
[radius]
listen = ["127.0.0.1:$port", "[::1]:$port"]
[admin]
socket = "admin.sock"
[log]
filter = "warn"
[[client]]
name = "bench"
networks = ["127.0.0.1"]
secret = "testing123"
login = "$login"
[[client]]
name = "warm-up"
networks = ["::1"]
secret = "testing123"
login = "password"
${4-}
TOML
    begun=$EPOCHREALTIME
    "${server_on[@]}" "$doorward" serve --config "$dir/doorward.toml" 2>"$dir/log.txt" &
    daemon=$!
    pids+=("$daemon")
    until_holds "the daemon in $dir" answers "127.0.0.1:$port"
    took_ms=$(ms_since "$begun")
}

# warmed PORT USERS: everyone logs in once with the password alone; the report goes to standard output
warmed() {
    "$RADLOAD" pap --server "[::1]:$1" --secret testing123 --users "$2" --inflight 64 --count "$(wc -l <"$2")" \
        --expect accept --json
}

# results_of CASE: begins the results of a case; sets $results
results_of() {
    results=$out/results/$1
    rm -rf "$results"
    mkdir -p "$results"
    local commit
    commit=$(git describe --always --tags --abbrev=12)
    git diff --quiet HEAD -- src Cargo.toml Cargo.lock || commit+=" with changes"
    jq -n --arg commit "$commit" --arg date "$(date -u +%F)" --arg kernel "$(uname -r)" --argjson cpus "$(nproc)" \
        --arg cpu "$(awk -F': ' '/^model name/ {print $2; exit}' /proc/cpuinfo)" \
        --arg freeradius "$(freeradius -v | sed -n '1s/.*Version \([0-9.]*\).*/\1/p')" \
        --argjson rounds "$rounds" --argjson seconds "$seconds" '$ARGS.named' >"$results/run.json"
}

# fact NAME JSON: one more figure of a case
fact() {
    [ -e "$results/facts.json" ] || echo '{}' >"$results/facts.json"
    jq --arg name "$1" --argjson value "$2" '.[$name] = $value' "$results/facts.json" >"$results/facts.new"
    mv "$results/facts.new" "$results/facts.json"
}

# side NAME HOST:PORT PID[,PID] [RADLOAD-ARGUMENTS]: who takes turns: A is FreeRADIUS, B Doorward, C the echo
declare -A address watched also
side() { address[$1]=$2 watched[$1]=$3 also[$1]=${4-}; }

# turns NAME SIDES RADLOAD-ARGUMENTS…: as compare.sh does it, A, B, A, B …; reports in $results/NAME. With codes every round
# begins with a new half minute, because each counts once.
turns() {
    local name=$1 sides=$2 round who file
    shift 2
    mkdir -p "$results/$name"
    for round in $(seq "$rounds"); do
        [[ " $* " != *" --otp "* ]] || new_step
        for who in $sides; do
            file=$results/$name/$who-$round
            # shellcheck disable=SC2086 # several arguments
            "${client_on[@]}" "$RADLOAD" "$1" ${also[$who]} --server "${address[$who]}" --secret testing123 --pid "${watched[$who]}" --expect accept --json \
                "${@:2}" >"$file.json" 2>"$file.err" || { cat "$file.err" >&2 && exit 1; }
        done
    done
}

# shown CASE: its table, on the terminal
shown() { python3 tests/bench/tables.py show "$1"; }

# Writes the tables into the document.
tables() { python3 tests/bench/tables.py write; }
