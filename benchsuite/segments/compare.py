"""Both segments of the mission, kept by PostgreSQL's triggers and asked of DuckDB.

    cargo bench -p signalpost-core --bench mission | tee mission.txt
    python3 compare.py mission.txt

PostgreSQL (its programs in PATH or in /usr/lib/postgresql/*/bin) takes events
into a table, without and with a trigger that keeps the members of both segments
in two tables: all in one statement, a hundred a transaction, and each in its
own. DuckDB (`pip install duckdb`) runs both segments' SQL over 1,000,000 people
and 20,000,000 events: where the people's columns are there already, where they
are brought up to date from the last minute's events, and where they are found
among all events. All in one run, so that the ratios stand on one machine in one
state. What is compared, and the arithmetic, is in README.md.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROWS = 200_000
PEOPLE = 1_000_000
HISTORY = 20_000_000
EVENTS_A_SECOND = 1_000

SCHEMA = """
CREATE TABLE events (customer_id text, event_type text, at timestamptz, category text, age int, location text);
CREATE TABLE customer_data (customer_id text PRIMARY KEY, age int, location text, recent_view_category text);
CREATE TABLE abandoned (customer_id text PRIMARY KEY, until timestamptz);
CREATE INDEX ON abandoned (until);
CREATE TABLE nyc_electronics (customer_id text PRIMARY KEY);
CREATE TABLE waiting AS SELECT 'c' || (random() * 99999)::int AS customer_id,
  CASE WHEN kind < 80 THEN 'product_view' WHEN kind < 92 THEN 'add_to_cart' WHEN kind < 97 THEN 'page_view'
    ELSE 'cart_abandonment' END AS event_type,
  timestamptz '2026-04-01' + number * interval '1 millisecond' AS at,
  (ARRAY['Electronics', 'Books', 'Toys', 'Home'])[1 + number % 4] AS category,
  CASE WHEN random() < 0.05 THEN 18 + (random() * 50)::int END AS age,
  CASE WHEN random() < 0.05 THEN (ARRAY['NYC', 'LA', 'LA', 'LA'])[1 + (random() * 3)::int] END AS location
  FROM (SELECT number, random() * 100 AS kind FROM generate_series(1, ROWS) number) numbers;
CREATE TABLE numbered AS SELECT row_number() OVER (ORDER BY at) AS number, * FROM waiting;
ALTER TABLE numbered ADD PRIMARY KEY (number);
ANALYZE numbered;
""".replace("ROWS", str(ROWS))

TRIGGER = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE person customer_data;
BEGIN
  INSERT INTO customer_data AS held VALUES (NEW.customer_id, NEW.age, NEW.location,
      CASE WHEN NEW.event_type = 'product_view' THEN NEW.category END)
    ON CONFLICT (customer_id) DO UPDATE SET age = coalesce(EXCLUDED.age, held.age),
      location = coalesce(EXCLUDED.location, held.location),
      recent_view_category = coalesce(EXCLUDED.recent_view_category, held.recent_view_category)
    RETURNING * INTO person;
  IF person.age BETWEEN 25 AND 35 AND person.location = 'NYC' AND person.recent_view_category = 'Electronics' THEN
    INSERT INTO nyc_electronics VALUES (NEW.customer_id) ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM nyc_electronics WHERE customer_id = NEW.customer_id;
  END IF;
  IF NEW.event_type = 'cart_abandonment' THEN
    INSERT INTO abandoned VALUES (NEW.customer_id, NEW.at + interval '24 hours')
      ON CONFLICT (customer_id) DO UPDATE SET until = EXCLUDED.until;
  END IF;
  DELETE FROM abandoned WHERE until < NEW.at;
  RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION keep();
"""

# How events come: all at once, or so many a transaction, with no client to wait for.
LOOP = """DO $$
DECLARE position int := 0;
BEGIN
  WHILE position < {rows} LOOP
    INSERT INTO events SELECT customer_id, event_type, at, category, age, location FROM numbered
      WHERE number > position AND number <= position + {step};
    COMMIT;
    position := position + {step};
  END LOOP;
END $$"""
WAYS = {
    "one statement": (ROWS, "INSERT INTO events SELECT * FROM waiting ORDER BY at"),
    "100 a transaction": (ROWS, LOOP.format(rows=ROWS, step=100)),
    "each in its own": (ROWS // 4, LOOP.format(rows=ROWS // 4, step=1)),
}


def program(name):
    found = shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))), None)
    if not found:
        sys.exit(f"PostgreSQL's {name} is not installed")
    return found


