//! Which columns a query may mean, and which `*` stands for columns.

use super::words;

#[test]
fn stars() {
    let cases = [
        ("SELECT * FROM events", true),
        ("SELECT e.* FROM events e", true),
        ("SELECT DISTINCT * FROM t", true),
        ("SELECT a, * FROM t", true),
        ("SELECT count(*) FROM t", false),
        ("SELECT count( * ), a * b, (a) * 2, 3 * a FROM t", false),
        ("SELECT '*' FROM t -- *", false),
    ];
    for (sql, expected) in cases {
        assert_eq!(words(sql).1, expected, "{sql}");
    }
}
