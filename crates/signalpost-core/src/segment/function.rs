//! Functions of values, time zones and paths, from the text's own tree to the
//! typed one.

use super::calendar::Zone;
use super::operand::{part, unit, zone};
use super::refusal::{Place, Trouble};
use super::resolve::{Outcome, Resolver};
use super::routine::{Routine, Unit};
use super::syntax::{Call, Kind, Syntax};
use super::tree::{Expression, Type};
use super::{duration, grammar};
use crate::value::Value;

impl Resolver<'_> {
    /// What is made by zones, calendar functions, patterns and paths.
    pub(super) fn made(&mut self, syntax: &Syntax) -> Outcome<Expression> {
        let place = syntax.place;
        match &syntax.kind {
            Kind::AtZone(inner, zone) => {
                let inner = self.plain(inner)?;
                at_zone(inner, zone, place)
            }
            Kind::Part(part, inner) => self.instant_of(Routine::Part(*part), inner),
            Kind::Path(inner, steps) => {
                let inner = self.plain(inner)?;
                if inner.type_of() != Type::Unknown {
                    return Err(Trouble::at(place, "only an object or a list has something inside"));
                }
                Ok(Expression::Path(Box::new(inner), steps.clone()))
            }
            Kind::Match { value, pattern, negated, any_case } => {
                grammar::check_pattern(pattern, *any_case, place)?;
                let value = self.plain(value)?;
                if !matches!(value.type_of(), Type::Text | Type::Unknown) {
                    return Err(Trouble::at(place, "a text was expected before the regular expression")
                        .hint("CAST(x AS TEXT) ~ '…'"));
                }
                let (value, pattern) = (Box::new(value), pattern.as_str().into());
                Ok(Expression::Match { value, pattern, negated: *negated, any_case: *any_case })
            }
            _ => Err(Trouble::at(place, "a value was expected here")),
        }
    }

    fn instant_of(&mut self, routine: Routine, inner: &Syntax) -> Outcome<Expression> {
        let value = self.instant_value(inner)?;
        Ok(Expression::Call(routine, vec![value]))
    }

    fn instant_value(&mut self, syntax: &Syntax) -> Outcome<Expression> {
        let value = self.plain(syntax)?;
        match value {
            Expression::Literal(Value::Text(text)) => {
                Ok(Expression::Literal(duration::instant(&text, syntax.place)?))
            }
            other if matches!(other.type_of(), Type::Time | Type::Wall | Type::Unknown) => Ok(other),
            _ => Err(Trouble::at(syntax.place, "an instant was expected here")),
        }
    }

    /// A call of a function of values; `None` when there is none of that name.
    pub(super) fn routine(&mut self, call: &Call, place: Place) -> Outcome<Option<Expression>> {
        match (call.name.as_str(), call.arguments.as_slice()) {
            ("date_trunc", [name, instant]) => {
                let routine = Routine::Truncate(unit(&text(name)?, name.place)?);
                return self.instant_of(routine, instant).map(Some);
            }
            ("date_trunc", [name, instant, zone_name]) => {
                let unit = unit(&text(name)?, name.place)?;
                let zone = zone(&text(zone_name)?, zone_name.place)?;
                let instant = self.instant_value(instant)?;
                let start = truncated(unit, at_zone(instant, &zone, place)?);
                return at_zone(start, &zone, place).map(Some);
            }
            ("date_part", [name, instant]) => {
                let routine = Routine::Part(part(&text(name)?, name.place)?);
                return self.instant_of(routine, instant).map(Some);
            }
            ("regexp_like", [value, pattern]) => {
                let (value, pattern) = (Box::new(value.clone()), text(pattern)?);
                let kind = Kind::Match { value, pattern, negated: false, any_case: false };
                return self.made(&Syntax { kind, place }).map(Some);
            }
            ("concat", [first, rest @ ..]) => return self.concat(first, rest).map(Some),
            ("||", [left, right]) => {
                let parts = vec![self.joinable(left)?, self.joinable(right)?];
                return Ok(Some(Expression::Call(Routine::Concat, parts)));
            }
            _ => {}
        }
        let Some(routine) = Routine::named(&call.name) else { return Ok(None) };
        let (least, most) = routine.takes();
        if !(least..=most).contains(&call.arguments.len()) {
            let takes = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let given = call.arguments.len();
            return Err(Trouble::at(place, format!("{} takes {takes} values, not {given}", call.name)));
        }
        let mut parts = Vec::with_capacity(call.arguments.len());
        for (index, argument) in call.arguments.iter().enumerate() {
            parts.push(self.typed(routine, index, argument, &call.name)?);
        }
        Ok(Some(days(routine, parts)))
    }

    fn typed(
        &mut self,
        routine: Routine,
        index: usize,
        argument: &Syntax,
        name: &str,
    ) -> Outcome<Expression> {
        let wanted = routine.wants(index);
        if wanted == Type::Time {
            return self.instant_value(argument);
        }
        let value = self.plain(argument)?;
        let given = value.type_of();
        let fits = wanted == Type::Unknown || given == Type::Unknown || given == wanted;
        if fits {
            return Ok(value);
        }
        let expected = match wanted {
            Type::Text => "a text",
            Type::Number => "a number",
            _ => "another type",
        };
        let hint = if wanted == Type::Text { "CAST(x AS TEXT)" } else { "CAST(x AS DOUBLE)" };
        Err(Trouble::at(argument.place, format!("{name} takes {expected} here")).hint(hint))
    }

    /// `concat(…)` passes over what is null; `||` is null where a side is.
    fn concat(&mut self, first: &Syntax, rest: &[Syntax]) -> Outcome<Expression> {
        let empty = || Expression::Literal(Value::from(""));
        let mut joined = Expression::Coalesce(vec![self.joinable(first)?, empty()]);
        if rest.len() > 15 {
            return Err(Trouble::at(first.place, "concat takes at most 16 values"));
        }
        for part in rest {
            let part = Expression::Coalesce(vec![self.joinable(part)?, empty()]);
            joined = Expression::Call(Routine::Concat, vec![joined, part]);
        }
        Ok(joined)
    }

    fn joinable(&mut self, syntax: &Syntax) -> Outcome<Expression> {
        let value = self.plain(syntax)?;
        match value.type_of() {
            Type::Text | Type::Unknown => Ok(value),
            _ => Err(Trouble::at(syntax.place, "a text was expected here").hint("CAST(x AS TEXT)")),
        }
    }
}