def postgres():
    """Of each way: microseconds an event without and with the trigger."""
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = tempfile.mkdtemp(prefix="segments-")
    os.chmod(folder, 0o777)
    data, quiet = f"{folder}/data", {"stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*as_owner, program("initdb"), "-A", "trust", "-D", data], check=True, **quiet)
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c shared_buffers=512MB -c synchronous_commit=off"
    # The trigger's statements by their indexes, planned once, whatever the tables held then.
    options += " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
    control = [*as_owner, program("pg_ctl"), "-D", data, "-w"]
    subprocess.run([*control, "-o", options, "-l", f"{folder}/log", "start"], check=True, **quiet)
    ask = [*as_owner, program("psql"), "-qAt", "-v", "ON_ERROR_STOP=1", "-h", folder, "-d", "postgres", "-c"]

    def timed(way):
        rows, sql = WAYS[way]
        subprocess.run([*ask, "TRUNCATE events"], check=True, **quiet)
        # How long the session has had a processor, as it reads itself.
        spent = "SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)"
        out = subprocess.run([*ask, spent, "-c", sql, "-c", spent], check=True, capture_output=True, text=True, cwd="/").stdout
        before, after = map(int, out.split())
        return (after - before) / 1_000 / rows

    try:
        subprocess.run([*ask, SCHEMA], check=True, **quiet)
        plain = {way: min(timed(way) for _ in range(2)) for way in WAYS}
        subprocess.run([*ask, TRIGGER], check=True, **quiet)
        # The first fills the tables that the trigger keeps.
        timed("one statement")
        return {way: (plain[way], min(timed(way) for _ in range(2))) for way in WAYS}
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(folder, ignore_errors=True)


NYC = "SELECT customer_id FROM {} WHERE age BETWEEN 25 AND 35 AND location = 'NYC' AND recent_view_category = 'Electronics'"
ABANDONED = """SELECT DISTINCT customer_id FROM events
  WHERE event_type = 'cart_abandonment' AND happened >= (SELECT max(happened) FROM events) - INTERVAL 24 HOURS"""
FOUND = """(SELECT customer_id, arg_max(age, happened) FILTER (age IS NOT NULL) AS age,
  arg_max(location, happened) FILTER (location IS NOT NULL) AS location,
  arg_max(category, happened) FILTER (event_type = 'product_view') AS recent_view_category FROM {} GROUP BY customer_id)"""
# The last minute's events, which come in order, brought into the people's columns.
UPKEEP = """UPDATE customer_data SET age = coalesce(fresh.age, customer_data.age),
  location = coalesce(fresh.location, customer_data.location),
  recent_view_category = coalesce(fresh.recent_view_category, customer_data.recent_view_category)
  FROM {} fresh WHERE customer_data.customer_id = fresh.customer_id""".format(
    FOUND.format("(SELECT * FROM events WHERE happened > (SELECT max(happened) FROM events) - INTERVAL 1 MINUTE)")
)


def duck():
    """Seconds of all cores for both segments, by how the people's columns come about."""
    import duckdb

    base = duckdb.connect()
    base.execute("SET memory_limit = '6GB'")
    # A month of events, the last minute's as dense as they come.
    before = HISTORY - 60 * EVENTS_A_SECOND
    base.execute(
        f"""CREATE TABLE events AS SELECT (random() * {PEOPLE - 1})::int AS customer_id,
          CASE WHEN kind < 80 THEN 'product_view' WHEN kind < 92 THEN 'add_to_cart' WHEN kind < 97 THEN 'page_view'
            ELSE 'cart_abandonment' END AS event_type,
          TIMESTAMP '2026-04-01' + INTERVAL (least(number, {before}) // 8) SECONDS
            + INTERVAL (greatest(number - {before}, 0)) MILLISECONDS AS happened,
          ['Electronics', 'Books', 'Toys', 'Home'][1 + number % 4] AS category,
          CASE WHEN number % 20 = 0 THEN 18 + (random() * 50)::int END AS age,
          CASE WHEN number % 20 = 0 THEN ['NYC', 'LA', 'LA', 'LA'][1 + (random() * 3)::int] END AS location
          FROM (SELECT range AS number, random() * 100 AS kind FROM range({HISTORY}))"""
    )
    found = FOUND.format("events")
    base.execute(f"CREATE TABLE customer_data AS SELECT * FROM {found}")

    def best(*queries):
        times = []
        for _ in range(3):
            began = time.process_time()
            for query in queries:
                base.execute(query).fetchall()
            times.append(time.process_time() - began)
        return min(times)

    ready = ABANDONED, NYC.format("customer_data")
    return {
        "at hand": best(*ready),
        "brought up to date": best(UPKEEP, *ready),
        "found among all events": best(ABANDONED, NYC.format(found)),
    }


def main():
    told = open(sys.argv[1]).read()
    both = int(re.search(r"both segments: (\d+) ns", told)[1]) / 1_000
    none = int(re.search(r"no segment: (\d+) ns", told)[1]) / 1_000
    print(f"Signalpost's step: {both:.2f} µs an event with both segments, {both - none:.2f} of them for the segments")
    for way, (plain, kept) in postgres().items():
        print(f"PostgreSQL, {way}: {plain:.1f} µs an event, {kept:.1f} with the trigger: {kept - plain:.1f} more")
        print(f"  events a second for keeping both: {1e6 / (both - none):,.0f} against {1e6 / (kept - plain):,.0f}, "
              f"{(kept - plain) / (both - none):.0f} times as many (goal: 30)")
        print(f"  with all else that either does: {1e6 / both:,.0f} against {1e6 / kept:,.0f}, {kept / both:.0f} times")
    minute = 60 * EVENTS_A_SECOND
    print(f"DuckDB, {PEOPLE:,} people, {HISTORY:,} events, both segments once a minute, {minute:,} events a minute:")
    for how, run in duck().items():
        own = run * 1e6 / minute
        print(f"  columns {how}: {run * 1e3:.0f} ms of a core a run, {own:.2f} µs an event, "
              f"{own / (both - none):.1f} times what the segments cost here (goal: 50), {own / both:.1f} times the whole step")


main()
