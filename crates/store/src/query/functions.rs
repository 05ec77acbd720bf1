//! Which functions may be called, and how much they may make out of little.
//!
//! The memory limit counts what joins, sorts and groups hold, not what one function call makes for one
//! batch of rows. So functions stand in a list, and those that make more bytes than they are given
//! have what they are given weighed first.

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, plan_err, resources_datafusion_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, WindowFunctionDefinition,
};
use datafusion::prelude::SessionContext;

use super::context_column::ContextColumn;
use super::json::JsonText;

/// Bytes that one argument of a function that grows may have, for one batch of rows.
const ARGUMENT_BYTES_MAX: usize = 64 << 20;
/// Longest format of a date.
const DATE_FORMAT_BYTES_MAX: usize = 128;

/// Scalar functions that may be called, without their aliases.
const ALLOWED: &[&str] = &[
    // strings
    "ascii",
    "bit_length",
    "btrim",
    "character_length",
    "chr",
    "concat",
    "concat_ws",
    "contains",
    "ends_with",
    "find_in_set",
    "initcap",
    "left",
    "levenshtein",
    "lower",
    "ltrim",
    "octet_length",
    "overlay",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    "replace",
    "reverse",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "to_hex",
    "translate",
    "upper",
    // NULLs and comparisons
    "coalesce",
    "greatest",
    "least",
    "nullif",
    "nvl",
    "nvl2",
    // times
    "current_date",
    "current_time",
    "date_bin",
    "date_part",
    "date_trunc",
    "from_unixtime",
    "make_date",
    "now",
    "to_char",
    "to_date",
    "to_local_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    // numbers
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "ceil",
    "cos",
    "exp",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "nanvl",
    "pi",
    "power",
    "random",
    "round",
    "signum",
    "sin",
    "sqrt",
    "tan",
    "trunc",
    // arrays, as aggregates make them
    "array_distinct",
    "array_element",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_length",
    "array_max",
    "array_min",
    "array_position",
    "array_slice",
    "array_sort",
    "array_to_string",
    "cardinality",
    "make_array",
    "string_to_array",
    // types, and ours
    "arrow_cast",
    "arrow_typeof",
    "get_field",
    "json_text",
    "version",
];

/// Aggregates whose value grows with the rows: not as window functions, where each row has one.
const GROWING_AGGREGATES: [&str; 3] = ["array_agg", "string_agg", "listagg"];

/// Takes away what may not be called, and adds what is ours.
pub(super) fn register(session: &SessionContext) {
    let state = session.state();
    for function in state.scalar_functions().values() {
        if !ALLOWED.contains(&function.name()) {
            session.deregister_udf(function.name());
        }
    }
    for name in state.higher_order_functions().keys() {
        session.deregister_higher_order_function(name);
    }
    session.register_udf(ScalarUDF::new_from_impl(JsonText::new()));
}

/// Refuses a plan with functions that may not be called, however they came into it, and has the
/// arguments of those that grow weighed.
pub(super) fn check(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| allowed(expr).map(|()| TreeNodeRecursion::Continue))
        })
    })?;
    let plan = plan.transform_down_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let weighed = expr.transform_up(weighed)?;
            Ok(weighed.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(plan.data)
}

fn allowed(expr: &Expr) -> Result<()> {
    match expr {
        Expr::ScalarFunction(call) => {
            let name = call.func.name();
            let ours =
                call.func.inner().as_ref().type_id() == std::any::TypeId::of::<ContextColumn>();
            if !ours && !ALLOWED.contains(&name) {
                return plan_err!("function `{name}` may not be called here");
            }
        }
        Expr::WindowFunction(call) => {
            if let WindowFunctionDefinition::AggregateUDF(function) = &call.fun
                && GROWING_AGGREGATES.contains(&function.name())
            {
                return plan_err!("`{}` may not be a window function here", function.name());
            }
        }
        _ => {}
    }
    Ok(())
}

fn weighed(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::StringConcat,
            right,
        }) => Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr {
            left: Box::new(weigh(*left, ARGUMENT_BYTES_MAX)),
            op: Operator::StringConcat,
            right: Box::new(weigh(*right, ARGUMENT_BYTES_MAX)),
        }))),
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let args = match func.name() {
                "concat" | "concat_ws" | "overlay" | "make_array" => args
                    .into_iter()
                    .map(|argument| weigh(argument, ARGUMENT_BYTES_MAX))
                    .collect(),
                "replace" | "regexp_replace" => multiplied(args, 2)?,
                "array_to_string" => multiplied(args, 1)?,
                "to_char" => {
                    literal(&args, 1, DATE_FORMAT_BYTES_MAX)?;
                    args
                }
                _ => {
                    return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction {
                        func,
                        args,
                    })));
                }
            };
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction {
                func,
                args,
            })))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The argument at `by` can come once for each byte of the first.
fn multiplied(mut args: Vec<Expr>, by: usize) -> Result<Vec<Expr>> {
    let times = literal(&args, by, ARGUMENT_BYTES_MAX)?.saturating_add(1);
    if let Some(first) = args.first_mut() {
        let argument = std::mem::take(first);
        *first = weigh(argument, ARGUMENT_BYTES_MAX.saturating_mul(4) / times);
    }
    Ok(args)
}

/// Length of a text argument, which must be a literal.
fn literal(args: &[Expr], at: usize, bytes_max: usize) -> Result<usize> {
    let text = match args.get(at) {
        None => return Ok(0),
        Some(Expr::Literal(value, _)) => value.try_as_str().flatten().unwrap_or_default(),
        Some(_) => return plan_err!("the format or replacement must be written out as a text"),
    };
    if text.len() > bytes_max {
        return plan_err!("the format or replacement has more than {bytes_max} bytes");
    }
    Ok(text.len())
}

fn weigh(argument: Expr, bytes_max: usize) -> Expr {
    // Counts and positions weigh nothing.
    if matches!(&argument, Expr::Literal(value, _) if value.try_as_str().is_none()) {
        return argument;
    }
    ScalarUDF::new_from_impl(Weigh {
        bytes_max,
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![argument])
}

/// Gives what it is given, unless that has too many bytes.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Weigh {
    bytes_max: usize,
    signature: Signature,
}

impl ScalarUDFImpl for Weigh {
    fn name(&self) -> &'static str {
        "weigh"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(wrong)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let argument = args.args.into_iter().next().ok_or_else(wrong)?;
        let bytes = match &argument {
            ColumnarValue::Array(array) => bytes(array),
            ColumnarValue::Scalar(value) => bytes(&value.to_array()?).saturating_mul(rows.max(1)),
        };
        if bytes > self.bytes_max {
            return Err(resources_datafusion_err!(
                "texts are too long to be put together"
            ));
        }
        Ok(argument)
    }
}

fn wrong() -> DataFusionError {
    DataFusionError::Internal("weigh takes one argument".to_owned())
}

fn bytes(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().iter().flatten().map(str::len).sum(),
        DataType::Utf8 => array
            .as_string::<i32>()
            .iter()
            .flatten()
            .map(str::len)
            .sum(),
        DataType::LargeUtf8 => array
            .as_string::<i64>()
            .iter()
            .flatten()
            .map(str::len)
            .sum(),
        _ => array.get_array_memory_size(),
    }
}
