//! Real shops' data, and questions whose answers were worked out elsewhere
//! (`expected.sql` beside the data), asked here as an analyst would.

use std::path::Path;

use signalpost_lake::{Lake, NoTables};

use crate::support::{assert_same, data, events, fresh, memory_peak_mib, rows_at, timed};

/// A question: the file with the expected answer, the instant of `now()`, the
/// key of that instant's rows in the file, the query.
struct Question {
    file: &'static str,
    now: &'static str,
    only: Option<&'static str>,
    sql: &'static str,
}

async fn ask(lake: &Lake, folder: &Path, questions: &[Question]) {
    for Question { file, now, only, sql } in questions {
        let (rows, took) = timed(rows_at(lake, sql, now, &NoTables)).await;
        eprintln!("{:>8.1} ms {file} {}", took.as_secs_f64() * 1000.0, only.unwrap_or_default());
        assert_same(&rows, folder, file, *only);
    }
}

/// Pushes all events, half of them committed in many small steps, and asks
/// with rows in memory, on disk, and compacted.
async fn load_and_ask(name: &str, questions: &[Question]) {
    let Some(folder) = data(name) else { return };
    let (dir, lake) = fresh().await;
    let all = events(&folder);
    let count = all.len();
    let step = count / 40 + 1;
    let mut offset = 0;
    let load = async {
        for (place, part) in all.chunks(500).enumerate() {
            offset += 1;
            lake.push_events(u32::from(place % 2 == 0), offset, part.to_vec());
            if (place * 500) / step != (place * 500 + 500) / step && place * 500 < count / 2 {
                lake.commit().await.unwrap();
            }
        }
    };
    let ((), took) = timed(load).await;
    eprintln!("{name}: pushed {count} events, {} still in memory, in {took:?}", lake.pending_rows());
    assert!(lake.pending_rows() > 0);
    ask(&lake, &folder, questions).await;
    let (done, took) = timed(lake.commit()).await;
    eprintln!("{name}: committed the rest in {took:?}: {:?}", done.unwrap());
    assert_eq!(lake.pending_rows(), 0);
    ask(&lake, &folder, questions).await;
    let (done, took) = timed(lake.compact()).await;
    let done = done.unwrap();
    eprintln!("{name}: compacted in {took:?}: {done:?}");
    assert!(done.files_merged > done.files_written);
    ask(&lake, &folder, questions).await;
    let reopened = {
        drop(lake);
        crate::support::open(dir.path()).await
    };
    ask(&reopened, &folder, questions).await;
    eprintln!("{name}: peak memory {} MiB", memory_peak_mib());
}

