//! Functions of values, time zones and paths as DataFusion writes them.
//!
//! In: the function, and its values as SQL. Out: SQL that gives the same. What
//! is inside a list is read by the lake's own functions `json_length(json, path)`
//! and `json_contains(json, path, value)`, and zones' clocks by `wall_clock` and `instant_at`.

use super::print::quoted;
use super::routine::Routine;
use super::tree::Step;

/// A call, with its values written.
pub(super) fn call(routine: Routine, values: &[String]) -> String {
    let value = |place: usize| values.get(place).map_or("NULL", |value| value);
    let all = || values.join(", ");
    match routine {
        Routine::Truncate(unit) => format!("date_trunc('{}', {})", unit.name(), all()),
        Routine::Part(part) => format!("date_part('{}', {})", part.name(), all()),
        Routine::Length => format!("character_length({})", all()),
        Routine::Concat => format!("({} || {})", value(0), value(1)),
        Routine::Substring => format!("substr({})", all()),
        // Of a number that is zero nothing is left, as of one that is absent.
        Routine::Modulo => format!("({} % NULLIF({}, 0))", value(0), value(1)),
        Routine::DaysBetween => {
            format!("(({} - {}) / 86400)", epoch(value(1)), epoch(value(0)))
        }
        Routine::DaysUntilAnniversary => anniversary(value(0), value(1)),
        Routine::ListLength => format!("json_length({}, '')", all()),
        Routine::ListContains => format!("json_contains({}, '', {})", value(0), value(1)),
        Routine::Absolute
        | Routine::Round
        | Routine::Floor
        | Routine::Greatest
        | Routine::Least
        | Routine::Replace
        | Routine::StartsWith
        | Routine::EndsWith
        | Routine::Contains
        | Routine::Left
        | Routine::Right
        | Routine::SplitPart => format!("{}({})", routine.name(), all()),
        Routine::Trim => format!("btrim({})", all()),
        Routine::TrimStart => format!("ltrim({})", all()),
        Routine::TrimEnd => format!("rtrim({})", all()),
        Routine::Position => format!("strpos({})", all()),
        Routine::Ceiling => format!("ceil({})", all()),
    }
}

/// Seconds of a day's midnight since 1970, as a whole number.
fn epoch(day: &str) -> String {
    format!("CAST(date_part('epoch', CAST({day} AS DATE)) AS BIGINT)")
}

/// Days to the next anniversary: this year's, or next year's where that is over.
fn anniversary(date: &str, on: &str) -> String {
    let part = |name: &str, of: &str| format!("CAST(date_part('{name}', CAST({of} AS DATE)) AS INT)");
    let (month, day) = (part("month", date), part("day", date));
    let in_year = |year: &str| {
        let leap = format!("(({year}) % 4 = 0 AND (({year}) % 100 <> 0 OR ({year}) % 400 = 0))");
        let kept = format!("CASE WHEN {month} = 2 AND {day} = 29 AND NOT {leap} THEN 28 ELSE {day} END");
        format!("make_date({year}, {month}, {kept})")
    };
    let year = part("year", on);
    let (this, next) = (in_year(&year), in_year(&format!("{year} + 1")));
    let chosen = format!("CASE WHEN {this} < CAST({on} AS DATE) THEN {next} ELSE {this} END");
    format!("(({} - {}) / 86400)", epoch(&chosen), epoch(on))
}

/// `x AT TIME ZONE '…'` of an instant: what clocks show.
pub(super) fn to_wall(instant: &str, zone: &str) -> String {
    format!("wall_clock({instant}, {})", quoted(zone, '\''))
}

/// The instant at which clocks show a time.
pub(super) fn from_wall(wall: &str, zone: &str) -> String {
    format!("instant_at({wall}, {})", quoted(zone, '\''))
}

/// A path as the lake's functions take it: `a.0.b`, `*` for every value.
pub(super) fn path(steps: &[Step]) -> String {
    let steps: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.to_string(),
            Step::Index(index) => index.to_string(),
            Step::Each => "*".to_owned(),
        })
        .collect();
    steps.join(".")
}
