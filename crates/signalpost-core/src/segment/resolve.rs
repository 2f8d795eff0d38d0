//! From the text's own tree to the typed tree: names find their trait, column
//! or function, lengths of time find their instant, kinds are checked.

use super::duration;
use super::refusal::{Note, Place, Trouble};
use super::schema::Schema;
use super::syntax::{Kind, Syntax};
use super::tree::{Comparison, Expression, Operator, Type};
use crate::time::Span;
use crate::value::Value;

/// What a name may stand for at a place in the text.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    /// The profile's row, with its alias.
    Profile(Option<String>),
    /// The event a `FROM events` runs over, with its alias.
    Events(Option<String>),
    /// The event that the conditions of an IF rule speak of.
    Free,
}

/// What a piece of text came to.
pub(super) enum Resolved {
    Plain(Expression),
    Span(Span),
    /// Months of the calendar.
    Months(i32),
    /// One instant less another: only fit to be compared with a span.
    Difference(Expression, Expression),
}

/// Carries what is known while a tree is resolved.
pub(super) struct Resolver<'s> {
    pub(super) schema: &'s Schema,
    pub(super) scopes: Vec<Scope>,
    pub(super) notes: &'s mut Vec<Note>,
    /// Whether an unknown bare name of an IF rule belongs to the event.
    pub(super) beside_event: bool,
    /// Inside HAVING or the items of a subquery: the events' scope and which
    /// of them count, for the aggregates there.
    pub(super) grouped: Option<(Scope, Expression)>,
    /// Whether what can never hold is refused; what is stored was taken once.
    pub(super) strict: bool,
    /// Aggregates met so far.
    pub(super) aggregates: usize,
}

pub(super) type Outcome<T> = Result<T, Trouble>;

