//! Parses what stands inside a Handlebars tag: names, parameters, hash arguments, paths, literals.
//!
//! In: the parser at the start of a tag's contents. Out: a [`Head`], or the first error with what was expected.

use std::sync::Arc;

use super::ast::{Expr, Invocation, Path};
use super::lexer::{Token, token};
use super::parse::Parser;
use crate::error::Error;

/// What a tag holds.
pub(crate) struct Head {
    pub(crate) call: Invocation,
    pub(crate) parameters: Vec<Arc<str>>,
    pub(crate) strip_close: bool,
}

/// How a tag must end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Plain,
    Unescaped,
    Raw,
}

impl Parser<'_> {
    /// Reads name, parameters, hash and, where `names` allows them, block parameters up to the end of the tag.
    pub(crate) fn head(
        &mut self,
        start: usize,
        ending: Ending,
        partial: bool,
        names: bool,
    ) -> Result<Head, Error> {
        let name = self.name_expr(partial)?;
        let mut call = Invocation { name, params: Vec::new(), hash: Vec::new(), at: start };
        let mut parameters = Vec::new();
        self.arguments(&mut call, 0)?;
        if let (Token::OpenParameters, at, end) = token(self.source, self.at) {
            if !names {
                return Err(self.error(at, "Only a block takes block parameters"));
            }
            self.at = end;
            parameters = self.block_parameters()?;
        }
        let (found, at, end) = token(self.source, self.at);
        self.at = end;
        let strip_close = match (found, ending) {
            (Token::Close { strip }, Ending::Plain)
            | (Token::CloseUnescaped { strip }, Ending::Unescaped) => strip,
            (Token::CloseRaw, Ending::Raw) => false,
            (found, _) => {
                let expected = match ending {
                    Ending::Plain => "}}",
                    Ending::Unescaped => "}}}",
                    Ending::Raw => "}}}}",
                };
                let shown =
                    self.source.get(at..end).filter(|t| !t.is_empty()).unwrap_or("the end").to_owned();
                let message = match found {
                    Token::End => "The tag is never closed".to_owned(),
                    _ => format!("`{shown}` is not expected here"),
                };
                return Err(self
                    .error(at.min(self.source.len()), message)
                    .with_hint(Some(format!("expected `{expected}`"))));
            }
        };
        Ok(Head { call, parameters, strip_close })
    }

    fn block_parameters(&mut self) -> Result<Vec<Arc<str>>, Error> {
        let mut names = Vec::new();
        loop {
            let (found, at, end) = token(self.source, self.at);
            self.at = end;
            match found {
                Token::Id { text, .. } => names.push(Arc::from(text)),
                Token::CloseParameters if !names.is_empty() => return Ok(names),
                _ => return Err(self.error(at, "Block parameters are names between bars, as |item index|")),
            }
        }
    }

    /// Parameters, then hash arguments.
    fn arguments(&mut self, call: &mut Invocation, depth: usize) -> Result<(), Error> {
        loop {
            let (found, at, end) = token(self.source, self.at);
            match found {
                Token::Id { text, .. } if matches!(token(self.source, end), (Token::Equals, _, _)) => {
                    let (_, _, after) = token(self.source, end);
                    self.at = after;
                    let value = self.param(depth)?;
                    call.hash.push((Arc::from(text), value));
                }
                Token::Id { .. }
                | Token::Text(_)
                | Token::Data
                | Token::Bool(_)
                | Token::Undefined
                | Token::Null
                | Token::Number(_)
                | Token::OpenSexpr => {
                    if !call.hash.is_empty() {
                        return Err(self.error(at, "Parameters come before hash arguments"));
                    }
                    let value = self.param(depth)?;
                    call.params.push(value);
                }
                _ => return Ok(()),
            }
        }
    }

    fn param(&mut self, depth: usize) -> Result<Expr, Error> {
        let (found, at, end) = token(self.source, self.at);
        if found != Token::OpenSexpr {
            return self.simple_expr();
        }
        if depth >= self.options.limits.nesting.min(100) {
            let message = "Nesting too deep: expressions within expressions";
            return Err(self.too_deep(at, message.to_owned()));
        }
        self.at = end;
        let name = self.simple_expr()?;
        let mut call = Invocation { name, params: Vec::new(), hash: Vec::new(), at };
        self.arguments(&mut call, depth + 1)?;
        let (found, at, end) = token(self.source, self.at);
        if found != Token::CloseSexpr {
            return Err(self
                .error(at, "The expression is never closed")
                .with_hint(Some("expected `)`".to_owned())));
        }
        self.at = end;
        Ok(Expr::Call(Box::new(call)))
    }

    /// The name of a tag; a partial's may be computed.
    fn name_expr(&mut self, partial: bool) -> Result<Expr, Error> {
        match token(self.source, self.at) {
            (Token::OpenSexpr, ..) if partial => self.param(0),
            _ => self.simple_expr(),
        }
    }

    /// A path or a literal.
    fn simple_expr(&mut self) -> Result<Expr, Error> {
        let (found, at, end) = token(self.source, self.at);
        self.at = end;
        Ok(match found {
            Token::Text(text) => Expr::Text(Arc::from(text)),
            Token::Number(number) => Expr::Number(number),
            Token::Bool(truth) => Expr::Bool(truth),
            Token::Undefined => Expr::Undefined,
            Token::Null => Expr::Null,
            Token::Data => {
                let (first, first_at, end) = token(self.source, self.at);
                self.at = end;
                match first {
                    Token::Id { text, literal } => Expr::Path(self.path(true, text, literal, at)?),
                    _ => return Err(self.error(first_at, "A name must follow `@`")),
                }
            }
            Token::Id { text, literal } => Expr::Path(self.path(false, text, literal, at)?),
            _ => {
                let shown = self.source.get(at..end).filter(|t| !t.is_empty()).unwrap_or("the end");
                return Err(self.error(at.min(self.source.len()), format!("`{shown}` is not an expression")));
            }
        })
    }

    fn path(&mut self, data: bool, first: String, literal: bool, at: usize) -> Result<Path, Error> {
        let mut path = Path {
            data,
            depth: 0,
            parts: Vec::new(),
            original: if data { "@".to_owned() } else { String::new() },
            at,
        };
        self.part(&mut path, &first, literal)?;
        loop {
            let (found, _, end) = token(self.source, self.at);
            let Token::Separator(separator) = found else {
                return Ok(path);
            };
            let (next, at, end) = token(self.source, end);
            let Token::Id { text, literal } = next else {
                return Err(
                    self.error(at.min(self.source.len()), "A name must follow the separator of a path")
                );
            };
            self.at = end;
            path.original.push(separator);
            self.part(&mut path, &text, literal)?;
        }
    }

    fn part(&self, path: &mut Path, part: &str, literal: bool) -> Result<(), Error> {
        path.original.push_str(part);
        if !literal && matches!(part, ".." | "." | "this") {
            if !path.parts.is_empty() {
                return Err(self.error(path.at, format!("Invalid path: {}", path.original)));
            }
            path.depth += usize::from(part == "..");
        } else {
            path.parts.push(Arc::from(part));
        }
        Ok(())
    }
}
