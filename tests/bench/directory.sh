# shellcheck shell=bash disable=SC2154 # variables of run and lib.sh
# Logins against a directory, and following one.

# doorward_in DIR PORT LINES…: a daemon in DIR, its directory settings on standard input; sets $daemon
doorward_in() {
    local dir=$1 port=$2
    rm -rf "$dir"
    mkdir -p "$dir"
    (umask 077; head -c 32 /dev/urandom | base64 >"$dir/k1.key")
    (umask 077; cat >"$dir/doorward.toml" <<TOML
[store]
path = "doorward.db"
[keys]
files = ["k1.key"]
[radius]
listen = ["127.0.0.1:$port"]
[admin]
socket = "admin.sock"
[log]
filter = "warn"
[[client]]
name = "bench"
networks = ["127.0.0.1"]
secret = "testing123"
login = "password"
$(cat)
TOML
    )
    "$doorward" serve --config "$dir/doorward.toml" 2>"$dir/log.txt" &
    daemon=$!
    pids+=("$daemon")
    until_holds "the daemon in $dir" "$doorward" --socket "$dir/admin.sock" status
    # Its exit status says whether all directories are followed.
    local begun=${EPOCHREALTIME/./}
    until_holds "the directory is followed" "$doorward" --socket "$dir/admin.sock" sync status
    took_ms=$(((${EPOCHREALTIME/./} - begun) / 1000))
}

directory() {
    cat <<TOML
[[directory]]
name = "bench"
servers = ["ldap://127.0.0.1:$1"]
start_tls = false
bind_dn = "cn=admin,dc=example,dc=org"
secret = "admin"
base = "dc=example,dc=org"
connections = ${CONNECTIONS:-16}
poll_interval = "10s"
$2
TOML
}

