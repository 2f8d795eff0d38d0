//! What a name stands for: a trait of the profile or a column of an event.

use super::refusal::{Note, Place, Trouble};
use super::resolve::{Outcome, Resolver, Scope};
use super::schema::{EVENT_FIELDS, is_computed, is_event_name, nearest};
use super::syntax::{Kind, Syntax};
use super::tree::Expression;
use crate::profile::BUILT_IN;

/// Names by which a profile's attributes may be qualified anywhere.
const PROFILE_NAMES: [&str; 9] =
    ["user", "customer", "customer_data", "trait", "traits", "profile", "users", "customers", "profiles"];
/// Names by which an event's columns may be qualified.
const EVENT_NAMES: [&str; 4] = ["event", "events", "properties", "property"];

impl Resolver<'_> {
    /// Whether the text names a column of the IF rule's event for certain.
    pub(super) fn names_event(&self, syntax: &Syntax) -> bool {
        if !matches!(self.scopes.last(), Some(Scope::Free)) {
            return false;
        }
        match &syntax.kind {
            Kind::Name { parts, .. } => match parts.as_slice() {
                [qualifier, _] => EVENT_NAMES.contains(&qualifier.to_ascii_lowercase().as_str()),
                [name] => {
                    is_event_name(&name.to_ascii_lowercase())
                        || (self.schema.has_property(name) && !self.is_attribute(name))
                }
                _ => false,
            },
            Kind::Call(call) => call.arguments.iter().any(|part| self.names_event(part)),
            Kind::Not(_) | Kind::Exists(_) | Kind::Query(_) | Kind::InQuery { .. } | Kind::Phrase(_) => false,
            Kind::And(parts) | Kind::Or(parts) => parts.iter().any(|part| self.names_event(part)),
            Kind::Compare(_, left, right) | Kind::Arithmetic(_, left, right) => {
                self.names_event(left) || self.names_event(right)
            }
            Kind::Between { value, low, high, .. } => {
                [value, low, high].iter().any(|part| self.names_event(part))
            }
            Kind::InList { value, .. }
            | Kind::Like { value, .. }
            | Kind::Match { value, .. }
            | Kind::Is { value, .. } => self.names_event(value),
            Kind::Cast(inner, _)
            | Kind::Negative(inner)
            | Kind::AtZone(inner, _)
            | Kind::Part(_, inner)
            | Kind::Path(inner, _) => self.names_event(inner),
            Kind::Literal(_)
            | Kind::Duration(_)
            | Kind::Months(_)
            | Kind::Column { .. }
            | Kind::Star
            | Kind::Case { .. } => false,
        }
    }

    /// Whether a bare name is the profile's wherever both could be meant.
    fn is_attribute(&self, name: &str) -> bool {
        if self.schema.has_trait(name) {
            return true;
        }
        // Of the computed names some are patterns; a property that was seen
        // is nearer than a pattern.
        let pattern = name.starts_with("cart_") || name.contains("_count");
        is_computed(name) && !(pattern && self.schema.has_property(name))
    }

    pub(super) fn name(&self, parts: &[String], quoted: bool, place: Place) -> Outcome<Expression> {
        let exact = |name: &str| {
            let lower = name.to_ascii_lowercase();
            if !quoted && (is_event_name(&lower) || is_computed(&lower) || EVENT_FIELDS.contains(&&*lower)) {
                lower
            } else {
                name.to_owned()
            }
        };
        match parts {
            [name] => self.bare_name(exact(name), place),
            [qualifier, name] => self.qualified_name(&qualifier.to_ascii_lowercase(), exact(name), place),
            _ => Err(Trouble::at(place, "a name is a column or table.column")),
        }
    }

    fn bare_name(&self, name: String, place: Place) -> Outcome<Expression> {
        if self.grouped.is_some() && (is_event_name(&name) || !self.is_attribute(&name)) {
            return Err(needs_aggregate(&name, place));
        }
        match self.scopes.last() {
            Some(Scope::Events(_)) => {
                if EVENT_FIELDS.contains(&&*name) || is_event_name(&name) || !self.is_attribute(&name) {
                    Ok(column(&name, 0))
                } else {
                    Ok(Expression::Attribute(name.into()))
                }
            }
            Some(Scope::Free) => {
                let event = is_event_name(&name)
                    || (!self.is_attribute(&name) && (self.beside_event || self.schema.has_property(&name)));
                Ok(if event { column(&name, 0) } else { Expression::Attribute(name.into()) })
            }
            _ if is_event_name(&name) => Err(Trouble::at(
                place,
                format!("{name} is a column of events, not of customer_data"),
            )
            .hint(format!(
                "EXISTS (SELECT 1 FROM events e WHERE e.{name} …), or the form IF … THEN assign to '…'"
            ))),
            _ => Ok(Expression::Attribute(name.into())),
        }
    }

    fn qualified_name(&self, qualifier: &str, name: String, place: Place) -> Outcome<Expression> {
        if let Some((scope, _)) = &self.grouped
            && scope_is(scope, qualifier)
        {
            return Err(needs_aggregate(&name, place));
        }
        let mut depth = 0;
        for scope in self.scopes.iter().rev() {
            if scope_is(scope, qualifier) {
                return Ok(match scope {
                    Scope::Profile(_) => Expression::Attribute(name.into()),
                    _ => column(&name, depth),
                });
            }
            depth += u8::from(!matches!(scope, Scope::Profile(_)));
        }
        if EVENT_NAMES.contains(&qualifier) && !matches!(self.scopes.last(), Some(Scope::Profile(_))) {
            return Ok(column(&name, 0));
        }
        if EVENT_NAMES.contains(&qualifier) {
            return Err(Trouble::at(place, format!("{qualifier}.{name}: there is no event here"))
                .hint(format!("EXISTS (SELECT 1 FROM events e WHERE e.{name} …)")));
        }
        let known = PROFILE_NAMES.iter().chain(&EVENT_NAMES).copied();
        let trouble = Trouble::at(place, format!("{qualifier} is neither a table nor an alias here"));
        Err(match nearest(qualifier, known) {
            Some(near) => trouble.hint(format!("did you mean {near}.{name}?")),
            None => trouble.hint("event.… is a column of the event, user.… a trait of the profile"),
        })
    }
}

