//! A schema's JSON into its compiled form, with every keyword known or refused.

use serde_json::Value as Json;

use super::{Format, Node, Numbers, Refusal, Texts, Type};

/// Levels of a schema, references included.
const DEPTH_MAX: usize = 32;
/// Parts of one schema, references resolved.
const NODES_MAX: usize = 10_000;

pub(super) fn compile(json: &Json) -> Result<Node, Refusal> {
    let mut compiler = Compiler { root: json, nodes: 0 };
    compiler.node(json, "", 0)
}

struct Compiler<'a> {
    root: &'a Json,
    nodes: usize,
}

fn refusal<T>(at: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { at: at.to_owned(), message: message.into() })
}

impl<'a> Compiler<'a> {
    fn node(&mut self, json: &'a Json, at: &str, depth: usize) -> Result<Node, Refusal> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            let message = format!(
                "deeper than {DEPTH_MAX} levels or larger than {NODES_MAX} parts; does it refer to itself?"
            );
            return refusal(at, message);
        }
        let keywords = match json {
            Json::Bool(allowed) => return Ok(Node { never: !allowed, ..Node::default() }),
            Json::Object(keywords) => keywords,
            _ => return refusal(at, "expected an object, true or false"),
        };
        let mut node = Node::default();
        for (keyword, value) in keywords {
            let at = format!("{at}/{}", keyword.replace('~', "~0").replace('/', "~1"));
            self.keyword(&mut node, keyword, value, &at, depth)?;
        }
        Ok(node)
    }

    fn keyword(
        &mut self,
        node: &mut Node,
        keyword: &str,
        value: &'a Json,
        at: &str,
        depth: usize,
    ) -> Result<(), Refusal> {
        match keyword {
            "type" => node.types = types(value, at)?,
            "enum" => match value {
                Json::Array(items) => node.allowed = Some(items.iter().cloned().map(Into::into).collect()),
                _ => return refusal(at, "expected a list"),
            },
            "const" => node.allowed = Some(vec![value.clone().into()]),
            "required" => node.required = names(value, at)?,
            "properties" => {
                let Json::Object(entries) = value else { return refusal(at, "expected an object") };
                for (name, schema) in entries {
                    let inner = self.node(schema, &format!("{at}/{name}"), depth + 1)?;
                    node.properties.push((name.as_str().into(), inner));
                }
            }
            "additionalProperties" => node.additional = Some(Box::new(self.node(value, at, depth + 1)?)),
            "minProperties" => node.properties_min = Some(count(value, at)?),
            "maxProperties" => node.properties_max = Some(count(value, at)?),
            "items" => node.items = Some(Box::new(self.node(value, at, depth + 1)?)),
            "minItems" => node.items_min = Some(count(value, at)?),
            "maxItems" => node.items_max = Some(count(value, at)?),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
                let bound = value.as_f64().filter(|bound| bound.is_finite());
                let Some(bound) = bound else { return refusal(at, "expected a number") };
                numbers(node.numbers.get_or_insert_default(), keyword, bound, at)?;
            }
            "minLength" | "maxLength" | "pattern" | "format" => {
                texts(node.texts.get_or_insert_default(), keyword, value, at)?;
            }
            "allOf" => node.all_of.extend(self.nodes(value, at, depth)?),
            "anyOf" => node.any_of = self.nodes(value, at, depth)?,
            "oneOf" => node.one_of = self.nodes(value, at, depth)?,
            "not" => node.not = Some(Box::new(self.node(value, at, depth + 1)?)),
            "$ref" => node.all_of.push(self.reference(value, at, depth)?),
            "$defs" | "definitions" | "$schema" | "$id" | "$comment" | "title" | "description"
            | "default" | "examples" | "deprecated" | "readOnly" | "writeOnly" => {}
            other => {
                let message = format!(
                    "the keyword {other:?} is not known here; use type, properties, required, enum, bounds, pattern, anyOf, oneOf, allOf, not or $ref"
                );
                return refusal(at, message);
            }
        }
        Ok(())
    }

    fn nodes(&mut self, value: &'a Json, at: &str, depth: usize) -> Result<Vec<Node>, Refusal> {
        match value {
            Json::Array(items) if !items.is_empty() => items
                .iter()
                .enumerate()
                .map(|(place, item)| self.node(item, &format!("{at}/{place}"), depth + 1))
                .collect(),
            _ => refusal(at, "expected a list of schemas"),
        }
    }

    fn reference(&mut self, value: &'a Json, at: &str, depth: usize) -> Result<Node, Refusal> {
        let pointer = value.as_str().and_then(|text| text.strip_prefix('#'));
        let root = self.root;
        let Some(target) = pointer.and_then(|pointer| root.pointer(pointer)) else {
            return refusal(at, "expected a reference within this schema, such as \"#/$defs/money\"");
        };
        self.node(target, at, depth + 1)
    }
}

fn types(value: &Json, at: &str) -> Result<u8, Refusal> {
    let one = |value: &Json| {
        let name = value.as_str()?;
        Type::ALL.iter().find(|(held, _)| *held == name).map(|(_, kind)| *kind as u8)
    };
    let set = match value {
        Json::Array(items) if !items.is_empty() => {
            items.iter().try_fold(0, |set, item| one(item).map(|bit| set | bit))
        }
        other => one(other),
    };
    match set {
        Some(set) => Ok(set),
        None => {
            refusal(at, "expected null, boolean, integer, number, string, array or object, or a list of them")
        }
    }
}

fn names(value: &Json, at: &str) -> Result<Vec<Box<str>>, Refusal> {
    let names = match value {
        Json::Array(items) => items.iter().map(|item| item.as_str().map(Box::from)).collect(),
        _ => None,
    };
    match names {
        Some(names) => Ok(names),
        None => refusal(at, "expected a list of names"),
    }
}

fn count(value: &Json, at: &str) -> Result<usize, Refusal> {
    match value.as_u64().and_then(|number| usize::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => refusal(at, "expected a whole number of at least 0"),
    }
}

fn numbers(numbers: &mut Numbers, keyword: &str, bound: f64, at: &str) -> Result<(), Refusal> {
    let place = match keyword {
        "minimum" => &mut numbers.minimum,
        "maximum" => &mut numbers.maximum,
        "exclusiveMinimum" => &mut numbers.above,
        "exclusiveMaximum" => &mut numbers.below,
        _ if bound > 0.0 => &mut numbers.multiple_of,
        _ => return refusal(at, "expected a number above 0"),
    };
    *place = Some(bound);
    Ok(())
}

fn texts(texts: &mut Texts, keyword: &str, value: &Json, at: &str) -> Result<(), Refusal> {
    const PATTERN_BYTES_MAX: usize = 1 << 20;
    match keyword {
        "minLength" => texts.chars_min = Some(count(value, at)?),
        "maxLength" => texts.chars_max = Some(count(value, at)?),
        "pattern" => {
            let Some(text) = value.as_str() else { return refusal(at, "expected a pattern") };
            let built = regex::RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
            match built {
                Ok(regex) => texts.pattern = Some(regex),
                Err(error) => return refusal(at, format!("not a pattern this program can run: {error}")),
            }
        }
        _ => {
            let known = Format::ALL.iter().find(|(name, _)| value.as_str() == Some(name));
            let Some((_, format)) = known else {
                return refusal(at, "expected date-time, date, email or uri");
            };
            texts.format = Some(*format);
        }
    }
    Ok(())
}