logins() {
    prepared
    local slapd=(slapd -f "$base/slapd.conf" -h ldap://127.0.0.1:21389)
    "${slapd[@]}" -d 0 &
    local directory_pid=$!
    pids+=("$directory_pid")
    until_holds "slapd" ldapwhoami -x -H ldap://127.0.0.1:21389 -D cn=admin,dc=example,dc=org -w admin
    freeradius_as ldap-bind 21818
    doorward_in "$out/cold" 22812 < <(directory 21389 "")
    local cold=$daemon
    doorward_in "$out/warm" 22813 < <(directory 21389 'cache = "1h"')
    local warm=$daemon
    local load=(pap --secret testing123 --users "$base/users10k.csv" --inflight 64 --warmup 2 --duration "$seconds"
        --expect accept)

    step "login by bind: A = FreeRADIUS rlm_ldap (searches and binds), B = Doorward (binds); slapd's CPU counts for both"
    "$radload_dir/compare.sh" -n "$rounds" -o "$out/bind" -A 127.0.0.1:21818 -a "$peer,$directory_pid" \
        -B 127.0.0.1:22812 -b "$cold,$directory_pid" -- "${load[@]}"

    step "password cache warm: A = FreeRADIUS rlm_ldap, B = Doorward without LDAP"
    "$RADLOAD" pap --server 127.0.0.1:22813 --secret testing123 --users "$base/users10k.csv" --inflight 64 \
        --duration 3 --expect accept >/dev/null
    "$radload_dir/compare.sh" -n "$rounds" -o "$out/warm-cache" -A 127.0.0.1:21818 -a "$peer,$directory_pid" \
        -B 127.0.0.1:22813 -b "$warm" -- "${load[@]}"
    echo "RSS: $(rss "$cold") without, $(rss "$warm") with the cache"

    step "echo ceiling"
    echo_on 21899
    "$RADLOAD" pap --server 127.0.0.1:21899 --secret testing123 --users "$base/users10k.csv" --inflight 64 --warmup 1 \
        --duration "$seconds" --pid "$echo" --json |
        jq -r '"\(.per_second | round) exchanges/s, \(.server_cpu_us * 100 | round / 100) µs of server CPU"'

    step "LDAP operations per login, from slapd's own log"
    end "$directory_pid"
    "${slapd[@]}" -d stats 2>"$out/slapd.log" &
    directory_pid=$!
    pids+=("$directory_pid")
    until_holds "slapd" ldapwhoami -x -H ldap://127.0.0.1:21389 -D cn=admin,dc=example,dc=org -w admin
    until_holds "the directory is followed" "$doorward" --socket "$out/cold/admin.sock" sync status
    local before after accepted
    count() { grep -cE " (SRCH base|BIND dn)=.*uid=" "$out/slapd.log" || true; }
    sleep 1
    before=$(count)
    accepted=$("$RADLOAD" pap --server 127.0.0.1:22812 --secret testing123 --users "$base/users10k.csv" --inflight 16 \
        --count 2000 --expect accept --json | jq .counts.accept)
    sleep 1
    after=$(count)
    # Each successful simple bind is two lines: the request, and the identity that came of it.
    echo "$accepted logins: $(((after - before) / 2)) binds, $(grep -c 'SRCH.*uid=user' "$out/slapd.log" || true) searches for a person"
    ended
}

sync() {
    local dir=$out/sync
    rm -rf "$dir"
    mkdir -p "$dir/db"
    step "sync of $people people from slapd with syncprov"
    cat >"$dir/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb.la
moduleload syncprov.la
pidfile $dir/slapd.pid
database mdb
suffix dc=example,dc=org
rootdn cn=admin,dc=example,dc=org
rootpw admin
directory $dir/db
maxsize 4294967296
sizelimit unlimited
index uid,entryUUID,entryCSN,objectClass eq
overlay syncprov
syncprov-sessionlog 1000
CONF
    {
        printf 'dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n\n'
        seq "$people" | awk '{printf "dn: uid=person%d,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: person%d\ncn: Person %d\nsn: Person\nmail: person%d@example.org\nmobile: +41 79 %d\nuserPassword: password-%d\n\n", $1, $1, $1, $1, $1, $1}'
    } | slapadd -q -S 1 -w -f "$dir/slapd.conf"
    slapd -d 0 -f "$dir/slapd.conf" -h ldap://127.0.0.1:21390 &
    pids+=("$!")
    # shellcheck disable=SC2054 # the commas belong to a name
    local bind=(-x -H ldap://127.0.0.1:21390 -D cn=admin,dc=example,dc=org -w admin)
    until_holds "slapd" ldapwhoami "${bind[@]}"
    doorward_in "$dir/doorward" 22814 < <(directory 21390 "")
    echo "first load: $((took_ms / 1000)).$((took_ms / 100 % 10)) s, RSS $(rss "$daemon")"
    "$doorward" --socket "$dir/doorward/admin.sock" sync status
    local begun=${EPOCHREALTIME/./}
    "$doorward" --socket "$dir/doorward/admin.sock" sync --once
    echo "everything read again: $(((${EPOCHREALTIME/./} - begun) / 1000)) ms, RSS $(rss "$daemon")"

    step "from ldapadd to Access-Accept, from ldapmodify and ldapdelete to Access-Reject"
    # shellcheck disable=SC2317 # called by until_holds
    login() {
        local answer
        # A refusal is an error to radclient, and an answer to us.
        answer=$(echo "User-Name = $1, User-Password = $2, Message-Authenticator = 0x00" |
            radclient -x -r 1 -t 3 127.0.0.1:22814 auth testing123 2>&1) || true
        [[ $answer == *"Received $3"* ]]
    }
    radius() { until_holds "$1 is $3" login "$1" "$2" "$3"; }
    since() { echo "$1 after $(((${EPOCHREALTIME/./} - begun) / 1000)) ms"; }
    begun=${EPOCHREALTIME/./}
    printf 'dn: uid=new,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\nuserPassword: first-one\n' |
        ldapadd "${bind[@]}" >/dev/null
    radius new first-one Access-Accept
    since "a new person logs in"
    begun=${EPOCHREALTIME/./}
    ldapdelete "${bind[@]}" uid=new,dc=example,dc=org
    radius new first-one Access-Reject
    since "a deleted person does not (a refusal waits for a second by itself)"
    ended
}
