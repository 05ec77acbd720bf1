//! The invented customers, in memory.

use serde_json::{Value, json};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) city: String,
    pub(crate) plan: String,
}

impl Customer {
    fn new(id: &str, name: &str, email: &str, city: &str, plan: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            email: email.to_owned(),
            city: city.to_owned(),
            plan: plan.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "email": self.email,
            "city": self.city,
            "plan": self.plan,
        })
    }

    /// One line of the report, without line end.
    pub(crate) fn csv(&self) -> String {
        let quoted = [&self.id, &self.name, &self.email, &self.city, &self.plan]
            .map(|field| format!("\"{}\"", field.replace('"', "\"\"")));
        quoted.join(",")
    }

    fn matches(&self, needle: &str) -> bool {
        [&self.name, &self.email, &self.city]
            .into_iter()
            .any(|field| field.to_lowercase().contains(needle))
    }
}

/// All rows, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Customers(Vec<Customer>);

impl Default for Customers {
    fn default() -> Self {
        Self(vec![
            Customer::new(
                "C-1001",
                "Ada Moreau",
                "ada.moreau@example.com",
                "Lyon",
                "team",
            ),
            Customer::new(
                "C-1002",
                "Björn Lindqvist",
                "bjorn@example.com",
                "Malmö",
                "enterprise",
            ),
            Customer::new(
                "C-1003",
                "Chiara Rossi",
                "chiara.rossi@example.com",
                "Torino",
                "free",
            ),
            Customer::new(
                "C-1004",
                "David Okafor",
                "d.okafor@example.com",
                "Lagos",
                "team",
            ),
            Customer::new(
                "C-1005",
                "Emi Tanaka",
                "emi.tanaka@example.com",
                "Osaka",
                "enterprise",
            ),
            Customer::new(
                "C-1006",
                "Farid Haddad",
                "farid@example.com",
                "Lyon",
                "free",
            ),
        ])
    }
}

impl Customers {
    pub(crate) fn all(&self) -> &[Customer] {
        &self.0
    }

    /// Rows whose name, address or city contains `query`, whatever its case.
    pub(crate) fn search(&self, query: &str) -> Vec<&Customer> {
        let needle = query.to_lowercase();
        self.0
            .iter()
            .filter(|customer| customer.matches(&needle))
            .collect()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Customer> {
        self.0.iter().find(|customer| customer.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut Customer> {
        self.0.iter_mut().find(|customer| customer.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::{Customer, Customers};

    #[test]
    fn search_ignores_case_and_looks_at_the_city() {
        let customers = Customers::default();
        let found: Vec<&str> = customers
            .search("LYON")
            .iter()
            .map(|row| row.id.as_str())
            .collect();
        assert_eq!(found, ["C-1001", "C-1006"]);
        assert!(customers.search("nobody").is_empty());
    }

    #[test]
    fn csv_quotes_are_doubled() {
        let row = Customer::new("1", "A \"B\" C", "e", "x,y", "p");
        assert_eq!(row.csv(), r#""1","A ""B"" C","e","x,y","p""#);
    }
}
