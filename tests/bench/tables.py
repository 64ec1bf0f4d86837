#!/usr/bin/env python3
"""The tables of docs/performance.md, from what tests/bench/run left in tests/bench/out/results.

tables.py show CASE    prints the table of a case
tables.py write        puts the table of every case that has results between its marks in the document
"""
import json
import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests/bench/out/results"
DOCUMENT = ROOT / "docs/performance.md"


def read(path):
    return json.loads(path.read_text())


class Case:
    """The results of a case: reports by turn, and facts."""

    def __init__(self, name):
        self.dir = RESULTS / name
        self.run = read(self.dir / "run.json")
        facts = self.dir / "facts.json"
        self.facts = read(facts) if facts.exists() else {}

    def reports(self, turns, side):
        return [read(path) for path in sorted((self.dir / turns).glob(f"{side}-*.json"))]

    def median(self, turns, side, value):
        values = [value(report) for report in self.reports(turns, side)]
        return statistics.median(values) if values else None

    def origin(self):
        run = self.run
        other = [report["usage"]["machine"]["other"] for path in self.dir.glob("*/*.json")
                 if "usage" in (report := read(path))]
        busy = f" Other programs and the kernel's own work took {max(other):.2f} cores at most." if other else ""
        return (f"Commit {run['commit']}, {run['date']}; Linux {run['kernel']}, {run['cpus']} CPUs ({run['cpu']}), "
                f"FreeRADIUS {run['freeradius']}; medians of {run['rounds']} turns each.{busy}")


def rate(report):
    return report["per_second"]


def cpu(report):
    return report["server_cpu_us"]


def rss(report):
    return sum(process["rss_kib"] for process in report["usage"]["processes"]) / 1024


def client(report):
    return report["usage"]["machine"]["client"]


def latency(percent):
    return lambda report: report["latency"][f"p{percent}_us"] / 1000


