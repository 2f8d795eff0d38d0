//! SQL functions of time zones, with the rules that live segments go by.
//!
//! | function | gives |
//! |---|---|
//! | `wall_clock(instant, 'zone')` | what the zone's clocks show at an instant; without a zone |
//! | `instant_at(wall, 'zone')` | the instant at which they show a time |
//!
//! `AT TIME ZONE` knows no answer for a time that clocks show twice or never;
//! here the first one counts, and as much later as they are put forward.

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use deltalake::datafusion::common::{DataFusionError, Result, ScalarValue};
use deltalake::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use signalpost_core::segment::Zone;
use signalpost_core::time::Timestamp;

/// Both functions.
pub(crate) fn functions() -> [ScalarUDF; 2] {
    let signature = || Signature::any(2, Volatility::Immutable);
    [
        ScalarUDF::from(Clock { name: "wall_clock", shows: true, signature: signature() }),
        ScalarUDF::from(Clock { name: "instant_at", shows: false, signature: signature() }),
    ]
}

/// What clocks show, or when they show it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Clock {
    name: &'static str,
    shows: bool,
    signature: Signature,
}

impl Clock {
    fn zone(&self) -> Option<Arc<str>> {
        (!self.shows).then(|| "UTC".into())
    }
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, self.zone()))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let wrong = || DataFusionError::Plan(format!("{} takes an instant and a zone's name", self.name));
        let [instants, ColumnarValue::Scalar(name)] = arguments.args.as_slice() else { return Err(wrong()) };
        let name = name.try_as_str().flatten().ok_or_else(wrong)?;
        let zone = Zone::named(name)
            .ok_or_else(|| DataFusionError::Plan(format!("there is no time zone '{name}'")))?;
        let is_scalar = matches!(instants, ColumnarValue::Scalar(_));
        let held = instants.to_array(if is_scalar { 1 } else { arguments.number_rows })?;
        // Microseconds, of whatever zone the type names.
        let unit = match held.data_type() {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            _ => DataType::Timestamp(TimeUnit::Microsecond, None),
        };
        let held = cast(&held, &unit)?;
        let moved = held.as_primitive::<TimestampMicrosecondType>().iter().map(|at| {
            let at = Timestamp::from_micros(at?);
            let moved = if self.shows { zone.wall(at) } else { zone.instant(at).map(|(instant, _)| instant) };
            moved.map(Timestamp::as_micros)
        });
        let column: TimestampMicrosecondArray = moved.collect();
        let column: ArrayRef = Arc::new(column.with_timezone_opt(self.zone()));
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?));
        }
        Ok(ColumnarValue::Array(column))
    }
}
