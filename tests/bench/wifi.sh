# shellcheck shell=bash disable=SC2154,SC2034 # variables of run and lib.sh
# Wi-Fi: EAP-TTLS with PAP, whole handshakes and resumed ones, beside FreeRADIUS with the same certificates; resumed ones with a core for
# the server and another for the client, too; and 10,000 conversations that are open at once.

# eap_served CERTIFICATE: Doorward with one of FreeRADIUS's certificates; everyone's password is remembered
eap_served() {
    served_in "$out/wifi" 22817 password "$warm_cache
[eap]
certificate_file = \"$1.pem\"
private_key_file = \"$1.key\"
max_conversations = 20000"
    warmed 22817 "$base/users10k.csv" >/dev/null
    side B 127.0.0.1:22817 "$daemon"
}

# eap_peer NAME PORT: FreeRADIUS, which keeps sessions in files; sets $peer
eap_peer() {
    find "$base/$1/tlscache" -type f -delete
    freeradius_as "$1" "$2"
}

# resumed NAME: each of 300 people again and again, by TLS 1.2 and by 1.3 (whose sides are A3 and B3) in the same turns
resumed() {
    eap_served ec
    side B3 127.0.0.1:22817 "$daemon" "--tls 1.3"
    side B 127.0.0.1:22817 "$daemon" "--tls 1.2"
    eap_peer ttls-12-ec-cache 21842
    side A 127.0.0.1:21842 "$peer" "--tls 1.2"
    eap_peer ttls-13-ec-cache 21844
    side A3 127.0.0.1:21844 "$peer" "--tls 1.3"
    turns "$1" "A B A3 B3" ttls --users "$base/users10k.csv" --inflight 16 --max-users 300 --resume --warmup 2 --duration "$seconds"
    ended
}

# half_open SIDE VERSION: KiB for each of 10,000 conversations after the server's hello
half_open() {
    local before after pid=${watched[$1]}
    before=$(rss_kib "$pid")
    python3 tests/bench/half_open.py "${address[$1]}" testing123 "1.$2" 10000
    after=$(rss_kib "$pid")
    fact "$1.1$2.each_kib" "$(jq -n "($after - $before) / 10000")"
    fact "$1.1$2.rss_kib" "$after"
}

wifi() {
    prepared
    results_of wifi
    people_in "$out/wifi" "$base/users10k.csv"
    local certificate version port load=(--users "$base/users10k.csv" --inflight 16)
    for certificate in ec rsa; do
        install -m 600 "$base/$certificate.pem" "$base/$certificate.key" "$out/wifi"
        for version in 2 3; do
            port=$((21827 + 2 * version))
            [ "$certificate" = rsa ] || port=$((port + 1))
            eap_served "$certificate"
            eap_peer "ttls-1$version-$certificate" "$port"
            side A "127.0.0.1:$port" "$peer"
            step "TTLS/PAP, whole handshakes, TLS 1.$version, $certificate: A = FreeRADIUS, B = Doorward"
            turns "full-1$version-$certificate" "A B" ttls "${load[@]}" --tls "1.$version" --warmup 1 --duration "$seconds"
            if [ "$certificate" = ec ]; then
                step "10,000 conversations open at once"
                half_open A "$version"
                half_open B "$version"
            fi
            ended
        done
    done
    step "resumed"
    resumed resumed
    if [ "$(nproc)" -ge 2 ]; then
        # The client has one thread, and that is the limit where it shares its core: so once more with a core for each.
        step "resumed, one core for the server and one for the client"
        server_on=(taskset -c 0) client_on=(taskset -c 1)
        resumed apart
        server_on=() client_on=()
    fi
    shown wifi
}
