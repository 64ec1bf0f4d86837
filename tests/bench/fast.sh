# shellcheck shell=bash disable=SC2154 # variables of run and lib.sh
# Logins as fast as they go, beside FreeRADIUS with its people in a file, and beside a server that accepts everyone.

fast() {
    prepared
    results_of fast
    step "the same people here: 10,000 with passwords, 200,000 with passcode apps"
    people_in "$out/fast-pap" "$base/users10k.csv"
    people_in "$out/fast-totp" "$base/users200k.csv"
    echo_on 21899
    side C 127.0.0.1:21899 "$echo"

    freeradius_as files-t2 21852
    side A 127.0.0.1:21852 "$peer"
    served_in "$out/fast-pap" 22815 password "$warm_cache"
    side B 127.0.0.1:22815 "$daemon"
    warmed 22815 "$base/users10k.csv" >/dev/null
    local load=(--users "$base/users10k.csv" --warmup 1 --duration "$seconds")
    step "password, cache warm: A = FreeRADIUS, B = Doorward, C = echo"
    turns pap "A B C" pap "${load[@]}" --inflight 64
    step "the same, open loop with 5,000 a second"
    turns open "A B C" pap "${load[@]}" --rate 5000
    step "Status-Server"
    turns status "A B C" status --inflight 64 --warmup 1 --duration "$seconds"
    end "$peer" "$daemon"

    freeradius_as totp 21817
    side A 127.0.0.1:21817 "$peer"
    served_in "$out/fast-totp" 22816 password+passcode "$warm_cache"
    side B 127.0.0.1:22816 "$daemon"
    warmed 22816 "$base/users200k.csv" >/dev/null
    # As many seconds as there are people for: 200,000 in each half minute.
    load=(--users "$base/users200k.csv" --inflight 64 --warmup 0.5 --duration 3)
    step "password + TOTP in one string"
    turns totp "A B C" pap "${load[@]}" --otp append
    step "password, then TOTP in answer to a challenge"
    turns challenge B pap "${load[@]}" --otp challenge
    ended
    shown fast
}
