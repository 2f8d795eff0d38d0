//! `signalpost import FILE…`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use encoding_rs::Encoding;
use indicatif::{ProgressBar, ProgressStyle};
use signalpost_core::clean::DateOrder;

use super::client::Client;
use crate::import::mapping::Rest;
use crate::import::place::{self, Form};
use crate::import::report::Counts;
use crate::import::rows::Reading;
use crate::import::{self, Import, Kind, Mapping, Progress, WrongMapping};
use crate::settings::{Settings, object_store_options};

/// Import events, people or a catalog from CSV, JSON lines or Parquet.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files, folders, globs ('data/*.csv.gz') or s3://bucket/prefix.
    #[arg(required = true)]
    files: Vec<String>,
    /// What rows become.
    #[arg(long = "as", value_enum, default_value = "events")]
    kind: Kind,
    /// Take a field from a column: customer_id=UserId, traits.city=Town. Repeatable.
    #[arg(long, value_name = "FIELD=COLUMN")]
    map: Vec<String>,
    /// Give a field one value in all rows that have none: event_type=purchase. Repeatable.
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// A TOML file of fields, constants, types and the form of times.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The column that tells the visitors of rows apart that name nobody.
    #[arg(long, value_name = "COLUMN")]
    guest: Option<String>,
    /// Leave out columns that no field takes.
    #[arg(long)]
    only_mapped: bool,
    /// How times are written, as strptime has it: '%d/%m/%Y %H:%M'.
    #[arg(long, value_name = "FORMAT")]
    timestamp_format: Option<String>,
    /// The zone of times that name none: Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// How 04/05/2024 is meant.
    #[arg(long, value_enum)]
    date_order: Option<Order>,
    /// What files are, where their names do not tell.
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// What separates the fields of CSV: one character, or 'tab'; told by the header when not said.
    #[arg(long)]
    delimiter: Option<String>,
    /// The first line of CSV is a row; columns are called 1, 2, …
    #[arg(long)]
    no_header: bool,
    /// The encoding of text that is not UTF-8: windows-1252, utf-16, shift_jis, …
    #[arg(long)]
    encoding: Option<String>,
    /// Rows in a request at most.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Say what would come of it, and keep nothing.
    #[arg(long)]
    dry_run: bool,
    /// Import files once more that were imported already.
    #[arg(long)]
    again: bool,
}

/// How `04/05/2024` is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// 4 May.
    DayFirst,
    /// 5 April.
    MonthFirst,
}

/// Runs the command.
///
/// # Errors
/// When files cannot be read, or the server does not take their rows.
pub async fn run(arguments: Arguments, settings: Settings, json: bool) -> anyhow::Result<ExitCode> {
    match import(arguments, settings, json).await {
        Err(error) if error.chain().any(|cause| cause.is::<WrongMapping>()) => {
            eprintln!("error: {error:#}");
            Ok(ExitCode::from(2))
        }
        other => other,
    }
}

async fn import(arguments: Arguments, settings: Settings, json: bool) -> anyhow::Result<ExitCode> {
    let mapping = Arc::new(arguments.mapping()?);
    let reading = arguments.reading()?;
    let places = place::find(&arguments.files, arguments.format, &object_store_options()).await?;
    let client = Arc::new(Client::connect(settings).await?);
    let mut bar = Bar::new(places.iter().map(|place| place.bytes).sum())?;
    let import = Import {
        places,
        mapping,
        reading,
        batch_rows: arguments.batch as usize,
        dry_run: arguments.dry_run,
        again: arguments.again,
    };
    let outcome = import::run(import, &client, &mut bar).await;
    bar.bar.finish_and_clear();
    if outcome.is_ok() && !arguments.dry_run {
        client.settle(&mut |left| bar.settling(left)).await;
    }
    client.close().await;
    let report = outcome?;
    if json {
        println!("{:#}", report.to_json());
    } else {
        println!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn mapping(&self) -> anyhow::Result<Mapping> {
        let mut mapping = match &self.mapping {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                Mapping::read(self.kind, &text).with_context(|| file.display().to_string())?
            }
            None => Mapping::new(self.kind),
        };
        for text in &self.map {
            mapping.map(text)?;
        }
        for text in &self.set {
            mapping.set(text)?;
        }
        if self.only_mapped {
            mapping.rest = Rest::Drop;
        }
        let order = self.date_order.map(|order| match order {
            Order::DayFirst => DateOrder::DayFirst,
            Order::MonthFirst => DateOrder::MonthFirst,
        });
        let form = &mut mapping.timestamp;
        form.format = self.timestamp_format.clone().or(form.format.take());
        form.zone = self.time_zone.clone().or(form.zone.take());
        form.date_order = order.or(form.date_order);
        mapping.guest = self.guest.clone().or(mapping.guest);
        Ok(mapping)
    }

    fn reading(&self) -> Result<Reading, WrongMapping> {
        let delimiter = match self.delimiter.as_deref() {
            None => None,
            Some("tab" | "\\t") => Some(b'\t'),
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
                _ => {
                    return Err(WrongMapping(format!(
                        "'{text}' separates no fields: say one character, or tab"
                    )));
                }
            },
        };
        let encoding = match self.encoding.as_deref() {
            None => None,
            Some("latin-1" | "latin1") => Some(encoding_rs::WINDOWS_1252),
            Some(label) => Some(Encoding::for_label(label.as_bytes()).ok_or_else(|| {
                WrongMapping(format!("there is no encoding '{label}'; say utf-8, windows-1252, utf-16le, …"))
            })?),
        };
        Ok(Reading { delimiter, no_header: self.no_header, encoding })
    }
}

/// A bar on the terminal.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new(bytes: u64) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(bytes);
        let style =
            ProgressStyle::with_template("{prefix:>10} [{bar:40}] {bytes}/{total_bytes} {eta}  {msg}")?;
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix("importing");
        bar.enable_steady_tick(Duration::from_millis(200));
        Ok(Self { bar })
    }

    fn settling(&self, left: u64) {
        self.bar.set_prefix("working");
        self.bar.set_message(format!("{left} events to go through profiles and segments"));
    }
}

impl Progress for Bar {
    fn reached(&mut self, bytes: u64, counts: Counts) {
        self.bar.set_position(bytes);
        let seconds = self.bar.elapsed().as_secs_f64().max(1e-3);
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no last digit")]
        let rate = counts.rows() as f64 / seconds;
        let mut message = format!("{} rows, {rate:.0} rows/s", counts.rows());
        if counts.quarantined > 0 {
            message.push_str(&format!(", {} quarantined", counts.quarantined));
        }
        self.bar.set_message(message);
    }
}
