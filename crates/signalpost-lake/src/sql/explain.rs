//! DataFusion's errors in words a marketer can act on, with the place.

use deltalake::datafusion::common::{DataFusionError, Location};

use crate::error::{Error, Position, SqlError};

/// Turns an error of planning or running `sql` into the lake's own.
pub(super) fn error(error: DataFusionError, sql: &str) -> Error {
    if let DataFusionError::ResourcesExhausted(message) = error.find_root() {
        return Error::Memory { message: first_line(message).to_owned() };
    }
    let at = error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| {
        let Location { line, column } = span.start;
        Position { line, column }
    });
    let notes = error.diagnostic().map(|diagnostic| {
        let notes = diagnostic.notes.iter().map(|note| note.message.as_str());
        let helps = diagnostic.helps.iter().map(|help| help.message.as_str());
        notes.chain(helps).collect::<Vec<_>>().join("; ")
    });
    let message = message(&error);
    let at = at.or_else(|| written_place(&message)).or_else(|| quoted_place(&message, sql));
    let message = strip_place(&message);
    let notes = notes.filter(|notes| !notes.is_empty());
    match message.strip_prefix("Schema error: ").unwrap_or(message).split_once("\nValid fields are ") {
        Some((message, columns)) => {
            let columns = format!("the columns are {}", columns.trim_end_matches('.'));
            Error::Sql(SqlError { message: message.to_owned(), at, hint: Some(columns) })
        }
        None => Error::Sql(SqlError { message: message.to_owned(), at, hint: notes }),
    }
}

fn message(error: &DataFusionError) -> String {
    let text = match error.find_root() {
        DataFusionError::SQL(error, _) => error.to_string(),
        DataFusionError::Plan(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Execution(text) => text.clone(),
        other => other.strip_backtrace(),
    };
    let text = text.strip_prefix("sql parser error: ").unwrap_or(&text);
    let text = text.strip_prefix("SQL error: ").unwrap_or(text);
    text.trim().to_owned()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The place that the parser writes at the end: `… at Line: 1, Column: 8`.
fn written_place(message: &str) -> Option<Position> {
    let (_, place) = message.rsplit_once("Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some(Position { line: digits(line)?, column: digits(column)? })
}

fn strip_place(message: &str) -> &str {
    message.rsplit_once(" at Line: ").map_or(message, |(text, _)| text)
}

/// The place of the first name that the message quotes, when the text has it
/// just once.
fn quoted_place(message: &str, sql: &str) -> Option<Position> {
    let name = message.split(['\'', '"', '`']).nth(1)?;
    let name = name.rsplit('.').next()?;
    let mut places = sql.match_indices(name);
    let (at, _) = places.next()?;
    if name.is_empty() || places.next().is_some() {
        return None;
    }
    let before = sql.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..)?.chars().count() + 1;
    Some(Position { line: u64::try_from(line).ok()?, column: u64::try_from(column).ok()? })
}