impl Resolver<'_> {
    /// A name that nobody has been seen with is taken, but remarked on when it
    /// looks like a slip of the pen.
    pub(super) fn note_name(&mut self, found: &Expression, place: Place) {
        let (name, known) = match found {
            Expression::Attribute(name) => (
                name,
                self.schema.has_trait(name)
                    || is_computed(name)
                    || BUILT_IN.iter().any(|(held, _)| **held == **name),
            ),
            Expression::Column { name, .. } => {
                let field = is_event_name(name) || EVENT_FIELDS.contains(&&**name);
                (name, self.schema.has_property(name) || field)
            }
            _ => return,
        };
        if !known && let Some(near) = self.schema.nearest(name) {
            let message = format!("nobody has been seen with '{name}'; did you mean '{near}'?");
            self.notes.push(Note { line: place.line, column: place.column, message });
        }
    }

    /// A column of an event so many sets outward.
    pub(super) fn column_at(&self, name: &str, depth: u8, place: Place) -> Outcome<Expression> {
        let sets = self.scopes.iter().filter(|scope| !matches!(scope, Scope::Profile(_))).count();
        if usize::from(depth) < sets && self.grouped.is_none() {
            return Ok(column(name, depth));
        }
        Err(Trouble::at(place, format!("there is no event here that could have '{name}'"))
            .hint("conditions on events stand in \"where\" of \"done\" or \"value\""))
    }
}

fn needs_aggregate(name: &str, place: Place) -> Trouble {
    Trouble::at(place, format!("{name} has a value for each event; here one value of all of them is needed"))
        .hint(format!("last({name}), max({name}), count(distinct {name}); user.{name} is the profile's own"))
}

/// A column by its one name.
fn column(name: &str, depth: u8) -> Expression {
    let name = if name == "event_time" { "timestamp" } else { name };
    Expression::Column { name: name.into(), depth }
}

fn scope_is(scope: &Scope, qualifier: &str) -> bool {
    match scope {
        Scope::Profile(alias) => alias.as_deref() == Some(qualifier) || PROFILE_NAMES.contains(&qualifier),
        Scope::Events(Some(alias)) => alias == qualifier,
        Scope::Events(None) | Scope::Free => EVENT_NAMES.contains(&qualifier),
    }
}
