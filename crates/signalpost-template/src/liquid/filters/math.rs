//! Filters that compute with numbers.

use std::cmp::Ordering;

use crate::error::Fault;
use crate::machine::Machine;
use crate::value::Value;
use crate::value::number::{self, Arithmetic, Number, number};

type Answer<'a> = Result<Value<'a>, Fault>;

fn argument<'a>(arguments: &[Value<'a>]) -> Number {
    arguments.first().map_or(Number::Small(0), number)
}

fn apply<'a>(input: &Value<'a>, arguments: &[Value<'a>], operation: Arithmetic) -> Answer<'a> {
    number::apply(&number(input), &argument(arguments), operation)?.into_value()
}

pub(crate) fn plus<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    apply(&input, arguments, Arithmetic::Plus)
}

pub(crate) fn minus<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    apply(&input, arguments, Arithmetic::Minus)
}

pub(crate) fn times<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    apply(&input, arguments, Arithmetic::Times)
}

pub(crate) fn divided_by<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    apply(&input, arguments, Arithmetic::Divide)
}

pub(crate) fn modulo<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    apply(&input, arguments, Arithmetic::Modulo)
}

pub(crate) fn abs<'a>(_: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    number(&input).abs().into_value()
}

pub(crate) fn ceil<'a>(_: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    number::to_whole(&number(&input), true)
}

pub(crate) fn floor<'a>(_: &mut Machine<'a>, input: Value<'a>, _: &[Value<'a>]) -> Answer<'a> {
    number::to_whole(&number(&input), false)
}

pub(crate) fn round<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    number::round(&number(&input), &argument(arguments))
}

pub(crate) fn at_least<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (given, bound) = (number(&input), argument(arguments));
    if bound.compare(&given) == Some(Ordering::Greater) { bound.into_value() } else { given.into_value() }
}

pub(crate) fn at_most<'a>(_: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (given, bound) = (number(&input), argument(arguments));
    if bound.compare(&given) == Some(Ordering::Less) { bound.into_value() } else { given.into_value() }
}

/// An amount of money as the host's locale writes it; without one, with two places and the currency's code.
pub(crate) fn money<'a>(machine: &mut Machine<'a>, input: Value<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let rounded = number::round(&number(&input), &Number::Small(2))?;
    let amount = rounded.as_float().unwrap_or(0.0);
    let currency = arguments.first().map_or(String::new(), Value::to_text);
    let local = machine.locale().and_then(|l| l.money(amount, &currency));
    Ok(Value::from(local.unwrap_or_else(|| format!("{amount:.2} {currency}"))))
}
