//! SQL as its users write it: columns, owners, time, live tables, refusals.

use std::time::Duration;

use serde_json::json;
use signalpost_core::value::Value;
use signalpost_lake::{
    ColumnType, DeliveryRow, Error, IdentityRow, Lake, Limits, LiveTable, LiveTables, MembershipRow,
    NoTables, Position, Settings, SqlError,
};

use crate::support::{csv, event, fresh, one, rows, rows_at, time};

async fn sql_error(lake: &Lake, sql: &str) -> SqlError {
    match lake.sql(sql, time("2024-01-01T00:00:00Z"), &NoTables).await {
        Err(Error::Sql(error)) => error,
        other => panic!("{sql}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_lake_answers() {
    let (_dir, lake) = fresh().await;
    assert_eq!(one(&lake, "SELECT count(*) FROM events").await, json!(0));
    assert_eq!(csv(&lake, "SELECT * FROM events").await, "");
    assert_eq!(csv(&lake, "SELECT 1 + 1").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_are_columns_typed_by_what_was_seen() {
    let (_dir, lake) = fresh().await;
    let first = json!({"event_id": "1", "customer_id": "c", "quantity": 2, "price": 3, "gift": true, "cart": ["a", 1],
                       "size": 40, "productName": "Tea \"Earl\"\n", "event_type": "buy", "context": {"page": {"url": "/x"}}});
    let second = json!({"event_id": "2", "customer_id": "c", "price": 2.5, "size": "L", "quantity": null});
    for committed in [false, true] {
        if !committed {
            lake.push_events(0, 1, vec![event(first.clone()), event(second.clone())]);
        } else {
            lake.commit().await.unwrap();
        }
        let answer = rows(&lake, "SELECT quantity, price, gift, cart, size, \"productName\", productName AS again, quantity * price AS total
                                  FROM events ORDER BY event_id").await;
        let types: Vec<String> = answer.columns().into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(
            types,
            ["BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE"]
        );
        let answer = answer.to_json_rows().unwrap();
        assert_eq!(
            serde_json::Value::Object(answer[0].clone()),
            json!({"quantity": 2, "price": 3.0, "gift": true, "cart": "[\"a\",1]", "size": "40",
                   "productName": "Tea \"Earl\"\n", "again": "Tea \"Earl\"\n", "total": 6.0})
        );
        assert_eq!(
            serde_json::Value::Object(answer[1].clone()),
            json!({"quantity": null, "price": 2.5, "gift": null, "cart": null, "size": "L",
                   "productName": null, "again": null, "total": null})
        );
        assert_eq!(
            one(&lake, "SELECT json_text(context, 'page.url') FROM events WHERE event_id = '1'").await,
            json!("/x")
        );
        let all = rows(&lake, "SELECT * FROM events WHERE quantity = 2").await;
        assert_eq!(all.len(), 1);
        let names: Vec<String> = all.columns().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "event_id",
                "event_type",
                "customer_id",
                "anonymous_id",
                "profile_id",
                "timestamp",
                "event_time",
                "received_at",
                "product_id",
                "source",
                "properties",
                "traits",
                "context",
                "cart",
                "gift",
                "price",
                "productName",
                "quantity",
                "size"
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anonymous_event_belongs_to_the_customer_its_device_was_linked_to() {
    let (_dir, lake) = fresh().await;
    let at = |hour: u32| format!("2024-01-01T{hour:02}:00:00Z");
    let seen =
        |id: &str, hour: u32| event(json!({"event_id": id, "anonymous_id": "d", "timestamp": at(hour)}));
    let named =
        event(json!({"event_id": "z", "anonymous_id": "d", "customer_id": "own", "timestamp": at(9)}));
    let other = event(json!({"event_id": "o", "anonymous_id": "x", "timestamp": at(9)}));
    lake.push_events(0, 1, vec![seen("a", 1), seen("b", 5), seen("c", 8), named, other]);
    let sql = "SELECT event_id, customer_id, profile_id, raw_customer_id FROM events ORDER BY event_id";
    assert_eq!(
        csv(&lake, sql).await,
        "a,,anonymous:d,\nb,,anonymous:d,\nc,,anonymous:d,\no,,anonymous:x,\nz,own,own,own"
    );
    let link = |customer: &str, hour: u32| IdentityRow {
        anonymous_id: "d".into(),
        customer_id: customer.into(),
        linked_at: time(&at(hour)),
    };
    lake.push_identities(0, 2, vec![link("late", 7), link("early", 4)]);
    for _ in 0..2 {
        assert_eq!(
            csv(&lake, sql).await,
            "a,early,early,\nb,early,early,\nc,late,late,\no,,anonymous:x,\nz,own,own,own"
        );
        assert_eq!(one(&lake, "SELECT count(*) FROM events WHERE customer_id = 'early'").await, json!(2));
        lake.commit().await.unwrap();
    }
    // A replay of the link changes nothing.
    lake.push_identities(0, 2, vec![link("late", 7), link("early", 4)]);
    assert_eq!(one(&lake, "SELECT count(*) FROM identities").await, json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn now_is_the_callers_and_utc() {
    let (_dir, lake) = fresh().await;
    lake.push_events(0, 1, vec![event(json!({"customer_id": "c", "timestamp": "2011-03-01T12:00:00Z"}))]);
    let sql = "SELECT now() AS n, current_timestamp AS t, current_date AS d, timestamp = now() - INTERVAL '12 hours' AS same,
                      timestamp > TIMESTAMP '2011-03-01 11:59:59' AS later, date_trunc('day', timestamp) AS day FROM events";
    let answer = rows_at(&lake, sql, "2011-03-02T00:00:00.000001Z", &NoTables).await.to_json_rows().unwrap();
    assert_eq!(
        serde_json::Value::Object(answer[0].clone()),
        json!({"n": "2011-03-02T00:00:00.000001Z", "t": "2011-03-02T00:00:00.000001Z", "d": "2011-03-02", "same": false,
               "later": true, "day": "2011-03-01T00:00:00Z"})
    );
    let sql = "SELECT timestamp = now() - INTERVAL '12 hours' AS same FROM events";
    let answer = rows_at(&lake, sql, "2011-03-02T00:00:00Z", &NoTables).await;
    assert_eq!(answer.to_json_rows().unwrap()[0]["same"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_and_deliveries_are_tables() {
    let (_dir, lake) = fresh().await;
    let at = time("2024-01-01T00:00:00Z");
    let change = MembershipRow {
        profile_id: "c".into(),
        customer_id: Some("c".into()),
        segment: "New".into(),
        segment_version: 3,
        change: "entered",
        at,
        cause: "event e".into(),
        sequence: 9,
    };
    let attempt = DeliveryRow {
        delivery_id: "d".into(),
        profile_id: "c".into(),
        customer_id: Some("c".into()),
        campaign: None,
        destination: "smtp".into(),
        template: Some("hello".into()),
        status: "sent".into(),
        attempt: 1,
        at,
        detail: "250 ok".into(),
        sequence: 10,
    };
    lake.push_memberships(0, 1, vec![change]);
    lake.push_deliveries(0, 1, vec![attempt]);
    for _ in 0..2 {
        assert_eq!(
            csv(
                &lake,
                "SELECT m.segment, m.segment_version, m.change, d.status, d.at, d.campaign
                        FROM memberships m JOIN deliveries d USING (customer_id)"
            )
            .await,
            "New,3,entered,sent,2024-01-01T00:00:00Z,"
        );
        lake.commit().await.unwrap();
    }
}

struct Customers;

impl LiveTables for Customers {
    fn table(&self, name: &str) -> Option<LiveTable<'_>> {
        let columns = ["customer_id", "age", "spent", "vip", "lastSeen"]
            .map(str::to_owned)
            .into_iter()
            .zip([ColumnType::Text, ColumnType::Int, ColumnType::Float, ColumnType::Bool, ColumnType::Time]);
        let row = |n: i64| {
            vec![
                Value::from(format!("c{n}").as_str()),
                Value::Int(n),
                Value::Int(n / 2),
                Value::Bool(n % 2 == 0),
                Value::from("2024-01-01T00:00:00Z"),
            ]
        };
        (name == "customer_data")
            .then(|| LiveTable::from_rows(columns.collect(), (0..20_000).map(row).collect()))
    }

    fn names(&self) -> Vec<String> {
        vec!["customer_data".into()]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tables_join_the_lake() {
    let (_dir, lake) = fresh().await;
    lake.push_events(0, 1, (0..3).map(|_| event(json!({"customer_id": "c7"}))).collect());
    let now = "2024-01-01T00:00:00Z";
    let ask = async |sql: &str| rows_at(&lake, sql, now, &Customers).await.to_csv().unwrap();
    assert_eq!(ask("SELECT count(*) AS n FROM customer_data").await, "n\r\n20000\r\n");
    assert_eq!(ask("SELECT sum(age) AS n FROM customer_data WHERE vip AND age < 5").await, "n\r\n6\r\n");
    assert_eq!(
        ask("SELECT customer_id, spent, lastSeen AS seen FROM customer_data c WHERE EXISTS (
               SELECT 1 FROM events e WHERE e.customer_id = c.customer_id)")
        .await,
        "customer_id,spent,seen\r\nc7,3.0,2024-01-01T00:00:00Z\r\n"
    );
    assert_eq!(
        rows_at(&lake, "SELECT * FROM customer_data LIMIT 1", now, &Customers).await.columns().len(),
        5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_queries_are_answered() {
    let (dir, lake) = fresh().await;
    lake.push_events(0, 1, vec![event(json!({"customer_id": "c"}))]);
    let outside = dir.path().join("x.csv");
    let copy = format!("COPY (SELECT 1) TO '{}'", outside.display());
    let statements = [
        "DROP TABLE events",
        "DELETE FROM events",
        "INSERT INTO events SELECT * FROM events",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "UPDATE events SET source = 'x'",
        "SET datafusion.execution.time_zone = 'CET'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT 1 INTO t",
        "TRUNCATE TABLE events",
        copy.as_str(),
        "EXPLAIN ANALYZE DELETE FROM events",
    ];
    for statement in statements {
        let error = sql_error(&lake, statement).await;
        assert!(error.message.contains("only answers queries"), "{statement}: {error}");
    }
    assert!(!outside.exists());
    for sql in ["SELECT 1; SELECT 2", "", " ; "] {
        sql_error(&lake, sql).await;
    }
    sql_error(&lake, "SELECT * FROM '/etc/passwd'").await;
    assert_eq!(one(&lake, "SELECT count(*) FROM events").await, json!(1));
    assert!(!rows(&lake, "EXPLAIN SELECT * FROM events").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_where_and_what_else() {
    let (_dir, lake) = fresh().await;
    lake.push_events(0, 1, vec![event(json!({"customer_id": "c", "price": 1}))]);
    let at = |line, column| Some(Position { line, column });
    let error = sql_error(&lake, "SELECT *\nFROM events WHERE WHERE").await;
    assert_eq!(error.at.map(|at| at.line), Some(2), "{error}");
    let error = sql_error(&lake, "SELECT count(*),\n  pricee FROM events").await;
    assert_eq!(error.at, at(2, 3), "{error}");
    assert!(error.message.contains("pricee"), "{error}");
    let error = sql_error(&lake, "SELECT 1 FROM event").await;
    assert!(error.message.contains("'event'") && error.hint.as_ref().unwrap().contains("events"), "{error}");
    let error = sql_error(&lake, "SELECT nonsense(price) FROM events").await;
    assert!(error.message.contains("nonsense"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_time_are_limited() {
    let (_dir, lake) = fresh().await;
    let now = time("2024-01-01T00:00:00Z");
    let limits = Limits { rows_max: 10, time_max: Duration::from_secs(20) };
    let ten =
        lake.sql_within("SELECT * FROM generate_series(1, 100000)", now, &NoTables, limits).await.unwrap();
    assert_eq!((ten.len(), ten.is_truncated()), (10, true));
    let all = lake.sql_within("SELECT * FROM generate_series(1, 10)", now, &NoTables, limits).await.unwrap();
    assert_eq!((all.len(), all.is_truncated()), (10, false));
    let limits = Limits { rows_max: 10, time_max: Duration::from_millis(200) };
    let long = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a.value + b.value = 7";
    let error = lake.sql_within(long, now, &NoTables, limits).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_limited_by_spilling_or_refusing() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { memory_limit_bytes: 128 << 20, target_partitions: 2, ..Settings::default() };
    let lake = Lake::open(dir.path(), settings).await.unwrap();
    let now = time("2024-01-01T00:00:00Z");
    let limits = Limits { rows_max: 1, time_max: Duration::from_secs(60) };
    let sorted =
        "SELECT value, repeat('x', 100) || value AS t FROM generate_series(1, 1500000) ORDER BY t DESC";
    let first = lake.sql_within(sorted, now, &NoTables, limits).await.unwrap();
    assert_eq!(first.to_json_rows().unwrap()[0]["value"], json!(999_999));
    let hoard = "SELECT length(string_agg(repeat('x', 100) || value, ',')) FROM generate_series(1, 10000000)";
    let error = lake.sql_within(hoard, now, &NoTables, limits).await.unwrap_err();
    assert!(matches!(error, Error::Memory { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_what_is_in_them_are_in_reach() {
    let (_dir, lake) = fresh().await;
    let order = json!({"event_id": "o", "items": [{"sku": "A", "n": 2}, {"sku": "B"}, {"n": 1}], "tags": ["x", 7, true]});
    lake.push_events(0, 1, vec![event(order)]);
    let cell = async |expression: &str| one(&lake, &format!("SELECT {expression} FROM events")).await;
    assert_eq!(cell("json_text(items, '0.sku')").await, json!("A"));
    assert_eq!(cell("json_text(properties, 'items.1.sku')").await, json!("B"));
    assert_eq!(cell("json_text(items, '9.sku')").await, json!(null));
    assert_eq!(cell("json_text(items, '*.sku')").await, json!(r#"["A","B"]"#));
    assert_eq!(cell("json_length(items, '')").await, json!(3));
    assert_eq!(cell("json_length(items, '*.n')").await, json!(2));
    assert_eq!(cell("json_length(items, '0')").await, json!(null));
    assert_eq!(cell("json_contains(items, '*.sku', 'B')").await, json!(true));
    assert_eq!(cell("json_contains(items, '*.n', 2.0)").await, json!(true));
    assert_eq!(cell("json_contains(items, '*.n', 3)").await, json!(false));
    assert_eq!(cell("json_contains(tags, '', true)").await, json!(true));
    assert_eq!(cell("json_contains(tags, '', CAST(NULL AS VARCHAR))").await, json!(null));
    assert_eq!(cell("json_contains(event_id, '', 'o')").await, json!(null));
}