impl Resolver<'_> {
    /// An expression that is true, false or null.
    pub(super) fn truth(&mut self, syntax: &Syntax) -> Outcome<Expression> {
        let expression = self.plain(syntax)?;
        match expression.type_of() {
            Type::Truth | Type::Unknown => Ok(expression),
            _ => Err(Trouble::at(syntax.place, "a condition was expected here, not a value")
                .hint("compare the value with something, as in age >= 18")),
        }
    }

    /// An expression that is a value.
    pub(super) fn plain(&mut self, syntax: &Syntax) -> Outcome<Expression> {
        match self.resolve(syntax)? {
            Resolved::Plain(expression) => Ok(expression),
            Resolved::Span(_) | Resolved::Months(_) => {
                Err(Trouble::at(syntax.place, "a length of time cannot stand alone")
                    .hint("add it to an instant or take it from one: now() - 24 hours"))
            }
            Resolved::Difference(..) => Err(Trouble::at(
                syntax.place,
                "the time between two instants can only be compared with a length",
            )
            .hint("now() - last_seen > 7 days")),
        }
    }

    fn boxed(&mut self, syntax: &Syntax) -> Outcome<Box<Expression>> {
        self.plain(syntax).map(Box::new)
    }

    fn resolve(&mut self, syntax: &Syntax) -> Outcome<Resolved> {
        let place = syntax.place;
        Ok(Resolved::Plain(match &syntax.kind {
            Kind::Duration(span) => return Ok(Resolved::Span(*span)),
            Kind::Months(months) => return Ok(Resolved::Months(*months)),
            Kind::Arithmetic(operator, left, right) => return self.arithmetic(*operator, left, right, place),
            Kind::Negative(inner) => return self.negative(inner),
            Kind::Literal(value) => Expression::Literal(value.clone()),
            Kind::Name { parts, quoted } => {
                let found = self.name(parts, *quoted, place)?;
                self.note_name(&found, place);
                found
            }
            Kind::Column { name, depth } => self.column_at(name, *depth, place)?,
            Kind::Star => return Err(Trouble::at(place, "* can only stand in count(*)")),
            Kind::Call(call) => self.call(call, place)?,
            Kind::Not(inner) => Expression::Not(Box::new(self.truth(inner)?)),
            Kind::And(parts) => {
                let outside = self.beside_event;
                self.beside_event = outside || parts.iter().any(|part| self.names_event(part));
                let parts = parts.iter().map(|part| self.truth(part)).collect::<Outcome<Vec<_>>>();
                self.beside_event = outside;
                Expression::all(parts?)
            }
            Kind::Or(parts) => {
                Expression::any(parts.iter().map(|part| self.truth(part)).collect::<Outcome<Vec<_>>>()?)
            }
            Kind::Compare(comparison, left, right) => self.compare(*comparison, left, right, place)?,
            Kind::Between { value, low, high, negated } => {
                self.between([value, low, high], *negated, place)?
            }
            Kind::InList { value, list, negated } => self.in_list(value, list, *negated)?,
            Kind::InQuery { value, query, negated } => self.in_query(value, query, *negated)?,
            Kind::Like { value, pattern, negated, any_case } => {
                let value = self.with_event(&[value], |own| own.boxed(value))?;
                Expression::Like {
                    value,
                    pattern: pattern.as_str().into(),
                    negated: *negated,
                    any_case: *any_case,
                }
            }
            Kind::Is { value, what, negated } => {
                let value = self.with_event(&[value], |own| own.boxed(value))?;
                Expression::Is { value, what: *what, negated: *negated }
            }
            Kind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())?
            }
            Kind::Cast(value, to) => Expression::Cast(self.boxed(value)?, *to),
            Kind::AtZone(..) | Kind::Part(..) | Kind::Path(..) => self.made(syntax)?,
            Kind::Match { value, .. } => self.with_event(&[value], |own| own.made(syntax))?,
            Kind::Phrase(phrase) => self.phrase(phrase, place)?,
            Kind::Exists(query) => self.exists(query)?,
            Kind::Query(query) => self.scalar_query(query)?,
        }))
    }

    /// Resolves with the knowledge that the parts stand in one condition: an
    /// unknown name beside an event's column is that event's property.
    fn with_event<T>(
        &mut self,
        parts: &[&Syntax],
        resolve: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let outside = self.beside_event;
        self.beside_event = outside || parts.iter().any(|part| self.names_event(part));
        let result = resolve(self);
        self.beside_event = outside;
        result
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Syntax,
        right: &Syntax,
        place: Place,
    ) -> Outcome<Expression> {
        let sides = self.with_event(&[left, right], |own| Ok((own.resolve(left)?, own.resolve(right)?)))?;
        let (left, right) = match sides {
            (Resolved::Plain(left), Resolved::Plain(right)) => (left, right),
            // a - b > span is b < a - span, and so on.
            (Resolved::Difference(a, b), Resolved::Span(span)) => {
                return Ok(Expression::Compare(
                    comparison.mirrored(),
                    Box::new(b),
                    Box::new(shifted(a, span.times(-1))),
                ));
            }
            (Resolved::Span(span), Resolved::Difference(a, b)) => {
                return Ok(Expression::Compare(
                    comparison,
                    Box::new(b),
                    Box::new(shifted(a, span.times(-1))),
                ));
            }
            (Resolved::Months(_), _) | (_, Resolved::Months(_)) => {
                return Err(Trouble::at(place, "months and years have no fixed length to compare with")
                    .hint("last_seen < now() - 3 months, or a length in days"));
            }
            _ => {
                return Err(Trouble::at(
                    place,
                    "a length of time can only be compared with the time between two instants",
                )
                .hint(
                    "now() - last_seen > 7 days; recency_score counts days and is compared with a number",
                ));
            }
        };
        self.comparable(comparison, left, right, place)
    }

    /// Checks two sides and brings texts that name instants to instants.
    fn comparable(
        &mut self,
        comparison: Comparison,
        left: Expression,
        right: Expression,
        place: Place,
    ) -> Outcome<Expression> {
        if comparison == Comparison::Equal && self.is_correlation(&left, &right) {
            return Ok(Expression::truth(true));
        }
        let right = as_comparand(&left, right, place)?;
        let left = as_comparand(&right, left, place)?;
        same_clocks(&left, &right, place)?;
        if self.strict {
            same_kind(&left, &right, place)?;
        }
        self.note_event_type(&left, &right, place);
        Ok(Expression::Compare(comparison, Box::new(left), Box::new(right)))
    }

    /// Every event here is the profile's own, so that the condition tying it
    /// to the profile always holds.
    fn is_correlation(&self, left: &Expression, right: &Expression) -> bool {
        let identity = |side: &Expression| match side {
            Expression::Column { name, .. } | Expression::Attribute(name) => {
                matches!(&**name, "customer_id" | "profile_id")
            }
            _ => false,
        };
        let column = |side: &Expression| matches!(side, Expression::Column { .. });
        matches!(self.scopes.last(), Some(Scope::Events(_)))
            && identity(left)
            && identity(right)
            && (column(left) || column(right))
    }

    /// A type that was never seen is taken, but remarked on when it looks like
    /// a slip of the pen.
    fn note_event_type(&mut self, left: &Expression, right: &Expression, place: Place) {
        if let (Expression::Column { name, .. }, Expression::Literal(Value::Text(kind))) = (left, right)
            && &**name == "event_type"
            && let Some(near) = self.schema.nearest_event_type(kind)
        {
            let message = format!("no event of type '{kind}' has been seen; did you mean '{near}'?");
            self.notes.push(Note { line: place.line, column: place.column, message });
        }
    }

    fn between(&mut self, parts: [&Syntax; 3], negated: bool, place: Place) -> Outcome<Expression> {
        let [value, low, high] = parts;
        let (value, low, high) =
            self.with_event(&parts, |own| Ok((own.plain(value)?, own.plain(low)?, own.plain(high)?)))?;
        let low = as_comparand(&value, low, place)?;
        let high = as_comparand(&value, high, place)?;
        same_clocks(&value, &low, place)?;
        same_clocks(&value, &high, place)?;
        let (value, low, high) = (Box::new(value), Box::new(low), Box::new(high));
        Ok(Expression::Between { value, low, high, negated })
    }

    fn in_list(&mut self, value: &Syntax, list: &[Syntax], negated: bool) -> Outcome<Expression> {
        let place = value.place;
        let (value, list) = self.with_event(&[value], |own| {
            let list = list.iter().map(|part| own.plain(part)).collect::<Outcome<Vec<_>>>()?;
            Ok((own.plain(value)?, list))
        })?;
        for part in &list {
            self.note_event_type(&value, part, place);
        }
        let list =
            list.into_iter().map(|part| as_comparand(&value, part, place)).collect::<Outcome<Vec<_>>>()?;
        Ok(Expression::In { value: Box::new(value), list, negated })
    }

    fn case(
        &mut self,
        operand: Option<&Syntax>,
        branches: &[(Syntax, Syntax)],
        otherwise: Option<&Syntax>,
    ) -> Outcome<Expression> {
        let operand = operand.map(|operand| self.plain(operand)).transpose()?;
        let mut resolved = Vec::with_capacity(branches.len());
        for (when, then) in branches {
            let condition = match &operand {
                Some(operand) => {
                    let wanted = self.plain(when)?;
                    self.comparable(Comparison::Equal, operand.clone(), wanted, when.place)?
                }
                None => self.truth(when)?,
            };
            resolved.push((condition, self.plain(then)?));
        }
        let otherwise = otherwise.map(|otherwise| self.boxed(otherwise)).transpose()?;
        Ok(Expression::Case { branches: resolved, otherwise })
    }

    fn negative(&mut self, inner: &Syntax) -> Outcome<Resolved> {
        Ok(match self.resolve(inner)? {
            Resolved::Span(span) => Resolved::Span(span.times(-1)),
            Resolved::Months(months) => Resolved::Months(-months),
            Resolved::Plain(Expression::Literal(Value::Int(number))) => {
                Resolved::Plain(Expression::Literal(Value::Int(number.saturating_neg())))
            }
            Resolved::Plain(Expression::Literal(Value::Float(number))) => {
                Resolved::Plain(Expression::Literal(Value::Float(-number)))
            }
            Resolved::Plain(other) if matches!(other.type_of(), Type::Number | Type::Unknown) => {
                let zero = Box::new(Expression::Literal(Value::Int(0)));
                Resolved::Plain(Expression::Arithmetic(Operator::Subtract, zero, Box::new(other)))
            }
            _ => return Err(Trouble::at(inner.place, "only a number or a length of time can be negative")),
        })
    }

    fn arithmetic(
        &mut self,
        operator: Operator,
        left: &Syntax,
        right: &Syntax,
        place: Place,
    ) -> Outcome<Resolved> {
        use Resolved::{Plain, Span as Length};
        let sides = (self.resolve(left)?, self.resolve(right)?);
        let sides = match self.months(sides, operator, place)? {
            Ok(resolved) => return Ok(resolved),
            Err(sides) => sides,
        };
        Ok(match (sides, operator) {
            ((Plain(instant), Length(span)), Operator::Add) => self.shift(instant, span, place)?,
            ((Plain(instant), Length(span)), Operator::Subtract) => {
                self.shift(instant, span.times(-1), place)?
            }
            ((Length(span), Plain(instant)), Operator::Add) => self.shift(instant, span, place)?,
            ((Length(a), Length(b)), Operator::Add) => Length(a + b),
            ((Length(a), Length(b)), Operator::Subtract) => Length(a + b.times(-1)),
            (
                (Length(span), Plain(Expression::Literal(Value::Int(count))))
                | (Plain(Expression::Literal(Value::Int(count))), Length(span)),
                Operator::Multiply,
            ) => Length(span.times(count)),
            ((Plain(a), Plain(b)), Operator::Subtract)
                if [&a, &b].iter().any(|side| matches!(side.type_of(), Type::Time | Type::Wall)) =>
            {
                if matches!(b, Expression::Literal(Value::Int(_) | Value::Float(_))) {
                    return Err(Trouble::at(right.place, "a number cannot be taken from an instant")
                        .hint("give it a unit: now() - 7 days"));
                }
                Resolved::Difference(as_comparand(&b, a, left.place)?, b)
            }
            ((Plain(a), Plain(b)), operator) => {
                for (side, syntax) in [(&a, left), (&b, right)] {
                    if !matches!(side.type_of(), Type::Number | Type::Unknown) {
                        return Err(Trouble::at(syntax.place, "a number was expected here"));
                    }
                }
                Plain(Expression::Arithmetic(operator, Box::new(a), Box::new(b)))
            }
            _ => {
                return Err(Trouble::at(
                    place,
                    "a length of time can only be added to an instant or taken from one",
                )
                .hint("now() - 24 hours"));
            }
        })
    }

    /// Arithmetic with months; the sides again when there are none.
    fn months(
        &self,
        sides: (Resolved, Resolved),
        operator: Operator,
        place: Place,
    ) -> Outcome<Result<Resolved, (Resolved, Resolved)>> {
        use Resolved::{Months, Plain};
        let refused = || {
            Trouble::at(place, "months and years can only be added to an instant or taken from one")
                .hint("now() - 3 months")
        };
        let months = match (&sides, operator) {
            ((Plain(_), Months(months)) | (Months(months), Plain(_)), Operator::Add) => *months,
            ((Plain(_), Months(months)), Operator::Subtract) => -months,
            ((Months(_), _) | (_, Months(_)), _) => return Err(refused()),
            _ => return Ok(Err(sides)),
        };
        let ((Plain(instant), _) | (_, Plain(instant))) = sides else { return Err(refused()) };
        let instant = match instant {
            Expression::Literal(Value::Text(text)) => Expression::Literal(duration::instant(&text, place)?),
            other => other,
        };
        match instant.type_of() {
            Type::Time | Type::Wall | Type::Unknown => {
                Ok(Ok(Plain(Expression::ShiftMonths(Box::new(instant), months))))
            }
            _ => Err(refused()),
        }
    }

    fn shift(&self, instant: Expression, span: Span, place: Place) -> Outcome<Resolved> {
        let instant = match instant {
            Expression::Literal(Value::Text(text)) => Expression::Literal(duration::instant(&text, place)?),
            other => other,
        };
        match instant.type_of() {
            Type::Time | Type::Wall | Type::Unknown => Ok(Resolved::Plain(shifted(instant, span))),
            _ => {
                Err(Trouble::at(place, "a length of time can only be added to an instant or taken from one")
                    .hint("now() - 24 hours"))
            }
        }
    }
}

