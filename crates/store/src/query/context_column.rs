//! Facts of the context as columns: looked up by the leaf, server, user and tool of each row.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use affiant_entry::record::ContextKind;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanBuilder, StringViewArray, StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::context::{Context, Facts, Subjects};

/// What of the facts a column shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Shown {
    /// The value of one key.
    Key(String),
    /// All of them, as JSON.
    All,
    /// Who says so.
    From,
    /// Whether that was past its age.
    Stale,
}

/// A column of facts.
#[derive(Debug)]
pub(super) struct ContextColumn {
    name: String,
    kind: ContextKind,
    shown: Shown,
    context: Arc<Context>,
    signature: Signature,
}

impl ContextColumn {
    /// The expression of a column; `arguments` are leaf, server, user and tool.
    pub(super) fn expr(
        context: &Arc<Context>,
        kind: ContextKind,
        name: &str,
        shown: Shown,
        arguments: Vec<Expr>,
    ) -> Expr {
        let text = DataType::Utf8View;
        let column = Self {
            name: name.to_owned(),
            kind,
            shown,
            context: Arc::clone(context),
            signature: Signature::exact(
                vec![DataType::Int64, text.clone(), text.clone(), text],
                Volatility::Immutable,
            ),
        };
        ScalarUDF::new_from_impl(column).call(arguments).alias(name)
    }

    fn facts<'a>(&'a self, rows: &'a Rows<'_>, at: usize) -> Option<&'a Facts> {
        self.context.facts(self.kind, &rows.subjects(at)?)
    }
}

/// The same column of the same moment.
impl PartialEq for ContextColumn {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.shown) == (other.kind, &other.shown)
            && Arc::ptr_eq(&self.context, &other.context)
    }
}

impl Eq for ContextColumn {}

impl Hash for ContextColumn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.kind, &self.shown).hash(state);
    }
}

impl ScalarUDFImpl for ContextColumn {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.shown {
            Shown::Stale => DataType::Boolean,
            Shown::Key(_) | Shown::All | Shown::From => DataType::Utf8View,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let count = args.number_rows;
        let arrays: Vec<ArrayRef> = args
            .args
            .into_iter()
            .map(|value| value.into_array(count))
            .collect::<Result<_>>()?;
        let Some(rows) = Rows::of(&arrays) else {
            return exec_err!("facts are looked up by leaf, server, user and tool");
        };
        if self.shown == Shown::Stale {
            let mut out = BooleanBuilder::with_capacity(count);
            (0..count)
                .for_each(|at| out.append_option(self.facts(&rows, at).map(|facts| facts.stale)));
            return Ok(ColumnarValue::Array(Arc::new(out.finish())));
        }
        let mut out = StringViewBuilder::with_capacity(count);
        for at in 0..count {
            let facts = self.facts(&rows, at);
            match &self.shown {
                Shown::Key(key) => out.append_option(facts.and_then(|f| f.facts.get(key))),
                Shown::From => out.append_option(facts.map(|f| &f.from)),
                Shown::All | Shown::Stale => {
                    out.append_option(facts.and_then(|f| serde_json::to_string(&f.facts).ok()));
                }
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

struct Rows<'a> {
    leaves: &'a datafusion::arrow::array::PrimitiveArray<Int64Type>,
    server: &'a StringViewArray,
    user: &'a StringViewArray,
    tool: &'a StringViewArray,
}

impl<'a> Rows<'a> {
    fn of(arrays: &'a [ArrayRef]) -> Option<Self> {
        let [leaves, server, user, tool] = arrays else {
            return None;
        };
        Some(Self {
            leaves: leaves.as_primitive_opt()?,
            server: server.as_string_view_opt()?,
            user: user.as_string_view_opt()?,
            tool: tool.as_string_view_opt()?,
        })
    }

    fn subjects(&self, at: usize) -> Option<Subjects<'_>> {
        fn text(array: &StringViewArray, at: usize) -> Option<&str> {
            array.is_valid(at).then(|| array.value(at))
        }
        Some(Subjects {
            leaf: u64::try_from(self.leaves.value(at)).ok()?,
            server: text(self.server, at),
            user: text(self.user, at),
            tool: text(self.tool, at),
        })
    }
}
