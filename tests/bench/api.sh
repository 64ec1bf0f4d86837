# shellcheck shell=bash disable=SC2154,SC2034 # variables of run and lib.sh
# Applications: passcodes checked over HTTP with connections that stay open, at full load and at half of it, beside privacyIDEA.

api() {
    results_of api
    local dir=$out/api round full
    for round in $(seq "$rounds"); do
        privacyidea_turn
        rm -rf "$dir"
        mkdir -p "$dir"
        "$doorward" demo --dir "$dir" --people 40000 --radius-port 0 --portal-port 0 --api-port 0 --log warn >/dev/null &
        pids+=($!)
        until_holds "the demonstration" test -s "$dir/demo.env"
        new_step
        split -n l/2 --additional-suffix=.csv "$dir/people.csv" "$dir/part-"
        cp "$dir/part-aa.csv" "$dir/people.csv"
        "$root/tests/bench/check.py" "$dir" 16 | tee "$results/full-$round.json"
        full=$(jq .per_second "$results/full-$round.json")
        cp "$dir/part-ab.csv" "$dir/people.csv"
        "$root/tests/bench/check.py" "$dir" 16 $((full / 2)) | tee "$results/half-$round.json"
        ended
    done
}

# privacyIDEA as its manual serves it without Apache: gunicorn, two workers for each core, connections that stay open; SQLite.
privacyidea_turn() {
    local home=$root/target/privacyidea/bin dir=$out/privacyidea
    [ -x "$home/gunicorn" ] || "$home/python" -m pip install -q gunicorn==23.0.0
    rm -rf "$dir"
    mkdir -p "$dir"
    cat >"$dir/pi.cfg" <<CONFIGURATION
SUPERUSER_REALM = ['super']
SQLALCHEMY_DATABASE_URI = 'sqlite:///$dir/pi.sqlite'
SECRET_KEY = 'of this bench alone, and of more than thirty-two octets'
PI_PEPPER = 'pepper'
PI_ENCFILE = '$dir/enckey'
PI_AUDIT_KEY_PRIVATE = '$dir/private.pem'
PI_AUDIT_KEY_PUBLIC = '$dir/public.pem'
PI_LOGFILE = '$dir/pi.log'
PI_LOGLEVEL = 40
CONFIGURATION
    export PRIVACYIDEA_CONFIGFILE=$dir/pi.cfg
    "$home/pi-manage" setup create_enckey >/dev/null 2>&1
    "$home/pi-manage" setup create_audit_keys >/dev/null 2>&1
    "$home/pi-manage" setup create_tables >/dev/null 2>&1
    "$home/pi-manage" admin add -p of-this-bench admin >/dev/null 2>&1
    "$home/gunicorn" -w "$(($(nproc) * 2))" -k gthread --threads 2 --keep-alive 60 -b 127.0.0.1:5055 --log-level error \
        "privacyidea.app:create_app('production', config_file='$dir/pi.cfg', silent=True)" &
    pids+=($!)
    until_holds "privacyIDEA" curl -fs -o /dev/null http://127.0.0.1:5055/
    "$root/tests/bench/privacyidea.py" "$dir" http://127.0.0.1:5055 200
    new_step
    "$root/tests/bench/check.py" "$dir" 4 | tee "$results/privacyidea-$round.json"
    ended
}
