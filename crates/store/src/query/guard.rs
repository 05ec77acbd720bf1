//! What may be asked: statements that read, of tables that exist.

use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::QueryError;

/// Longest question.
pub(super) const SQL_BYTES_MAX: usize = 65_536;
/// Most words, signs and texts in a question: a long chain of operators is a deep tree, and what walks it
/// needs as much stack. With [`STACK_BYTES`](super::engine::STACK_BYTES) there is enough for these.
pub(super) const TOKENS_MAX: usize = 4_096;
/// Deepest nesting of a question.
pub(super) const DEPTH_MAX: usize = 50;
/// Longest error text.
const ERROR_CHARS_MAX: usize = 500;

/// The one statement of a question, if it only reads.
pub(super) fn statement(sql: &str) -> Result<Statement, QueryError> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(QueryError::Refused(format!(
            "query has {} bytes; at most {SQL_BYTES_MAX} are taken",
            sql.len()
        )));
    }
    // Its keywords leave `user` alone, which is a column here.
    let dialect = DuckDbDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize().map_err(|error| {
        QueryError::Refused(one_line(&format!("query cannot be read: {error}")))
    })?;
    let words = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)));
    let words = words.count();
    if words > TOKENS_MAX {
        return Err(QueryError::Refused(format!(
            "query has {words} words and signs; at most {TOKENS_MAX} are taken"
        )));
    }
    let parsed = DFParserBuilder::new(sql)
        .with_dialect(&dialect)
        .with_recursion_limit(DEPTH_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| refused(&error))?;
    let statement = statements
        .pop_front()
        .ok_or_else(|| QueryError::Refused("query is empty".to_owned()))?;
    if !statements.is_empty() {
        return Err(QueryError::Refused(
            "only one statement is taken at a time".to_owned(),
        ));
    }
    if reads(&statement) {
        Ok(statement)
    } else {
        let text = statement.to_string();
        let verb = text
            .split_whitespace()
            .next()
            .unwrap_or("this")
            .to_uppercase();
        Err(QueryError::Refused(format!(
            "`{verb}` is not allowed: the trail can only be read, with SELECT, SHOW TABLES, DESCRIBE or EXPLAIN"
        )))
    }
}

fn reads(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(sql) => sql_reads(sql),
        Statement::Explain(explain) => reads(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => false,
    }
}

fn sql_reads(statement: &Sql) -> bool {
    match statement {
        Sql::Query(_)
        | Sql::ShowTables { .. }
        | Sql::ShowColumns { .. }
        | Sql::ExplainTable { .. } => true,
        Sql::Explain { statement, .. } => sql_reads(statement),
        _ => false,
    }
}

/// What the engine said, in one line.
pub(super) fn error(error: &DataFusionError, memory_bytes: usize) -> QueryError {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => QueryError::TooExpensive(format!(
            "query needs more than {} MiB of memory; ask for less at once, or raise the limit",
            memory_bytes >> 20
        )),
        DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ParquetError(_) => {
            tracing::warn!(%error, "a file of the store cannot be read");
            QueryError::Unavailable("a file of the store cannot be read".to_owned())
        }
        _ => refused(error),
    }
}

fn refused(error: &DataFusionError) -> QueryError {
    QueryError::Refused(one_line(&error.strip_backtrace()))
}

/// One line of bounded length, whatever a text has in it.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line: String = words.chars().take(ERROR_CHARS_MAX).collect();
    if line.len() < words.len() {
        line.push('…');
    }
    line
}
