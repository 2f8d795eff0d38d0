"""The preview of a segment beside DuckDB on the same Parquet files.

    cargo build --release -p signalpost
    cargo run --release -p signalpost --example backfill -- 1000000 FOLDER
    python3 preview.py FOLDER ../../target/release/signalpost

Starts the server on the data folder, asks for the preview of segments again and
again, stops it, and asks DuckDB (`pip install duckdb`, as many threads) the same
of the lake's files. Both are asked for whom the segment holds; the ids must be
the same. FOLDER is one that `backfill` has filled, or any other whose people are
known by customer_id: what devices did before they were anybody's is left out.
"""

import glob
import json
import os
import subprocess
import sys
import time
import urllib.request

# The admin key that `backfill` gave the folder; of another folder, its own.
KEY = os.environ.get("SIGNALPOST_KEY", "bench-admin")
TIMES = 7
# What is previewed, and the same for DuckDB.
SEGMENTS = {
    "30-day count": (
        "IF done product_view at least 18 times in the last 30 days THEN assign to 'x'",
        "SELECT customer_id FROM events WHERE event_type = 'product_view' AND timestamp >= {now} - INTERVAL 30 DAYS "
        "AND timestamp <= {now} GROUP BY customer_id HAVING count(*) >= 18",
    ),
    "abandoned carts": (
        "IF done add_to_cart in the last 30 days AND not done purchase in the last 30 days including new profiles THEN assign to 'x'",
        "SELECT DISTINCT customer_id FROM events WHERE event_type = 'add_to_cart' AND timestamp >= {now} - INTERVAL 30 DAYS "
        "AND timestamp <= {now} AND customer_id NOT IN (SELECT customer_id FROM events WHERE event_type = 'purchase' "
        "AND timestamp >= {now} - INTERVAL 30 DAYS AND timestamp <= {now})",
    ),
}


def server(program, folder):
    """A server on the folder, and how it is asked."""
    quiet = {"SIGNALPOST_SEGMENT_VERIFY_SECONDS": "0"}
    command = [program, "serve", "--listen", "127.0.0.1:0", "--data", folder]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **quiet})
    url = "http://" + child.stdout.readline().split("http://")[1].split(",")[0].strip()

    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url + path, data, headers)) as answer:
            return json.load(answer)

    while not ask("/api/stats")["settled"]:
        time.sleep(0.2)
    return child, ask


def lake_files(folder):
    """The files of the newest version of the table of events."""
    table = os.path.join(folder, "lake", "events")
    files = set()
    for version in sorted(glob.glob(f"{table}/_delta_log/*.json")):
        for action in map(json.loads, open(version)):
            if "add" in action:
                files.add(f"{table}/{action['add']['path']}")
            if "remove" in action:
                files.discard(f"{table}/{action['remove']['path']}")
    return sorted(files)


def previews(program, folder):
    """Of each segment: seconds of the quickest preview, the instant, and the ids."""
    child, ask = server(program, folder)
    try:
        found = {}
        for name, (rule, _) in SEGMENTS.items():
            answers = [ask("/api/segments/preview?limit=1", {"rule": rule}) for _ in range(TIMES)]
            took = min(answer["took_ms"] for answer in answers) / 1_000
            ways = {answer["judged_by"] for answer in answers}
            assert ways == {"lake"}, ways
            sql = ask("/api/segments/check", {"rule": rule})["sql"]
            rows = ask("/api/sql", {"sql": sql})["rows"]
            found[name] = took, answers[-1]["at"], {row["customer_id"] for row in rows}
            assert len(rows) == answers[-1]["count"], (len(rows), answers[-1]["count"])
        return found
    finally:
        child.terminate()
        child.wait()


def main():
    import duckdb

    folder, program = sys.argv[1], sys.argv[2]
    found = previews(program, folder)
    base = duckdb.connect()
    base.execute("SET TimeZone = 'UTC'")
    base.execute(f"SET threads = {os.cpu_count()}")
    files = lake_files(folder)
    base.execute(f"CREATE VIEW events AS SELECT * FROM read_parquet({files!r}) WHERE marked_bot IS NULL")
    print(f"{base.execute('SELECT count(*) FROM events').fetchone()[0]:,} events in {len(files)} files")
    for name, (_, sql) in SEGMENTS.items():
        ours, at, ids = found[name]
        sql, times = sql.format(now=f"TIMESTAMPTZ '{at}'"), []
        for _ in range(TIMES):
            began = time.perf_counter()
            rows = base.execute(sql).fetchall()
            times.append(time.perf_counter() - began)
        theirs = {row[0] for row in rows} - {None}
        same = "the same ids" if theirs == ids else f"{len(theirs ^ ids):,} ids differ"
        print(f"{name}: {len(ids):,} people, {same}; {ours * 1e3:.0f} ms, DuckDB {min(times) * 1e3:.0f} ms, "
              f"{ours / min(times):.2f} times as long (goal: 1.5)")


main()
