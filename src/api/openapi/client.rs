//! The operations of `/client/v4`, as their clients know them, and their objects.

use super::schemas::{Schemas, object, text, words};
use super::{Operation, Shape, get};

pub(super) const V4: &[Operation] = &[get(
    "/client/v4/user/tokens/verify",
    "user",
    "Whether the token is good",
    Shape::One(200, "Verified"),
)];

pub(super) const SCHEMAS: Schemas = &[("Verified", || {
    let mut verified = object(&[("id", text()), ("status", words(&["active"]))]);
    verified["properties"]["expires_on"] = text();
    verified["properties"]["not_before"] = text();
    verified
})];
