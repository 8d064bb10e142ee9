//! `bailiwick token …`: asked of the running server, or done on its data folder when none runs.

use std::error::Error;
use std::process::ExitCode;

use serde_json::Value;

use super::hostname::{answer, running_or_not, text};
use super::{Over, Token};
use crate::base::count::count;
use crate::control::command::TokenRequest;
use crate::control::socket::Request;
use crate::control::world::Now;

/// `bailiwick token …`
pub fn token(over: &Over, what: &Token) -> Result<ExitCode, Box<dyn Error>> {
    let (request, output, show): (_, _, fn(&Value) -> String) = match what {
        Token::Create { account, read_only, name, output, .. } => {
            let (account, name, read_only) = (account.clone(), name.clone(), *read_only);
            (TokenRequest::Create { account, name, read_only }, output, created)
        }
        Token::List(output) => (TokenRequest::List, output, table),
        Token::Revoke { id, output } => (TokenRequest::Revoke { id: id.clone() }, output, |t| {
            format!("revoked: {}\n", text(t, "id"))
        }),
    };
    let asked = Request::Token { request: request.clone() };
    let result = running_or_not(over, &asked, |world| world.token(&request, Now::read()))?;
    answer(&result, output, show)
}

fn created(token: &Value) -> String {
    format!(
        "token  {}\nid     {}\nIt is shown this once: only a hash of it is kept.\n",
        text(token, "token"),
        text(token, "id")
    )
}

fn table(list: &Value) -> String {
    let rows = list.as_array().map_or(&[][..], Vec::as_slice);
    let mut out = String::new();
    for row in rows {
        let whose =
            row["account"].as_str().map_or("operator".to_owned(), |a| format!("account {a}"));
        let read_only = if row["read_only"] == true { ", read only" } else { "" };
        let name = row["name"].as_str().filter(|n| !n.is_empty());
        let name = name.map_or(String::new(), |n| format!("  {n}"));
        let (id, since) = (text(row, "id"), text(row, "created_at"));
        let status = text(row, "status");
        out.push_str(&format!("{id}  {whose}{read_only}, {status}, since {since}{name}\n"));
    }
    out.push_str(&format!("{}\n", count(rows.len(), "token")));
    out
}