#[tokio::test(flavor = "multi_thread")]
async fn online_retail() {
    load_and_ask("online-retail", ONLINE_RETAIL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retailrocket() {
    load_and_ask("retailrocket-sample", RETAILROCKET).await;
}

/// One push and one commit of everything: the figures in the documentation.
#[tokio::test(flavor = "multi_thread")]
async fn throughput() {
    let Some(folder) = data("online-retail") else { return };
    let all = events(&folder);
    let count = all.len();
    let (_dir, lake) = fresh().await;
    let work = async {
        for (offset, part) in (1..).zip(all.chunks(1_000)) {
            lake.push_events(0, offset, part.to_vec());
        }
        lake.commit().await.unwrap()
    };
    let (done, took) = timed(work).await;
    let rate = count as f64 / took.as_secs_f64();
    eprintln!("pushed and committed {count} events in {took:?}: {rate:.0} rows/s, {} bytes", done.bytes);
    assert_eq!(done.rows, count);
}

const T: &str = "2011-12-10T00:00:00Z";

const LAST_24H: &str = "
    SELECT DISTINCT customer_id FROM events
    WHERE event_type = 'purchase' AND customer_id IS NOT NULL
      AND event_time >= now() - INTERVAL '24 hours' AND event_time <= now()
    ORDER BY customer_id";

const LAPSED: &str = "
    SELECT customer_id FROM events
    WHERE event_type = 'purchase' AND customer_id IS NOT NULL
      AND timestamp BETWEEN now() - INTERVAL '90 days' AND now()
    GROUP BY customer_id HAVING max(timestamp) < now() - INTERVAL '30 days'
    ORDER BY customer_id";

const ONLINE_RETAIL: &[Question] = &[
    Question {
        file: "e1_events_by_type.csv",
        now: T,
        only: None,
        sql: "SELECT event_type, count(*) AS events, count(customer_id) AS with_customer,
                     count(*) - count(customer_id) AS anonymous, count(DISTINCT customer_id) AS customers
              FROM events GROUP BY event_type ORDER BY event_type",
    },
    Question {
        file: "e1b_events_by_month.csv",
        now: T,
        only: None,
        sql: "SELECT to_char(timestamp, '%Y-%m') AS month, event_type, count(*) AS events
              FROM events GROUP BY 1, 2 ORDER BY 1, 2",
    },
    Question {
        file: "e2_duplicates.csv",
        now: T,
        only: None,
        sql: "SELECT 'exact_all_8_columns' AS definition, sum(n - 1) AS duplicate_lines,
                     count(*) FILTER (WHERE n > 1) AS groups_with_duplicates, max(n) AS largest_group
              FROM (SELECT count(*) AS n FROM events GROUP BY order_id, product_id_raw, product_name, quantity,
                           timestamp, unit_price, customer_id, country)
              UNION ALL
              SELECT 'key_6_columns', sum(n - 1), count(*) FILTER (WHERE n > 1), max(n)
              FROM (SELECT count(*) AS n FROM events GROUP BY order_id, product_id_raw, quantity, timestamp,
                           unit_price, customer_id)
              ORDER BY definition",
    },
    Question {
        file: "e2b_events_by_type_deduped.csv",
        now: T,
        only: None,
        sql: "SELECT event_type, count(*) AS events FROM (
                SELECT event_type, row_number() OVER (PARTITION BY order_id, product_id_raw, product_name, quantity,
                  timestamp, unit_price, customer_id, country ORDER BY event_id) AS rn FROM events)
              WHERE rn = 1 GROUP BY event_type ORDER BY event_type",
    },
    Question { file: "e3_purchased_last_24h.csv", now: "2010-12-23T12:00:00Z", only: Some("2010-12-23 12:00:00"), sql: LAST_24H },
    Question { file: "e3_purchased_last_24h.csv", now: "2011-06-15T00:00:00Z", only: Some("2011-06-15 00:00:00"), sql: LAST_24H },
    Question { file: "e3_purchased_last_24h.csv", now: "2011-11-14T18:30:00Z", only: Some("2011-11-14 18:30:00"), sql: LAST_24H },
    Question { file: "e4_lapsed.csv", now: "2011-03-01T00:00:00Z", only: Some("2011-03-01 00:00:00"), sql: LAPSED },
    Question { file: "e4_lapsed.csv", now: "2011-06-01T00:00:00Z", only: Some("2011-06-01 00:00:00"), sql: LAPSED },
    Question { file: "e4_lapsed.csv", now: "2011-10-01T00:00:00Z", only: Some("2011-10-01 00:00:00"), sql: LAPSED },
    Question {
        file: "e5_germany_multi.csv",
        now: "2011-12-01T00:00:00Z",
        only: None,
        sql: "WITH c AS (SELECT customer_id, last_value(country ORDER BY timestamp, event_id) AS country
                         FROM events WHERE customer_id IS NOT NULL AND timestamp <= now() GROUP BY customer_id),
                   p AS (SELECT customer_id, count(DISTINCT order_id) AS orders,
                                sum(quantity * CAST(unit_price AS DECIMAL(18,3))) AS spend
                         FROM events WHERE event_type = 'purchase' AND customer_id IS NOT NULL
                           AND timestamp >= now() - INTERVAL '90 days' AND timestamp <= now() GROUP BY customer_id)
              SELECT customer_id, orders, spend FROM c JOIN p USING (customer_id)
              WHERE country = 'Germany' AND orders >= 2 AND spend >= 500 ORDER BY customer_id",
    },
    Question {
        file: "e6_top20_2011-11.csv",
        now: T,
        only: None,
        sql: "WITH a AS (SELECT product_id, count(*) AS lines, count(DISTINCT order_id) AS orders, sum(quantity) AS units,
                                sum(quantity * CAST(unit_price AS DECIMAL(18,3))) AS revenue
                         FROM events WHERE event_type = 'purchase' AND product_id ~ '^[0-9]{5}[A-Z]{0,2}$'
                           AND timestamp >= '2011-11-01' AND timestamp < '2011-12-01' GROUP BY product_id),
                   r AS (SELECT 'orders' AS ranking, row_number() OVER (ORDER BY orders DESC, product_id) AS rank, * FROM a
                         UNION ALL SELECT 'units', row_number() OVER (ORDER BY units DESC, product_id), * FROM a
                         UNION ALL SELECT 'revenue', row_number() OVER (ORDER BY revenue DESC, product_id), * FROM a)
              SELECT * FROM r WHERE rank <= 20 ORDER BY ranking, rank",
    },
    Question {
        file: "e7_cooccurrence.csv",
        now: T,
        only: None,
        sql: "WITH b AS (SELECT DISTINCT order_id, product_id FROM events
                         WHERE event_type = 'purchase' AND product_id ~ '^[0-9]{5}[A-Z]{0,2}$'),
                   s AS (SELECT product_id, count(*) AS baskets,
                                row_number() OVER (ORDER BY count(*) DESC, product_id) AS seed_rank
                         FROM b GROUP BY product_id QUALIFY seed_rank <= 20),
                   co AS (SELECT s.seed_rank, s.product_id AS seed, s.baskets AS seed_baskets, y.product_id AS other,
                                 count(*) AS together
                          FROM s JOIN b x ON x.product_id = s.product_id
                                 JOIN b y ON y.order_id = x.order_id AND y.product_id <> x.product_id
                          GROUP BY 1, 2, 3, 4)
              SELECT *, row_number() OVER (PARTITION BY seed ORDER BY together DESC, other) AS rank
              FROM co QUALIFY rank <= 5 ORDER BY seed_rank, rank",
    },
    Question {
        file: "e8_recency.csv",
        now: T,
        only: None,
        sql: "SELECT customer_id, max(timestamp) AS last_purchase,
                     (to_unixtime(now()) - to_unixtime(max(timestamp))) / 86400 AS recency_days
              FROM events WHERE event_type = 'purchase' AND customer_id IS NOT NULL GROUP BY customer_id ORDER BY 1",
    },
    Question { file: "e9_rfm_quantiles.csv", now: T, only: None, sql: QUANTILES },
    Question { file: "e9b_rfm.csv", now: T, only: None, sql: SCORES },
];

