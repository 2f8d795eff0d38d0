//! Tables of the past are found, and nothing else is touched.

use super::named;

fn check(sql: &str, expected: &str) {
    assert_eq!(named(sql).unwrap(), expected, "{sql}");
}

const THEN: &str = "\"customer_data@2026-04-10T12:00:00Z\"";

#[test]
fn a_table_of_the_past_is_named_by_its_instant() {
    let instant = "'2026-04-10T12:00:00Z'";
    check(
        &format!("SELECT age FROM customer_data FOR SYSTEM_TIME AS OF TIMESTAMP {instant} WHERE age > 3"),
        &format!("SELECT age FROM {THEN} AS customer_data WHERE age > 3"),
    );
    check(
        &format!(
            "select c.age from customer_data as of {instant} c join customer_data n on n.customer_id = c.customer_id"
        ),
        &format!("select c.age from {THEN} c join customer_data n on n.customer_id = c.customer_id"),
    );
    check(
        &format!("SELECT 1 FROM customer_data_at( {instant} ) AS then, customer_data_at({instant})"),
        &format!("SELECT 1 FROM {THEN} AS then, {THEN} AS customer_data"),
    );
    check(
        "SELECT 1 FROM customer_data AS OF '2026-04-10' x",
        "SELECT 1 FROM \"customer_data@2026-04-10T00:00:00Z\" x",
    );
    check(
        "SELECT 1 FROM customer_data AS OF '2026-04-10 01:00:00'",
        "SELECT 1 FROM \"customer_data@2026-04-10T01:00:00Z\" AS customer_data",
    );
}

#[test]
fn other_queries_are_left_as_they_are() {
    for sql in [
        "SELECT * FROM customer_data AS of",
        "SELECT 'customer_data AS OF ''x''' FROM events",
        "SELECT * FROM customer_data -- as of 'x'\nWHERE a = 'of'",
        "SELECT * FROM events FOR SYSTEM_TIME AS OF TIMESTAMP '2026-04-10T12:00:00Z'",
        "SELECT '",
    ] {
        check(sql, sql);
    }
    assert!(named("SELECT 1 FROM customer_data AS OF 'yesterday'").is_err());
}
