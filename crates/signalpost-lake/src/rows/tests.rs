//! Rows in each of their forms.

use std::sync::Arc;

use deltalake::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use deltalake::arrow::datatypes::Int32Type;
use serde_json::{Value, json};

use super::Rows;

fn rows() -> Rows {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let columns: [(&str, ArrayRef); 9] = [
        ("text", Arc::new(StringViewArray::from(vec![Some("a,\"b\""), None]))),
        ("whole", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
        ("big", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("real", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
        ("truth", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_300_000_000_000_001), None]).with_timezone("UTC"),
            ),
        ),
        (
            "money",
            Arc::new(
                Decimal128Array::from(vec![Some(12_345), None]).with_precision_and_scale(10, 2).unwrap(),
            ),
        ),
        ("day", Arc::new(Date32Array::from(vec![Some(15_000), None]))),
        ("list", Arc::new(list)),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    Rows::new(batch.schema(), vec![batch], false)
}

#[test]
fn json_has_numbers_as_numbers_and_rfc3339() {
    let rows = rows().to_json_rows().unwrap();
    let expected = json!({
        "text": "a,\"b\"", "whole": i64::MIN, "big": u64::MAX, "real": 0.5, "truth": true,
        "at": "2011-03-13T07:06:40.000001Z", "money": 123.45, "day": "2011-01-26", "list": [1, null],
    });
    assert_eq!(Value::Object(rows[0].clone()), expected);
    assert!(rows[1].values().all(Value::is_null));
}

#[test]
fn csv_quotes_and_leaves_null_empty() {
    let csv = rows().to_csv().unwrap();
    let mut lines = csv.split("\r\n");
    assert_eq!(lines.next(), Some("text,whole,big,real,truth,at,money,day,list"));
    assert_eq!(
        lines.next(),
        Some(
            "\"a,\"\"b\"\"\",-9223372036854775808,18446744073709551615,0.5,true,2011-03-13T07:06:40.000001Z,123.45,2011-01-26,\"[1,null]\""
        )
    );
    assert_eq!(lines.next(), Some(",,,,,,,,"));
}

#[test]
fn text_table_has_a_rule_and_aligned_numbers() {
    let table = rows().to_table_text().unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("text  "));
    assert!(lines[1].starts_with('─'));
    assert!(lines[2].contains("  -9223372036854775808  "));
}

#[test]
fn parquet_and_arrow_read_back() {
    use deltalake::arrow::ipc::reader::StreamReader;
    use deltalake::parquet::file::reader::{FileReader, SerializedFileReader};
    let rows = rows();
    let ipc = rows.to_arrow_ipc().unwrap();
    let read: Vec<RecordBatch> =
        StreamReader::try_new(ipc.as_slice(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&path, rows.to_parquet().unwrap()).unwrap();
    let reader = SerializedFileReader::new(path.reopen().unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 2);
}