/// `quantile_disc(q)`: the smallest value at or below which a share `q` lies.
const QUANTILES: &str = "
    WITH r AS (SELECT customer_id,
           (to_unixtime(now()) - to_unixtime(max(timestamp))) / 86400 AS rec,
           count(DISTINCT order_id) AS freq, sum(quantity * CAST(unit_price AS DECIMAL(18,3))) AS mon
         FROM events WHERE event_type = 'purchase' AND customer_id IS NOT NULL GROUP BY customer_id),
    d AS (SELECT rec, freq, mon, cume_dist() OVER (ORDER BY rec) AS cr, cume_dist() OVER (ORDER BY freq) AS cf,
                 cume_dist() OVER (ORDER BY mon) AS cm FROM r),
    q AS (SELECT column1 AS q FROM (VALUES (0.2), (0.4), (0.5), (0.6), (0.8), (0.9), (0.99)))
    SELECT q.q, min(rec) FILTER (WHERE cr >= q.q) AS recency_days, min(freq) FILTER (WHERE cf >= q.q) AS frequency,
           min(mon) FILTER (WHERE cm >= q.q) AS monetary
    FROM q CROSS JOIN d GROUP BY q.q ORDER BY q.q";

const SCORES: &str = "
    WITH r AS (SELECT customer_id,
           (to_unixtime(now()) - to_unixtime(max(timestamp))) / 86400 AS rec,
           count(DISTINCT order_id) AS freq, sum(quantity * CAST(unit_price AS DECIMAL(18,3))) AS mon
         FROM events WHERE event_type = 'purchase' AND customer_id IS NOT NULL GROUP BY customer_id),
    d AS (SELECT *, cume_dist() OVER (ORDER BY rec) AS cr, cume_dist() OVER (ORDER BY freq) AS cf,
                 cume_dist() OVER (ORDER BY mon) AS cm FROM r),
    q AS (SELECT min(rec) FILTER (WHERE cr >= 0.2) AS r1, min(rec) FILTER (WHERE cr >= 0.4) AS r2,
                 min(rec) FILTER (WHERE cr >= 0.6) AS r3, min(rec) FILTER (WHERE cr >= 0.8) AS r4,
                 min(freq) FILTER (WHERE cf >= 0.2) AS f1, min(freq) FILTER (WHERE cf >= 0.4) AS f2,
                 min(freq) FILTER (WHERE cf >= 0.6) AS f3, min(freq) FILTER (WHERE cf >= 0.8) AS f4,
                 min(mon) FILTER (WHERE cm >= 0.2) AS m1, min(mon) FILTER (WHERE cm >= 0.4) AS m2,
                 min(mon) FILTER (WHERE cm >= 0.6) AS m3, min(mon) FILTER (WHERE cm >= 0.8) AS m4 FROM d)
    SELECT customer_id, rec AS recency_days, freq AS frequency, mon AS monetary,
           CASE WHEN rec <= r1 THEN 5 WHEN rec <= r2 THEN 4 WHEN rec <= r3 THEN 3 WHEN rec <= r4 THEN 2 ELSE 1 END AS r,
           CASE WHEN freq <= f1 THEN 1 WHEN freq <= f2 THEN 2 WHEN freq <= f3 THEN 3 WHEN freq <= f4 THEN 4 ELSE 5 END AS f,
           CASE WHEN mon <= m1 THEN 1 WHEN mon <= m2 THEN 2 WHEN mon <= m3 THEN 3 WHEN mon <= m4 THEN 4 ELSE 5 END AS m
    FROM r CROSS JOIN q ORDER BY customer_id";

