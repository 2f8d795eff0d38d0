//! What a message comes to: events, catalog items, privacy requests.

use super::condition::Condition;
use super::error::Refusal;
use super::evaluate::each;
use super::expression::{Expression, is_there, scalar};
use super::scope::Scope;
use super::{OUTPUTS_MAX, Rule};
use crate::clean::{Field, Limits, Problem, ProblemCode, RawEvent};
use crate::value::{Map, Value, map_to_json};

/// What one message came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapped {
    /// What it was about.
    pub topic: Option<Box<str>>,
    /// What its sender calls it in every attempt.
    pub id: Option<Box<str>>,
    /// Whether the rule says that it is not wanted.
    pub ignored: bool,
    /// What it makes, in the order of the rule, and where in the mapping each
    /// was made. The order is that of the mapping, so the same message has the
    /// same place for each of them in every attempt.
    pub outputs: Vec<(Output, Box<str>)>,
}

/// One thing that a message makes.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An event, to be cleaned like any other.
    Event(Box<RawEvent<'static>>),
    /// A catalog item to be put in, as `PUT /api/catalog` takes it.
    Upsert(serde_json::Value),
    /// The product id of an item to be taken out.
    Remove(Box<str>),
    /// A person's request about their data.
    Privacy(PrivacyRequest),
}

/// What is asked about somebody's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivacyKind {
    /// To hand out what is known.
    Export,
    /// To erase what is known of one person.
    Erase,
    /// To erase what is known of everybody of a shop.
    EraseAll,
}

impl PrivacyKind {
    /// The kinds by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("export", Self::Export), ("erase", Self::Erase), ("erase_all", Self::EraseAll)];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Erase => "erase",
            Self::EraseAll => "erase_all",
        }
    }
}

/// A request about somebody's data.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivacyRequest {
    /// What is asked.
    pub kind: PrivacyKind,
    /// The sender's name for the request, the same in every attempt.
    pub id: Option<Box<str>>,
    /// Whose data.
    pub customer_id: Option<Box<str>>,
    /// The device it is about, when it is nobody's.
    pub anonymous_id: Option<Box<str>>,
    /// Their address.
    pub email: Option<Box<str>>,
    /// Their number.
    pub phone: Option<Box<str>>,
    /// What else was said, such as the orders it is about.
    pub details: Map,
}

/// Makes events of messages.
#[derive(Clone, Debug)]
pub(super) struct EventTemplate {
    pub(super) at: Box<str>,
    pub(super) when: Condition,
    pub(super) each: Option<Expression>,
    pub(super) event_type: Expression,
    pub(super) customer_id: Expression,
    pub(super) anonymous_id: Expression,
    pub(super) timestamp: Expression,
    pub(super) event_id: Expression,
    pub(super) product_id: Expression,
    pub(super) properties: Expression,
    pub(super) traits: Expression,
    pub(super) context: Expression,
}

/// Changes the catalog.
#[derive(Clone, Debug)]
pub(super) struct CatalogTemplate {
    pub(super) at: Box<str>,
    pub(super) when: Condition,
    pub(super) each: Option<Expression>,
    pub(super) change: CatalogChange,
}

#[derive(Clone, Debug)]
pub(super) enum CatalogChange {
    Upsert(Expression),
    Remove(Expression),
}

/// Makes privacy requests.
#[derive(Clone, Debug)]
pub(super) struct PrivacyTemplate {
    pub(super) at: Box<str>,
    pub(super) when: Condition,
    pub(super) kind: PrivacyKind,
    pub(super) customer_id: Expression,
    pub(super) email: Expression,
    pub(super) phone: Expression,
    pub(super) details: Expression,
}

/// What the rule makes of the message in `scope`.
pub(super) fn make(rule: &Rule, scope: &Scope<'_>) -> Result<Mapped, Refusal> {
    let mut mapped =
        Mapped { topic: text(scope.topic), id: text(scope.id), ignored: rule.ignore, outputs: Vec::new() };
    for template in &rule.events {
        repeat(
            &template.at,
            &template.when,
            template.each.as_ref(),
            scope,
            &mut mapped,
            &mut |scope, place| template.make(scope, place).map(|event| Some(Output::Event(Box::new(event)))),
        )?;
    }
    for template in &rule.catalog {
        repeat(&template.at, &template.when, template.each.as_ref(), scope, &mut mapped, &mut |scope, _| {
            template.change.make(scope)
        })?;
    }
    for template in &rule.privacy {
        repeat(&template.at, &template.when, None, scope, &mut mapped, &mut |scope, _| {
            template.make(scope).map(Some)
        })?;
    }
    Ok(mapped)
}