def table(*rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def shown(value, form):
    return "–" if value is None else form.format(value)


def compared(case, turns, what, value, form, sides="ABC"):
    """A row: FreeRADIUS, Doorward, their ratio, the echo if there is one."""
    peer, ours, echo = (case.median(turns, side, value) for side in [*sides, None][:3])
    ratio = f"{ours / peer:.2f}" if peer and ours else "–"
    return (what, shown(peer, form), shown(ours, form), ratio, shown(echo, form))


def fast(case):
    rows = [("", "FreeRADIUS", "Doorward", "ratio", "echo")]
    kinds = [("pap", "password, cache warm", "logins"), ("totp", "password + TOTP in one string", "logins"),
             ("challenge", "password, then TOTP in answer to a challenge", "logins"),
             ("status", "Status-Server", "answers")]
    for turns, name, unit in kinds:
        rows.append(compared(case, turns, f"**{name}**: {unit}/s", rate, "{:,.0f}"))
        rows.append(compared(case, turns, "… server CPU for each", cpu, "{:.1f} µs"))
        rows.append(compared(case, turns, "… RSS", rss, "{:.0f} MiB"))
    rows.append(compared(case, "open", "**5,000 logins/s, password, cache warm**: p50", latency(50), "{:.2f} ms"))
    rows.append(compared(case, "open", "… p99", latency(99), "{:.2f} ms"))
    rows.append(compared(case, "open", "… server CPU for each", cpu, "{:.1f} µs"))
    return table(*rows)


def crowds(case):
    counts = sorted({int(name.split(".")[0]) for name in case.facts})

    def row(what, value):
        return (what, *(value(count) for count in counts))

    def fact(name, form, scale=1):
        return lambda count: form.format(case.facts[f"{count}.{name}"] / scale)

    def median(turns, value, form):
        return lambda count: form.format(case.median(f"{turns}-{count}", "B", value))

    return table(
        ("people", *(f"{count:,}" for count in counts)),
        row("made by `doorward demo` in", fact("made_ms", "{:.0f} s", 1000)),
        row("database file", fact("store_kib", "{:,.0f} MiB", 1024)),
        row("from the start to the first answer", fact("start_ms", "{:.0f} ms")),
        row("RSS then", fact("start_rss_kib", "{:.0f} MiB", 1024)),
        row("everyone's first login, light hashes: logins/s", fact("first_per_second", "{:,.0f}")),
        row("RSS when everyone is remembered", fact("warm_rss_kib", "{:,.0f} MiB", 1024)),
        row("password, cache warm: logins/s", median("pap", rate, "{:,.0f}")),
        row("… server CPU for each", median("pap", cpu, "{:.1f} µs")),
        row("password + TOTP in one string: logins/s", median("totp", rate, "{:,.0f}")),
        row("… server CPU for each", median("totp", cpu, "{:.1f} µs")),
        row("RSS at the end", fact("end_rss_kib", "{:,.0f} MiB", 1024)),
    )


def argon2(case):
    bares = [read(path) for path in case.dir.glob("bare-*.json")]
    bare = statistics.median(report["per_second"] for report in bares)
    bare_cpu = statistics.median(report["cpu_us"] for report in bares) / 1000
    reports = [read(path) for path in case.dir.glob("logins-*/B-*.json")]
    logins = statistics.median(rate(report) for report in reports)
    logins_cpu = statistics.median(cpu(report) for report in reports) / 1000
    client = statistics.median(report["usage"]["machine"]["client"] for report in reports)
    server = statistics.median(report["usage"]["machine"]["server"] for report in reports)
    return table(
        ("Argon2id, 19 MiB, 2 passes, on all cores", "a second", "CPU for each"),
        ("the bare function", f"{bare:.1f}", f"{bare_cpu:.1f} ms"),
        ("logins, no cache", f"{logins:.1f} ({logins / bare:.1%})", f"{logins_cpu:.1f} ms ({logins_cpu / bare_cpu:.1%})"),
        ("… cores used by Doorward / by the client", f"{server:.2f} / {client:.2f}", ""),
    )


def overload(case):
    names = [("warm", "password, cache warm"), ("argon2", "Argon2 for each")]
    names = [(name, title) for name, title in names if f"{name}.peak" in case.facts]

    def row(what, value):
        return (what, *(value(name) for name, _ in names))

    def load(name):
        return read(case.dir / f"{name}.json")

    def status(name):
        return read(case.dir / f"{name}-status.json")

    def memory(name):
        rss = case.facts[f"{name}.rss_kib"]
        return " / ".join(f"{rss[at] / 1024:.0f}" for at in (min(2, len(rss) - 1), len(rss) // 2, -1)) + " MiB"

    def goodput(name):
        good = load(name)["accepts_per_second"]
        return f"{good:,.0f} ({good / case.facts[f'{name}.peak']:.0%})"

    def spread(report):
        latency = report["latency"]
        return f"{latency['p50_us'] / 1000:.1f} / {latency['p99_us'] / 1000:.1f} / {latency['max_us'] / 1000:.1f} ms"

    return table(
        (f"{case.facts['seconds']} s at twice the peak", *(title for _, title in names)),
        row("peak: logins/s", lambda name: f"{case.facts[f'{name}.peak']:,} ({case.facts[f'{name}.inflight']} in flight)"),
        row("logins/s that get their answer in time (of the peak)", goodput),
        row("… their p50 / p99 / max", lambda name: spread(load(name))),
        row("wrong answers", lambda name: f"{load(name)['counts']['reject'] + load(name)['counts']['bad']:,}"),
        row("Status-Server meanwhile: p50 / p99 / max", lambda name: spread(status(name))),
        row("… without an answer", lambda name: f"{status(name)['counts']['timeout']:,} of "
            f"{sum(status(name)['counts'].values()):,}"),
        row("RSS at the begin / in the middle / at the end", memory),
        row("the first login afterwards", lambda name: f"{case.facts[f'{name}.after_ms']} ms"),
    )


def wifi(case):
    rows = [("", "FreeRADIUS", "Doorward", "ratio")]

    def add(turns, name, sides="AB"):
        rows.append(compared(case, turns, f"**{name}**: logins/s", rate, "{:,.0f}", sides)[:4])
        rows.append(compared(case, turns, "… server CPU for each", cpu, "{:.0f} µs", sides)[:4])

    for certificate, name in [("ec", "P-256"), ("rsa", "RSA, 2,048 bits")]:
        for version in (2, 3):
            add(f"full-1{version}-{certificate}", f"whole handshakes, TLS 1.{version}, {name}")
    for turns, name in (("resumed", "resumed"), ("apart", "resumed, one core for the server and one for the client")):
        if not (case.dir / turns).exists():
            continue
        best = max(case.median(turns, side, rate) or 0 for side in ("A", "A3"))
        for version, sides in (("1.2", ("A", "B")), ("1.3", ("A3", "B3"))):
            add(turns, f"{name}, TLS {version}, P-256", sides)
            ours = case.median(turns, sides[1], rate)
            if ours and best:
                rows.append(("… beside FreeRADIUS's best, by either version", f"{best:,.0f}", f"{ours:,.0f}", f"{ours / best:.2f}"))
            rows.append(compared(case, turns, "… resumed of all after the first 300", again, "{:.0%}", sides)[:4])
            rows.append(compared(case, turns, "… cores of the client, which has one thread", client, "{:.2f}", sides)[:3] + ("",))
    for version in (2, 3):
        each = [case.facts[f"{side}.1{version}.each_kib"] for side in "AB"]
        rows.append((f"**10,000 conversations open, TLS 1.{version}**: RSS for each", *(f"{kib:.1f} KiB" for kib in each),
                     f"{each[1] / each[0]:.2f}"))
    return table(*rows)


def again(report):
    """Of the logins that could be resumed, how many were: each of the 300 people has a first one."""
    full, resumed = report["extra"]["full"], report["extra"]["resumed"]
    return resumed / (full + resumed - 300)


CASES = {"fast": fast, "crowds": crowds, "argon2": argon2, "overload": overload, "wifi": wifi}


def rendered(name):
    case = Case(name)
    return f"{CASES[name](case)}\n\n{case.origin()}\n"


def write():
    text = DOCUMENT.read_text()
    for name in CASES:
        if not (RESULTS / name / "run.json").exists():
            continue
        marks = re.compile(f"(<!-- {name}: .*? -->\n).*?(<!-- /{name} -->)", re.S)
        text, found = marks.subn(lambda match: f"{match[1]}\n{rendered(name)}\n{match[2]}", text)
        if not found:
            sys.exit(f"{DOCUMENT} has no marks of {name}")
    DOCUMENT.write_text(text)


if sys.argv[1:] == ["write"]:
    write()
elif len(sys.argv) == 3 and sys.argv[1] == "show" and sys.argv[2] in CASES:
    print(rendered(sys.argv[2]))
else:
    sys.exit(__doc__)