/// An instant moved by a span; two moves become one.
fn shifted(instant: Expression, span: Span) -> Expression {
    match instant {
        Expression::Shift(inner, first) => Expression::Shift(inner, first + span),
        Expression::Literal(Value::Time(instant)) => Expression::Literal(Value::Time(instant + span)),
        other => Expression::Shift(Box::new(other), span),
    }
}

/// `side` as it is compared with `other`: beside an instant a text must name
/// one, beside a number it must read as one.
fn as_comparand(other: &Expression, side: Expression, place: Place) -> Outcome<Expression> {
    let Expression::Literal(Value::Text(text)) = &side else { return Ok(side) };
    match other.type_of() {
        Type::Time | Type::Wall => Ok(Expression::Literal(duration::instant(text, place)?)),
        Type::Number if side_number(text).is_none() => {
            Err(Trouble::at(place, format!("a number is compared with the text '{text}'")))
        }
        Type::Truth => Err(Trouble::at(place, format!("a condition is compared with the text '{text}'"))
            .hint("write true or false without quotes")),
        _ => Ok(side),
    }
}

/// Refuses two kinds of value that never compare.
fn same_kind(left: &Expression, right: &Expression, place: Place) -> Outcome<()> {
    let name = |kind| match kind {
        Type::Truth => "a condition",
        Type::Number => "a number",
        Type::Text => "a text",
        _ => "an instant",
    };
    let (a, b) = (left.type_of(), right.type_of());
    let hint = match (a, b) {
        (Type::Time | Type::Wall, Type::Number) | (Type::Number, Type::Time | Type::Wall) => {
            "give the number a unit: last_seen < now() - 7 days; recency_score counts days"
        }
        (Type::Truth, Type::Number | Type::Time | Type::Wall)
        | (Type::Number | Type::Time | Type::Wall, Type::Truth) => "write (a > b) IS TRUE, or TRUE and FALSE",
        _ => return Ok(()),
    };
    Err(Trouble::at(place, format!("{} is compared with {}", name(a), name(b))).hint(hint))
}

/// Refuses an instant beside what the clocks of some zone show.
fn same_clocks(left: &Expression, right: &Expression, place: Place) -> Outcome<()> {
    let constant = |side: &Expression| matches!(side, Expression::Literal(_));
    match (left.type_of(), right.type_of()) {
        (Type::Wall, Type::Time) | (Type::Time, Type::Wall) if !constant(left) && !constant(right) => {
            Err(Trouble::at(place, "an instant is compared with what the clocks of a time zone show")
                .hint("write AT TIME ZONE on both sides, or once more around the local one: (date_trunc('day', now() \
                       AT TIME ZONE 'Europe/Berlin')) AT TIME ZONE 'Europe/Berlin'"))
        }
        _ => Ok(()),
    }
}

fn side_number(text: &str) -> Option<f64> {
    Value::from(text).as_number()
}
