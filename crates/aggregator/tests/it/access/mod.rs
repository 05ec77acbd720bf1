//! Who is let in at the API, and who is not.

mod attacks;
mod document;
mod issuer;
mod oidc;
mod routes;
mod tls;
mod tokens;

use affiant_aggregator::access::{ApiTokens, NewApiToken, Role};
use affiant_aggregator::query::ReadBounds;

use crate::world::World;

/// An aggregator on loopback that asks who one is.
pub(crate) async fn asking() -> World {
    World::start_with(|settings| settings.access.required = true).await
}

/// `Bearer …` with a new token of a role.
pub(crate) fn bearer(world: &World, role: Role) -> String {
    bearer_within(world, role, ReadBounds::default())
}

pub(crate) fn bearer_within(world: &World, role: Role, bounds: ReadBounds) -> String {
    let token = ApiTokens::new(&world.state()).make(&NewApiToken {
        name: format!("test {}", role.as_str()),
        role,
        bounds,
        expires_utc_us: None,
    });
    format!("Bearer {}", token.unwrap().as_str())
}

pub(crate) fn api(world: &World) -> String {
    world.server().addresses().api.clone()
}
