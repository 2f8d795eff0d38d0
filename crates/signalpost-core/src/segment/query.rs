//! Subqueries over events, functions and aggregates, as typed trees.

use super::refusal::{Place, Trouble};
use super::resolve::{Resolver, Scope};
use super::routine::Routine;
use super::schema::nearest;
use super::syntax::{Call, Kind, Order, Query, Syntax};
use super::tree::{Aggregate, Comparison, Expression, Function, Known, Type};
use crate::value::Value;

type Outcome<T> = Result<T, Trouble>;

/// Functions that may be called, for the offer of the nearest.
const FUNCTIONS: [&str; 20] = [
    "now",
    "current_timestamp",
    "current_date",
    "in_segment",
    "coalesce",
    "nullif",
    "lower",
    "upper",
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "first",
    "last",
    "first_value",
    "last_value",
    "max_by",
    "min_by",
    "ifnull",
];

impl Resolver<'_> {
    /// The scope and the condition of a query over events.
    pub(super) fn events(&mut self, query: &Query) -> Outcome<(Scope, Expression)> {
        check_table(query)?;
        let scope = Scope::Events(query.alias.clone());
        let Some(filter) = &query.filter else { return Ok((scope, Expression::truth(true))) };
        self.scopes.push(scope.clone());
        let grouped = self.grouped.take();
        let filter = self.truth(filter);
        self.grouped = grouped;
        self.scopes.pop();
        Ok((scope, filter?))
    }

    /// Whether a profile has a row in a query over events: it has an event,
    /// and the group of all of them passes HAVING.
    pub(super) fn has_row(&mut self, query: &Query) -> Outcome<Expression> {
        let (scope, filter) = self.events(query)?;
        check_group(query)?;
        let mut parts = vec![Expression::Exists(Box::new(filter.clone()))];
        if let Some(having) = &query.having {
            let having = self.over_group(scope, filter, |own| own.truth(having))?;
            parts.push(Expression::Is { value: Box::new(having), what: Known::True, negated: false });
        }
        Ok(Expression::all(parts))
    }

    /// Resolves where aggregates over one set of events may stand.
    pub(super) fn over_group<T>(
        &mut self,
        scope: Scope,
        filter: Expression,
        resolve: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let outside = self.grouped.replace((scope, filter));
        let result = resolve(self);
        self.grouped = outside;
        result
    }

    pub(super) fn exists(&mut self, query: &Query) -> Outcome<Expression> {
        for item in &query.items {
            if matches!(&item.kind, Kind::Call(call) if aggregate(&call.name).is_some()) {
                return Err(Trouble::at(
                    item.place,
                    "an aggregate always gives a row, so that EXISTS always holds",
                )
                .hint("EXISTS (SELECT 1 FROM events …), or compare the aggregate: (SELECT count(*) …) > 0"));
            }
        }
        self.has_row(query)
    }

    pub(super) fn in_query(&mut self, value: &Syntax, query: &Query, negated: bool) -> Outcome<Expression> {
        let tested = self.plain(value)?;
        let identity = matches!(&tested, Expression::Attribute(name) | Expression::Column { name, .. }
            if matches!(&**name, "customer_id" | "profile_id"));
        if !identity {
            return Err(Trouble::at(value.place, "only customer_id can be looked up in a subquery").hint(
                "EXISTS (SELECT 1 FROM events e WHERE e.customer_id = customer_data.customer_id AND …)",
            ));
        }
        check_identity_item(query)?;
        refuse_limit(query)?;
        let member =
            if query.table == "customer_data" { self.profile_row(query)? } else { self.has_row(query)? };
        Ok(if negated { Expression::Not(Box::new(member)) } else { member })
    }

    /// The condition of a query over `customer_data`, as true or false.
    fn profile_row(&mut self, query: &Query) -> Outcome<Expression> {
        if let Some(piece) = query.group.first().or(query.having.as_ref()) {
            return Err(Trouble::at(
                piece.place,
                "customer_data has one row a profile: there is nothing to group",
            ));
        }
        let Some(filter) = &query.filter else { return Ok(Expression::truth(true)) };
        let outside = std::mem::replace(&mut self.scopes, vec![Scope::Profile(query.alias.clone())]);
        let filter = self.truth(filter);
        self.scopes = outside;
        Ok(Expression::Is { value: Box::new(filter?), what: Known::True, negated: false })
    }

    /// `(SELECT count(*) FROM events WHERE …)`, and
    /// `(SELECT x FROM events WHERE … ORDER BY timestamp DESC LIMIT 1)`.
    pub(super) fn scalar_query(&mut self, query: &Query) -> Outcome<Expression> {
        let [item] = query.items.as_slice() else {
            return Err(Trouble::at(query.place, "a subquery used as a value must select exactly one"));
        };
        if query.table == "customer_data" {
            return Err(Trouble::at(query.table_place, "a value of the profile needs no subquery")
                .hint("write the trait's name"));
        }
        let (scope, filter) = self.events(query)?;
        check_group(query)?;
        if let Some(having) = &query.having {
            return Err(Trouble::at(having.place, "HAVING cannot stand in a subquery used as a value")
                .hint("compare the aggregate outside the parentheses"));
        }
        if let (Some(order), Some(_)) = (&query.order, query.limit) {
            return self.at_end(item, order, scope, filter);
        }
        refuse_limit(query)?;
        let before = self.aggregates;
        let value = self.over_group(scope, filter, |own| own.plain(item))?;
        if self.aggregates == before {
            return Err(Trouble::at(
                item.place,
                "the subquery gives a value for each event, not one of all of them",
            )
            .hint("last(x), max(x), count(*) …"));
        }
        Ok(value)
    }

    /// The value of the first event in an order by time.
    fn at_end(
        &mut self,
        item: &Syntax,
        order: &Order,
        scope: Scope,
        filter: Expression,
    ) -> Outcome<Expression> {
        self.scopes.push(scope);
        let resolved = self.plain(item).and_then(|argument| Ok((argument, self.plain(&order.by)?)));
        self.scopes.pop();
        let (argument, by) = resolved?;
        check_order(&by, order)?;
        let function = if order.descending { Function::Last } else { Function::First };
        Ok(Expression::Aggregate(Box::new(Aggregate { function, argument: Some(argument), filter })))
    }

    pub(super) fn call(&mut self, call: &Call, place: Place) -> Outcome<Expression> {
        if let Some(function) = aggregate(&call.name) {
            return self.aggregate(function, call, place);
        }
        if call.distinct || call.order.is_some() {
            return Err(Trouble::at(place, format!("{} takes neither DISTINCT nor ORDER BY", call.name)));
        }
        match (call.name.as_str(), call.arguments.as_slice()) {
            ("now" | "current_timestamp", []) => Ok(Expression::Now),
            ("current_date" | "today", []) => Ok(Expression::Today),
            ("in_segment", [name]) => match &name.kind {
                Kind::Literal(Value::Text(name)) if !name.is_empty() => {
                    Ok(Expression::InSegment(name.clone()))
                }
                _ => Err(Trouble::at(name.place, "the name of a segment is expected in quotes")
                    .hint("in_segment('Abandoned Cart Last 24h')")),
            },
            ("coalesce" | "ifnull" | "nvl", arguments @ [_, ..]) => {
                let parts = arguments.iter().map(|part| self.plain(part)).collect::<Outcome<Vec<_>>>()?;
                Ok(Expression::Coalesce(parts))
            }
            ("nullif", [value, other]) => {
                let value = self.plain(value)?;
                let other = self.plain(other)?;
                let same = Expression::Compare(Comparison::Equal, Box::new(value.clone()), Box::new(other));
                let branches = vec![(same, Expression::Literal(Value::Null))];
                Ok(Expression::Case { branches, otherwise: Some(Box::new(value)) })
            }
            ("lower", [text]) => Ok(Expression::Lower(Box::new(self.text_value(text)?))),
            ("upper", [text]) => Ok(Expression::Upper(Box::new(self.text_value(text)?))),
            _ => match self.routine(call, place)? {
                Some(expression) => Ok(expression),
                None => Err(unknown_function(&call.name, place)),
            },
        }
    }

    fn text_value(&mut self, syntax: &Syntax) -> Outcome<Expression> {
        let value = self.plain(syntax)?;
        match value.type_of() {
            Type::Text | Type::Unknown => Ok(value),
            _ => Err(Trouble::at(syntax.place, "a text was expected here")),
        }
    }

    fn aggregate(&mut self, function: Function, call: &Call, place: Place) -> Outcome<Expression> {
        let Some((scope, filter)) = self.grouped.clone() else {
            let name = &call.name;
            return Err(Trouble::at(place, format!("{name}(…) needs the events it runs over"))
                .hint(format!("(SELECT {name}(…) FROM events WHERE event_type = '…')")));
        };
        self.aggregates += 1;
        let (argument, by) = match (call.arguments.as_slice(), call.name.as_str()) {
            ([only], "max_by" | "min_by" | "arg_max" | "arg_min") => {
                return Err(Trouble::at(only.place, format!("{}(x, timestamp) takes two values", call.name)));
            }
            ([only], _) => (only, None),
            ([value, by], "max_by" | "min_by" | "arg_max" | "arg_min") => (value, Some(by)),
            _ => {
                return Err(Trouble::at(place, format!("{} takes one value of each event", call.name))
                    .hint(format!("{}(x)", call.name)));
            }
        };
        if matches!(argument.kind, Kind::Star) {
            return match (function, call.distinct) {
                (Function::Count, false) => {
                    Ok(Expression::Aggregate(Box::new(Aggregate { function, argument: None, filter })))
                }
                _ => Err(Trouble::at(argument.place, "* can only stand in count(*)")),
            };
        }
        self.scopes.push(scope);
        let grouped = self.grouped.take();
        let resolved = self.argument(argument, by, call, function);
        self.grouped = grouped;
        self.scopes.pop();
        let (argument, descending) = resolved?;
        let function = match (function, call.distinct) {
            (Function::Count, true) => Function::CountDistinct,
            (Function::Minimum | Function::Maximum, true) => function,
            (_, true) => return Err(Trouble::at(place, "DISTINCT can only stand in count(distinct x)")),
            (Function::First, false) if descending => Function::Last,
            (Function::Last, false) if descending => Function::First,
            _ => function,
        };
        Ok(Expression::Aggregate(Box::new(Aggregate { function, argument: Some(argument), filter })))
    }

    /// The value taken from each event, and whether the order is backwards.
    fn argument(
        &mut self,
        argument: &Syntax,
        by: Option<&Syntax>,
        call: &Call,
        function: Function,
    ) -> Outcome<(Expression, bool)> {
        let value = self.plain(argument)?;
        if matches!(function, Function::Sum | Function::Average)
            && !matches!(value.type_of(), Type::Number | Type::Unknown)
        {
            return Err(Trouble::at(argument.place, format!("{} needs numbers", call.name)));
        }
        if let Some(by) = by {
            let resolved = self.plain(by)?;
            check_order(&resolved, &Order { by: Box::new(by.clone()), descending: false })?;
        }
        let Some(order) = &call.order else { return Ok((value, false)) };
        let resolved = self.plain(&order.by)?;
        check_order(&resolved, order)?;
        Ok((value, order.descending))
    }
}