fn text(syntax: &Syntax) -> Outcome<String> {
    match &syntax.kind {
        Kind::Literal(Value::Text(text)) => Ok(text.to_string()),
        _ => Err(Trouble::at(syntax.place, "a text in single quotes was expected here")),
    }
}

/// The beginning of the unit that an instant or a wall-clock time lies in.
pub(super) fn truncated(unit: Unit, inner: Expression) -> Expression {
    Expression::Call(Routine::Truncate(unit), vec![inner])
}

/// `x AT TIME ZONE '…'`: of an instant what clocks show, of what clocks show
/// the instant. A constant is what clocks show.
pub(super) fn at_zone(inner: Expression, zone: &Zone, place: Place) -> Outcome<Expression> {
    let shown = match &inner {
        Expression::Literal(Value::Time(shown)) => Some(*shown),
        Expression::Literal(Value::Text(text)) => duration::instant(text, place)?.as_time(),
        _ => None,
    };
    if let Some(shown) = shown {
        return match zone.instant(shown) {
            Some((instant, _)) => Ok(Expression::Literal(Value::Time(instant))),
            None => Err(Trouble::at(place, "the calendar does not reach that far")),
        };
    }
    match inner.type_of() {
        Type::Wall => Ok(Expression::FromWall(Box::new(inner), zone.clone())),
        Type::Time | Type::Unknown => Ok(Expression::ToWall(Box::new(inner), zone.clone())),
        _ => Err(Trouble::at(place, "only an instant can be seen in a time zone")
            .hint("now() AT TIME ZONE 'Europe/Berlin'")),
    }
}

/// Functions that count days are given days: their answers then change with
/// the calendar and not with every instant.
fn days(routine: Routine, mut parts: Vec<Expression>) -> Expression {
    if !matches!(routine, Routine::DaysBetween | Routine::DaysUntilAnniversary) {
        return Expression::Call(routine, parts);
    }
    if parts.len() == 1 {
        parts.push(Expression::Today);
    }
    let day = |part: Expression| match &part {
        Expression::Today
        | Expression::Call(Routine::Truncate(Unit::Day), _)
        | Expression::Literal(_)
        | Expression::Attribute(_) => part,
        _ => truncated(Unit::Day, part),
    };
    Expression::Call(routine, parts.into_iter().map(day).collect())
}