/// Carts that were left, by four definitions, as of `now()`.
const ABANDONED: &str = "
    WITH c AS (SELECT customer_id, timestamp AS a FROM events WHERE event_type = 'add_to_cart' AND timestamp <= now()),
         p AS (SELECT customer_id, timestamp AS p FROM events WHERE event_type = 'purchase'),
         open AS (SELECT * FROM c WHERE NOT EXISTS (
                    SELECT 1 FROM p WHERE p.customer_id = c.customer_id AND p.p >= c.a AND p.p <= now())),
         confirmed AS (SELECT * FROM c WHERE a + INTERVAL '24 hours' <= now() AND NOT EXISTS (
                    SELECT 1 FROM p WHERE p.customer_id = c.customer_id AND p.p >= c.a
                      AND p.p < c.a + INTERVAL '24 hours'))
    SELECT 'A1_open_last_24h' AS segment, customer_id FROM open WHERE a >= now() - INTERVAL '24 hours'
    UNION SELECT 'A2_confirmed_ever', customer_id FROM confirmed
    UNION SELECT 'A3_confirmed_7d', customer_id FROM confirmed WHERE a >= now() - INTERVAL '168 hours'
    UNION SELECT 'A4_open_last_7d', customer_id FROM open WHERE a >= now() - INTERVAL '168 hours'
    ORDER BY 1, 2";

const PAIRS: &str = "
    SELECT DISTINCT customer_id, product_id FROM events c
    WHERE event_type = 'add_to_cart' AND timestamp + INTERVAL '24 hours' <= now() AND NOT EXISTS (
      SELECT 1 FROM events p WHERE p.event_type = 'purchase' AND p.customer_id = c.customer_id
        AND p.product_id = c.product_id AND p.timestamp >= c.timestamp
        AND p.timestamp < c.timestamp + INTERVAL '24 hours')
    ORDER BY 1, 2";

const BROWSERS: &str = "
    SELECT customer_id, count(DISTINCT product_id) AS products FROM events e
    WHERE event_type = 'product_view' AND timestamp BETWEEN now() - INTERVAL '7 days' AND now()
      AND NOT EXISTS (SELECT 1 FROM events p WHERE p.event_type = 'purchase' AND p.customer_id = e.customer_id
                        AND p.timestamp <= now())
    GROUP BY customer_id HAVING count(DISTINCT product_id) >= 3 ORDER BY customer_id";

const JUNE: &str = "2015-06-20T00:00:00Z";
const JULY: &str = "2015-07-07T18:00:00Z";
const SEPTEMBER: &str = "2015-09-10T12:00:00Z";
const END: &str = "2015-09-18T12:00:00Z";