fn aggregate(name: &str) -> Option<Function> {
    Some(match name {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "avg" | "mean" => Function::Average,
        "min" => Function::Minimum,
        "max" => Function::Maximum,
        "first" | "first_value" | "min_by" | "arg_min" => Function::First,
        "last" | "last_value" | "max_by" | "arg_max" => Function::Last,
        _ => return None,
    })
}

fn unknown_function(name: &str, place: Place) -> Trouble {
    let trouble = Trouble::at(place, format!("the function {name} cannot be used here with these values"));
    match name {
        "random" | "rand" | "uuid" | "gen_random_uuid" => Trouble::at(
            place,
            format!("{name}() gives another answer each time, so that membership could not be explained"),
        )
        .hint("take a share of people by a campaign's holdout instead"),
        "row_number" | "rank" | "dense_rank" | "lag" | "lead" | "ntile" => trouble
            .hint("window functions cannot be kept live: compare an aggregate, or give the SQL a schedule: \"refresh\": {\"cron\": \"0 3 * * *\"}"),
        "date_trunc" | "date_part" | "extract" => {
            trouble.hint("date_trunc('day', timestamp), extract(hour FROM timestamp)")
        }
        "date_diff" | "datediff" => {
            trouble.hint("days_between(last_seen, now()), or now() - last_seen > 7 days")
        }
        "dateadd" | "date_add" => trouble.hint("timestamp + 7 days, timestamp + 1 month"),
        "percent_rank" | "cume_dist" => {
            trouble.hint("a rank depends on all people: it needs a scheduled refresh")
        }
        _ => match nearest(name, FUNCTIONS.into_iter().chain(Routine::names())) {
            Some(near) if near != name => trouble.hint(format!("did you mean {near}?")),
            Some(_) => trouble.hint("look at the number of values in its parentheses"),
            None => {
                let mut names: Vec<&str> = FUNCTIONS.into_iter().chain(Routine::names()).collect();
                names.sort_unstable();
                trouble.hint(format!("there are {}", names.join(", ")))
            }
        },
    }
}

