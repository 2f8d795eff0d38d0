//! A query's text, parsed, held to reading, and the names it uses.

use std::collections::{BTreeSet, HashSet};

use deltalake::datafusion::common::{DataFusionError, TableReference};
use deltalake::datafusion::config::Dialect;
use deltalake::datafusion::execution::SessionState;
use deltalake::datafusion::sql::parser::Statement;
use deltalake::datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use deltalake::datafusion::sql::sqlparser::dialect::GenericDialect;
use deltalake::datafusion::sql::sqlparser::keywords::Keyword;
use deltalake::datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Error, SqlError};
use crate::live::LiveTables;
use crate::table::Table;

use super::{explain, plain_name, wrong};

/// A parsed query.
pub(super) struct Query {
    pub(super) statement: Statement,
    /// The tables it reads.
    pub(super) tables: Vec<TableReference>,
    /// Every word in it.
    words: HashSet<Word>,
    /// Whether it has a `*` that stands for columns.
    everything: bool,
}

#[derive(PartialEq, Eq, Hash)]
struct Word {
    text: String,
    quoted: bool,
}

impl Query {
    /// Parses one statement and refuses all but queries.
    pub(super) fn parse(sql: &str, state: &SessionState) -> Result<Self, Error> {
        let failed = |error: DataFusionError| explain::error(error, sql);
        if sql.trim().trim_end_matches(';').is_empty() {
            return Err(wrong("there is no query"));
        }
        let statement = state.sql_to_statement(sql, &Dialect::Generic).map_err(failed)?;
        if !is_query(&statement) {
            return Err(refused(sql).into());
        }
        let tables = state.resolve_table_references(&statement).map_err(failed)?;
        let (words, everything) = words(sql);
        Ok(Self { statement, tables, words, everything })
    }

    /// The lake's own tables that it reads: those which no live table hides.
    pub(super) fn lake_tables(&self, live: &dyn LiveTables) -> BTreeSet<Table> {
        let names: HashSet<&str> = self.tables.iter().filter_map(plain_name).collect();
        let is_read = |table: &Table| match table {
            Table::Events => names.contains(table.name()) || names.contains(super::tables::EVENTS_ALL),
            _ => names.contains(table.name()) && live.table(table.name()).is_none(),
        };
        Table::ALL.into_iter().filter(is_read).collect()
    }

    /// The names under which the query may mean the column `name`: as it is,
    /// and in small letters when it was written without quotes. Empty when the
    /// query cannot mean it.
    pub(super) fn names_for(&self, name: &str) -> Vec<String> {
        let small = name.to_lowercase();
        let exact = |quoted| self.words.contains(&Word { text: name.to_owned(), quoted });
        let mut names = Vec::new();
        if self.everything || exact(true) || (small == name && self.says(name)) {
            names.push(name.to_owned());
        }
        if small != name && exact(false) {
            names.push(small);
        }
        names
    }

    /// Whether `name`, which is in small letters, is a word of the query.
    pub(super) fn says(&self, name: &str) -> bool {
        let word = |word: &Word| word.text == name || (!word.quoted && word.text.to_lowercase() == name);
        self.words.iter().any(word)
    }
}

fn is_query(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => match statement.as_ref() {
            SqlStatement::Query(_) => true,
            SqlStatement::Explain { statement, .. } => matches!(**statement, SqlStatement::Query(_)),
            _ => false,
        },
        Statement::Explain(explain) => is_query(&explain.statement),
        _ => false,
    }
}

/// The refusal of a statement that does more than read.
pub(super) fn refused(sql: &str) -> SqlError {
    let verb = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
    SqlError {
        message: format!("the lake only answers queries; {verb} is refused"),
        at: None,
        hint: Some("write a SELECT, or a WITH … SELECT".into()),
    }
}

/// All words of the text, and whether a `*` stands for columns: one that does
/// not follow an operand and is not the whole argument of a function.
fn words(sql: &str) -> (HashSet<Word>, bool) {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let mut words = HashSet::new();
    let mut everything = false;
    let mut before: Option<&Token> = None;
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Word(word) => {
                words.insert(Word { text: word.value.clone(), quoted: word.quote_style.is_some() });
            }
            Token::Mul => {
                let in_brackets =
                    before == Some(&Token::LParen) && tokens.get(place + 1) == Some(&Token::RParen);
                let after_operand = match before {
                    Some(Token::Word(word)) => {
                        !matches!(word.keyword, Keyword::SELECT | Keyword::DISTINCT | Keyword::ALL)
                    }
                    Some(Token::Comma | Token::Period) | None => false,
                    Some(_) => true,
                };
                everything |= !in_brackets && !after_operand;
            }
            _ => {}
        }
        before = Some(token);
    }
    (words, everything)
}

#[cfg(test)]
mod tests;
