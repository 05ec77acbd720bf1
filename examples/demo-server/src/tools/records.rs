//! Tools on single customers.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, JsonObject};
use serde_json::{Value, json};

use super::failure;
use crate::customers::Customer;
use crate::server::Crm;

pub(super) async fn search(crm: &Crm, query: &str) -> Result<CallToolResult, ErrorData> {
    let customers = crm.customers.read().await;
    let found: Vec<Value> = customers
        .search(query)
        .into_iter()
        .map(Customer::json)
        .collect();
    Ok(CallToolResult::structured(json!({"customers": found})))
}

pub(super) async fn get(crm: &Crm, id: &str) -> CallToolResult {
    match crm.customers.read().await.find(id) {
        Some(customer) => CallToolResult::structured(customer.json()),
        None => unknown(id),
    }
}

/// Sets the fields that are given as strings; leaves the others.
pub(super) async fn update(crm: &Crm, id: &str, arguments: &JsonObject) -> CallToolResult {
    let mut customers = crm.customers.write().await;
    let Some(customer) = customers.find_mut(id) else {
        return unknown(id);
    };
    let fields = [
        ("name", &mut customer.name),
        ("email", &mut customer.email),
        ("city", &mut customer.city),
        ("plan", &mut customer.plan),
    ];
    for (key, field) in fields {
        if let Some(value) = arguments.get(key).and_then(Value::as_str) {
            value.clone_into(field);
        }
    }
    CallToolResult::structured(customer.json())
}

/// Always a protocol error, so that a trail has one to show.
pub(super) fn delete(id: &str) -> ErrorData {
    ErrorData::internal_error("the customer ledger is locked", Some(json!({"id": id})))
}

fn unknown(id: &str) -> CallToolResult {
    failure(&format!("no customer `{id}`"))
}
