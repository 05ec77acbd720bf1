//! `json_text(json, pointer)`: a value out of a JSON text.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray as _, StringViewBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use serde_json::Value;

/// The value at an RFC 6901 pointer: a string without its quotes, anything else as JSON; NULL where
/// there is none, where it is `null`, or where the text is not JSON.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonText {
    signature: Signature,
}

impl JsonText {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::string(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for JsonText {
    fn name(&self) -> &'static str {
        "json_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let count = args.number_rows;
        let mut arrays = Vec::with_capacity(2);
        for value in args.args {
            arrays.push(cast(&value.into_array(count)?, &DataType::Utf8View)?);
        }
        let [json, pointer] = &arrays[..] else {
            return datafusion::common::exec_err!("json_text takes a text and a pointer");
        };
        let (json, pointer) = (json.as_string_view(), pointer.as_string_view());
        let mut out = StringViewBuilder::with_capacity(count);
        for at in 0..count {
            if json.is_null(at) || pointer.is_null(at) {
                out.append_null();
            } else {
                out.append_option(find(json.value(at), pointer.value(at)));
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

fn find(json: &str, pointer: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    match value.pointer(pointer)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
