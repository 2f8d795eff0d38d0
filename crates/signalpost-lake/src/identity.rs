//! Whose an anonymous event is: links of devices to customers, held in memory.
//!
//! An event that named no customer and was received at `r` belongs to the
//! customer of the latest link of its device at or before `r`, else of the
//! earliest link after. A query sees the links that were there when it began,
//! by number, without copying them.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use deltalake::arrow::array::{Array, AsArray, RecordBatch, StringViewBuilder};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, TimestampMicrosecondType};
use deltalake::datafusion::common::{DataFusionError, Result};
use deltalake::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use signalpost_core::time::Timestamp;

use crate::row::{Columns, Row};
use crate::table::Table;

/// A link: from `linked_at` on, the device is the customer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRow {
    /// The device.
    pub anonymous_id: String,
    /// The customer.
    pub customer_id: String,
    /// When the link was received.
    pub linked_at: Timestamp,
}

impl Row for IdentityRow {
    const TABLE: Table = Table::Identities;

    fn fill(&self, columns: &mut Columns) {
        columns.text(&self.anonymous_id);
        columns.text(&self.customer_id);
        columns.time(self.linked_at);
    }
}

#[derive(Debug)]
struct Link {
    at: i64,
    /// How many links were known before this one.
    number: u64,
    customer: Arc<str>,
}

/// All links, by device, in the order they came to hold.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_device: HashMap<Box<str>, Vec<Link>>,
    count: u64,
}

impl Links {
    /// Adds a link.
    pub(crate) fn add(&mut self, device: &str, customer: &str, at: i64) {
        let link = Link { at, number: self.count, customer: customer.into() };
        self.count += 1;
        match self.by_device.get_mut(device) {
            Some(links) => {
                let place = links.partition_point(|held| held.at <= at);
                links.insert(place, link);
            }
            None => {
                self.by_device.insert(device.into(), vec![link]);
            }
        }
    }

    /// Adds what the `identities` table holds.
    pub(crate) fn add_batch(&mut self, batch: &RecordBatch) -> Option<()> {
        let devices = cast(batch.column_by_name("anonymous_id")?, &DataType::Utf8View).ok()?;
        let customers = cast(batch.column_by_name("customer_id")?, &DataType::Utf8View).ok()?;
        let times = batch.column_by_name("linked_at")?.as_primitive_opt::<TimestampMicrosecondType>()?;
        let rows = devices.as_string_view().iter().zip(customers.as_string_view()).zip(times);
        for ((device, customer), at) in rows {
            if let (Some(device), Some(customer), Some(at)) = (device, customer, at) {
                self.add(device, customer, at);
            }
        }
        Some(())
    }

    /// Forgets a customer's links made by `until`. Numbers already given stay as
    /// they are.
    pub(crate) fn remove(&mut self, customer: &str, until: i64) {
        self.by_device.retain(|_, links| {
            links.retain(|link| link.at > until || *link.customer != *customer);
            !links.is_empty()
        });
    }

    /// How many links were ever known.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The owner of an event of `device` received at `at`, by the first
    /// `count` links.
    fn owner(&self, device: &str, at: i64, count: u64) -> Option<&str> {
        let links = self.by_device.get(device)?;
        let until = links.partition_point(|link| link.at <= at);
        let (before, after) = links.split_at_checked(until)?;
        let known = |link: &&Link| link.number < count;
        let link = before.iter().rev().find(known).or_else(|| after.iter().find(known))?;
        Some(&link.customer)
    }
}

/// The function `owner(customer_id, anonymous_id, received_at)` over the links
/// known now.
pub(crate) fn owner_function(links: &Arc<RwLock<Links>>) -> ScalarUDF {
    let count = links.read().unwrap_or_else(PoisonError::into_inner).count();
    let signature = Signature::any(3, Volatility::Immutable);
    ScalarUDF::from(Owner { links: Arc::clone(links), count, signature })
}

#[derive(Debug)]
struct Owner {
    links: Arc<RwLock<Links>>,
    count: u64,
    signature: Signature,
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && Arc::ptr_eq(&self.links, &other.links)
    }
}

impl Eq for Owner {}

impl Hash for Owner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.count.hash(state);
    }
}

impl ScalarUDFImpl for Owner {
    fn name(&self) -> &'static str {
        "owner"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [customers, devices, times] = arrays.as_slice() else {
            return Err(DataFusionError::Plan("owner takes a customer, a device and a time".into()));
        };
        let customers = cast(customers, &DataType::Utf8View)?;
        if customers.null_count() == 0 {
            return Ok(ColumnarValue::Array(customers));
        }
        let devices = cast(devices, &DataType::Utf8View)?;
        let Some(times) = times.as_primitive_opt::<TimestampMicrosecondType>() else {
            return Err(DataFusionError::Plan("owner takes a time in microseconds".into()));
        };
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        let mut owners = StringViewBuilder::with_capacity(customers.len());
        for ((customer, device), at) in
            customers.as_string_view().iter().zip(devices.as_string_view()).zip(times)
        {
            let linked = || links.owner(device?, at?, self.count);
            owners.append_option(customer.or_else(linked));
        }
        drop(links);
        Ok(ColumnarValue::Array(Arc::new(owners.finish())))
    }
}

#[cfg(test)]
mod tests;
