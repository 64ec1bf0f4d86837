# shellcheck shell=bash disable=SC2154,SC2034 # variables of run and lib.sh
# The portal: 200 pages a second, of somebody who has signed in and of somebody who has not. No password is looked at.

portal() {
    results_of portal
    local dir=$out/portal round
    for round in $(seq "$rounds"); do
        rm -rf "$dir"
        mkdir -p "$dir"
        "$doorward" demo --dir "$dir" --radius-port 0 --portal-port 0 --api-port 0 --log warn >/dev/null &
        pids+=($!)
        until_holds "the demonstration" test -s "$dir/demo.env"
        "$root/tests/bench/pages.py" "$dir" 200 20 | tee "$results/pages-$round.json"
        ended
    done
}
