//! The tables of one query: those of the lake, `events` with its owners and
//! property columns, and the program's own.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake::datafusion::catalog::{SchemaProvider, TableProvider};
use deltalake::datafusion::common::DataFusionError;
use deltalake::datafusion::datasource::{MemTable, ViewTable, provider_as_source};
use deltalake::datafusion::execution::SessionState;
use deltalake::datafusion::functions::expr_fn::{coalesce, concat};
use deltalake::datafusion::logical_expr::LogicalPlanBuilder;
use deltalake::datafusion::prelude::{Expr, ident, lit};

use crate::error::{Error, SqlError};
use crate::identity::owner_function;
use crate::lake::Lake;
use crate::live::{ColumnType, KeptColumns, LiveTable, LiveTables};
use crate::scan::Snapshot;
use crate::table::Table;

use super::statement::Query;
use super::{explain, plain_name};

/// The events that `events` shows, and those of automatons.
pub(super) const EVENTS_ALL: &str = "events_all";

/// Gives the session every table that the query names.
pub(super) fn register(
    state: &SessionState,
    lake: &Lake,
    query: &Query,
    snapshots: Vec<(Table, Snapshot)>,
    live: &dyn LiveTables,
) -> Result<(), Error> {
    let failed = |error: DataFusionError| explain::error(error, "");
    let schema = state.schema_for_ref("events").map_err(failed)?;
    let mut held: Vec<&str> = Vec::new();
    for (table, snapshot) in snapshots {
        let snapshot = Arc::new(snapshot);
        let mut providers: Vec<(&str, Arc<dyn TableProvider>)> = Vec::new();
        match table {
            Table::Events => {
                for name in [table.name(), EVENTS_ALL] {
                    let view = events(lake, query, Arc::clone(&snapshot), name).map_err(failed)?;
                    providers.push((name, Arc::new(view)));
                }
            }
            Table::Memberships | Table::Deliveries | Table::Identities => {
                providers.push((table.name(), snapshot));
            }
        }
        for (name, provider) in providers {
            schema.register_table(name.to_owned(), provider).map_err(failed)?;
            held.push(name);
        }
    }
    for reference in &query.tables {
        let Some(name) = plain_name(reference) else { continue };
        if held.contains(&name) || schema.table_exist(name) || state.table_functions().contains_key(name) {
            continue;
        }
        match live.table(name) {
            Some(table) => register_live(schema.as_ref(), name, table, query, lake.kept_columns())?,
            None => return Err(unknown(name, live).into()),
        }
    }
    Ok(())
}

fn unknown(name: &str, live: &dyn LiveTables) -> SqlError {
    let mut names: Vec<String> = Table::ALL.iter().map(|table| table.name().to_owned()).collect();
    names.push(EVENTS_ALL.to_owned());
    names.extend(live.names());
    names.sort();
    names.dedup();
    SqlError {
        message: format!("there is no table '{name}'"),
        at: None,
        hint: Some(format!("the tables are {}", names.join(", "))),
    }
}

fn register_live(
    schema: &dyn SchemaProvider,
    name: &str,
    table: LiveTable<'_>,
    query: &Query,
    kept: &KeptColumns,
) -> Result<(), Error> {
    let failed = |error: DataFusionError| explain::error(error, "");
    let first = table.columns.first().map(|(name, _)| name.clone());
    let names: Vec<String> = table.columns.iter().map(|(name, _)| name.clone()).collect();
    let hidden = table.columns.iter().filter(|(_, kind)| *kind == ColumnType::Json);
    let hidden: HashSet<String> = hidden.map(|(name, _)| name.clone()).collect();
    let any = names.iter().any(|name| !query.names_for(name).is_empty());
    let wanted = |column: &str| {
        if hidden.contains(column) {
            return query.says(column).then(|| column.to_owned());
        }
        let said = query.names_for(column);
        match said.into_iter().find(|said| said == column || !names.contains(said)) {
            // A count needs rows, and rows need a column.
            None if !any && first.as_deref() == Some(column) => Some(column.to_owned()),
            said => said,
        }
    };
    let (columns, batches) = table.read(wanted, kept)?;
    let provider = MemTable::try_new(columns, vec![batches]).map_err(failed)?;
    schema.register_table(name.to_owned(), Arc::new(provider)).map_err(failed)?;
    Ok(())
}

/// `events`, or [`EVENTS_ALL`], as a view over its snapshot.
fn events(
    lake: &Lake,
    query: &Query,
    snapshot: Arc<Snapshot>,
    name: &str,
) -> Result<ViewTable, DataFusionError> {
    let mut scan = LogicalPlanBuilder::scan(name, provider_as_source(snapshot), None)?;
    if name != EVENTS_ALL {
        scan = scan.filter(ident("marked_bot").is_null())?;
    }
    let customer = if lake.has_links() {
        let owner = Arc::new(owner_function(lake.links()));
        let columns = ["customer_id", "anonymous_id", "received_at"].map(ident);
        owner.call(columns.to_vec())
    } else {
        ident("customer_id")
    };
    let device = concat(vec![lit("anonymous:"), ident("anonymous_id")]);
    let mut columns: Vec<Expr> = vec![
        ident("event_id"),
        ident("event_type"),
        customer.clone().alias("customer_id"),
        ident("anonymous_id"),
        coalesce(vec![customer, device]).alias("profile_id"),
        ident("timestamp"),
        ident("timestamp").alias("event_time"),
    ];
    columns.extend(["received_at", "product_id", "source", "properties", "traits", "context"].map(ident));
    if query.says("raw_customer_id") {
        columns.push(ident("customer_id").alias("raw_customer_id"));
    }
    if name == EVENTS_ALL {
        columns.push(ident("marked_bot"));
    }
    columns.extend(["log_partition", "log_offset"].into_iter().filter(|name| query.says(name)).map(ident));
    let known = lake.properties();
    for (name, kind) in &known {
        for said in query.names_for(name) {
            if *said == **name || !known.contains_key(said.as_str()) && !is_taken(&said) {
                let read = kind.function().call(vec![ident("properties"), lit(name.to_string())]);
                columns.push(read.alias(said));
            }
        }
    }
    Ok(ViewTable::new(scan.project(columns)?.build()?, None))
}

fn is_taken(name: &str) -> bool {
    matches!(name, "event_time" | "profile_id" | "raw_customer_id")
        || Table::Events.columns().iter().any(|(column, _)| *column == name)
}
