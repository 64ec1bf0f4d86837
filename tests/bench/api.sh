# shellcheck shell=bash disable=SC2154,SC2034 # variables of run and lib.sh
# Applications: passcodes checked over HTTP with connections that stay open, at full load and at half of it.

api() {
    results_of api
    local dir=$out/api round full
    for round in $(seq "$rounds"); do
        rm -rf "$dir"
        mkdir -p "$dir"
        "$doorward" demo --dir "$dir" --people 20000 --radius-port 0 --portal-port 0 --api-port 0 --log warn >/dev/null &
        pids+=($!)
        until_holds "the demonstration" test -s "$dir/demo.env"
        new_step
        head -10000 "$dir/people.csv" >"$dir/first.csv"
        tail -10000 "$dir/people.csv" >"$dir/second.csv"
        cp "$dir/first.csv" "$dir/people.csv"
        "$root/tests/bench/check.py" "$dir" 16 | tee "$results/full-$round.json"
        full=$(jq .per_second "$results/full-$round.json")
        cp "$dir/second.csv" "$dir/people.csv"
        "$root/tests/bench/check.py" "$dir" 16 $((full / 2)) | tee "$results/half-$round.json"
        ended
    done
}