const RETAILROCKET: &[Question] = &[
    Question {
        file: "e1_events_by_type.csv",
        now: END,
        only: None,
        sql: "SELECT event_type, count(*) AS events, count(DISTINCT customer_id) AS customers,
                     count(DISTINCT product_id) AS products FROM events GROUP BY event_type ORDER BY event_type",
    },
    Question {
        file: "e1b_events_by_day.csv",
        now: END,
        only: None,
        sql: "SELECT to_char(timestamp, '%Y-%m-%d') AS day, event_type, count(*) AS events
              FROM events GROUP BY 1, 2 ORDER BY 1, 2",
    },
    Question {
        file: "e2_duplicates.csv",
        now: END,
        only: None,
        sql: "WITH g AS (SELECT arrow_cast(timestamp, 'Int64') - lag(arrow_cast(timestamp, 'Int64')) OVER (
                           PARTITION BY customer_id, event_type, product_id ORDER BY timestamp, event_id) AS gap
                         FROM events)
              SELECT 'exact' AS definition, sum(n - 1) AS duplicate_events
              FROM (SELECT count(*) AS n FROM events GROUP BY customer_id, event_type, product_id, timestamp, order_id)
              UNION ALL SELECT 'within_1s', count(*) FROM g WHERE gap <= 1000000
              UNION ALL SELECT 'within_10s', count(*) FROM g WHERE gap <= 10000000
              UNION ALL SELECT 'within_1800s', count(*) FROM g WHERE gap <= 1800000000
              ORDER BY 2",
    },
    Question { file: "e3_abandonment_members.csv", now: JUNE, only: Some("2015-06-20 00:00:00"), sql: ABANDONED },
    Question { file: "e3_abandonment_members.csv", now: JULY, only: Some("2015-07-07 18:00:00"), sql: ABANDONED },
    Question { file: "e3_abandonment_members.csv", now: SEPTEMBER, only: Some("2015-09-10 12:00:00"), sql: ABANDONED },
    Question { file: "e3c_abandoned_pairs.csv", now: JUNE, only: Some("2015-06-20 00:00:00"), sql: PAIRS },
    Question { file: "e3c_abandoned_pairs.csv", now: JULY, only: Some("2015-07-07 18:00:00"), sql: PAIRS },
    Question { file: "e3c_abandoned_pairs.csv", now: SEPTEMBER, only: Some("2015-09-10 12:00:00"), sql: PAIRS },
    Question { file: "e4_browsers.csv", now: JUNE, only: Some("2015-06-20 00:00:00"), sql: BROWSERS },
    Question { file: "e4_browsers.csv", now: JULY, only: Some("2015-07-07 18:00:00"), sql: BROWSERS },
    Question { file: "e4_browsers.csv", now: SEPTEMBER, only: Some("2015-09-10 12:00:00"), sql: BROWSERS },
    Question {
        file: "e5_top20.csv",
        now: END,
        only: None,
        sql: "SELECT event_type, row_number() OVER (PARTITION BY event_type ORDER BY events DESC, product_id) AS rank,
                     product_id, events, customers
              FROM (SELECT event_type, product_id, count(*) AS events, count(DISTINCT customer_id) AS customers
                    FROM events WHERE timestamp >= '2015-06-01' AND timestamp < '2015-07-01' GROUP BY 1, 2)
              QUALIFY rank <= 20 ORDER BY 1, 2",
    },
    Question {
        file: "e6_cooccurrence.csv",
        now: END,
        only: None,
        sql: "WITH b AS (SELECT DISTINCT customer_id, product_id FROM events),
                   s AS (SELECT product_id, count(*) AS baskets,
                                row_number() OVER (ORDER BY count(*) DESC, product_id) AS seed_rank
                         FROM b GROUP BY product_id QUALIFY seed_rank <= 20),
                   co AS (SELECT s.seed_rank, s.product_id AS seed, s.baskets AS seed_baskets, y.product_id AS other,
                                 count(*) AS together
                          FROM s JOIN b x ON x.product_id = s.product_id
                                 JOIN b y ON y.customer_id = x.customer_id AND y.product_id <> x.product_id
                          GROUP BY 1, 2, 3, 4)
              SELECT *, row_number() OVER (PARTITION BY seed ORDER BY together DESC, other) AS rank
              FROM co QUALIFY rank <= 5 ORDER BY seed_rank, rank",
    },
    Question {
        file: "e7_recency_distribution.csv",
        now: END,
        only: None,
        sql: "SELECT recency_days, count(*) AS customers FROM (
                SELECT customer_id, (arrow_cast(now(), 'Timestamp(Microsecond, None)')::BIGINT
                                     - max(timestamp)::BIGINT) / 86400000000 AS recency_days
                FROM events WHERE timestamp <= now() GROUP BY customer_id)
              GROUP BY recency_days ORDER BY recency_days",
    },
    Question {
        file: "e8_sessions.csv",
        now: END,
        only: None,
        sql: "SELECT count(*) FILTER (WHERE gap IS NULL OR gap > 1800000000) AS sessions,
                     count(DISTINCT customer_id) AS customers, count(*) AS events
              FROM (SELECT customer_id, timestamp::BIGINT - lag(timestamp::BIGINT) OVER (
                             PARTITION BY customer_id ORDER BY timestamp, event_id) AS gap FROM events)",
    },
    Question {
        file: "e9_profiles.csv",
        now: END,
        only: None,
        sql: "SELECT customer_id, count(*) FILTER (WHERE event_type = 'product_view') AS views,
                     count(*) FILTER (WHERE event_type = 'add_to_cart') AS carts,
                     count(*) FILTER (WHERE event_type = 'purchase') AS purchases,
                     count(DISTINCT product_id) AS products, min(timestamp) AS first_seen, max(timestamp) AS last_seen,
                     last_value(product_id ORDER BY timestamp, event_id) FILTER (WHERE event_type = 'product_view')
                       AS last_viewed_product
              FROM events GROUP BY customer_id ORDER BY customer_id",
    },
];