/// Makes one thing, if anything, to stand at a place among the outputs.
type Make<'m> = dyn FnMut(&Scope<'_>, usize) -> Result<Option<Output>, Refusal> + 'm;

/// Makes one thing, or one of each element.
fn repeat(
    at: &str,
    when: &Condition,
    list: Option<&Expression>,
    scope: &Scope<'_>,
    mapped: &mut Mapped,
    make: &mut Make<'_>,
) -> Result<(), Refusal> {
    let mut one = |scope: &Scope<'_>| {
        if !when.holds(scope)? {
            return Ok(true);
        }
        let place = mapped.outputs.len();
        if place >= OUTPUTS_MAX {
            return Err(Refusal::too_many(at));
        }
        if let Some(output) = make(scope, place)? {
            mapped.outputs.push((output, at.into()));
        }
        Ok(true)
    };
    match list {
        Some(list) => each(list.evaluate(scope)?.as_ref(), scope, &mut one),
        None => one(scope).map(|_| ()),
    }
}

impl EventTemplate {
    fn make(&self, scope: &Scope<'_>, place: usize) -> Result<RawEvent<'static>, Refusal> {
        let field = |expression: &Expression| -> Result<Field<'static>, Refusal> {
            let value = expression.evaluate(scope)?;
            if !is_there(&value) {
                return Ok(Field::Absent);
            }
            scope.budget.own(value).map(Field::from)
        };
        let mut timestamp = field(&self.timestamp)?;
        if timestamp.is_absent() {
            timestamp = Field::from(scope.time.clone());
        }
        let mut event_id = field(&self.event_id)?;
        if let (Field::Absent, Some(id)) = (&event_id, scalar(scope.id)) {
            event_id = Field::from(format!("{}:{id}:{place}", scope.message.hook));
        }
        let mut event = RawEvent {
            event_type: field(&self.event_type)?,
            customer_id: field(&self.customer_id)?,
            anonymous_id: field(&self.anonymous_id)?,
            timestamp,
            event_id,
            product_id: field(&self.product_id)?,
            properties: facts(&self.properties, scope)?,
            traits: facts(&self.traits, scope)?,
            context: facts(&self.context, scope)?,
            ..RawEvent::default()
        };
        event.problem = bounds(&event);
        Ok(event)
    }
}

impl CatalogChange {
    fn make(&self, scope: &Scope<'_>) -> Result<Option<Output>, Refusal> {
        match self {
            Self::Upsert(item) => {
                let item = scope.budget.own(item.evaluate(scope)?)?;
                Ok(Some(Output::Upsert(item.to_json())))
            }
            Self::Remove(id) => Ok(text(id.evaluate(scope)?.as_ref()).map(Output::Remove)),
        }
    }
}

impl PrivacyTemplate {
    fn make(&self, scope: &Scope<'_>) -> Result<Output, Refusal> {
        let said = |expression: &Expression| expression.evaluate(scope).map(|value| text(&value));
        Ok(Output::Privacy(PrivacyRequest {
            kind: self.kind,
            id: text(scope.id),
            customer_id: said(&self.customer_id)?,
            anonymous_id: None,
            email: said(&self.email)?,
            phone: said(&self.phone)?,
            details: facts(&self.details, scope)?,
        }))
    }
}

fn text(value: &Value) -> Option<Box<str>> {
    scalar(value).map(|text| text.trim().into())
}

/// Named facts; anything but an object has none.
fn facts(expression: &Expression, scope: &Scope<'_>) -> Result<Map, Refusal> {
    match scope.budget.own(expression.evaluate(scope)?)? {
        Value::Map(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

/// What makes an event larger or deeper than any may be.
fn bounds(event: &RawEvent<'_>) -> Option<Problem> {
    let limits = Limits::default();
    let maps = [&event.properties, &event.traits, &event.context];
    let deepest = maps.iter().map(|map| map.iter().map(|(_, value)| depth(value)).max().unwrap_or(0)).max();
    if deepest.unwrap_or(0) + 2 > limits.depth_max {
        let message = format!("nested deeper than {} levels", limits.depth_max);
        return Some(Problem::new(ProblemCode::TooDeep, "", message));
    }
    let bytes: usize = maps.iter().map(|map| map_to_json(map).to_string().len()).sum();
    if bytes > limits.event_bytes_max {
        let message = format!(
            "the event has {bytes} bytes of JSON, at most {} are allowed; map less of the message",
            limits.event_bytes_max
        );
        return Some(Problem::new(ProblemCode::TooLarge, "", message));
    }
    None
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}