fn check_table(query: &Query) -> Outcome<()> {
    if query.table == "events" {
        return Ok(());
    }
    let trouble =
        Trouble::at(query.table_place, format!("a subquery runs over events, not over {}", query.table));
    Err(match query.table.as_str() {
        "customer_data" => trouble.hint("conditions on the profile need no subquery"),
        "segments" | "memberships" => {
            trouble.hint("in_segment('name') tells whether the profile is a member")
        }
        "deliveries" | "catalog" => {
            trouble.hint("only events and traits can be kept live; use a scheduled refresh")
        }
        _ => trouble.hint("FROM events"),
    })
}

/// GROUP BY may only name the profile: a group is all events of one person.
fn check_group(query: &Query) -> Outcome<()> {
    for piece in &query.group {
        if !is_identity(piece) {
            return Err(Trouble::at(piece.place, "events can only be grouped by customer_id")
                .hint("count(distinct product_id) counts different values of a person's events"));
        }
    }
    Ok(())
}

pub(super) fn check_identity_item(query: &Query) -> Outcome<()> {
    match query.items.as_slice() {
        [only] if is_identity(only) => Ok(()),
        items => {
            let place = items.first().map_or(query.place, |item| item.place);
            Err(Trouble::at(place, "a segment is a set of customers: select customer_id and nothing else")
                .hint(format!("SELECT customer_id FROM {} WHERE …", query.table)))
        }
    }
}

pub(super) fn refuse_limit(query: &Query) -> Outcome<()> {
    if let Some(place) = query.limit {
        return Err(Trouble::at(
            place,
            "LIMIT cannot be kept live: whether a person is a member may not depend on others",
        )
        .hint("leave it out, or give the SQL a schedule: \"refresh\": {\"cron\": \"0 3 * * *\"}"));
    }
    if let Some(order) = &query.order {
        return Err(Trouble::at(order.by.place, "ORDER BY has no meaning here").hint("leave it out"));
    }
    Ok(())
}

fn is_identity(syntax: &Syntax) -> bool {
    matches!(&syntax.kind, Kind::Name { parts, .. }
        if parts.last().is_some_and(|name| matches!(name.to_ascii_lowercase().as_str(), "customer_id" | "profile_id")))
}

fn check_order(by: &Expression, order: &Order) -> Outcome<()> {
    match by {
        Expression::Column { name, depth: 0 } if &**name == "timestamp" => Ok(()),
        _ => Err(Trouble::at(order.by.place, "events can only be ordered by timestamp")
            .hint("min(x) and max(x) give the least and greatest value")),
    }
}
