//! The page as HTML, JSON (RFC 9457) and text. Whatever came from outside is escaped here, and nowhere else.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::accept::Form;
use super::words::Page;

const STYLE: &str = include_str!("page.css");

/// The page in a form. `nonce` lets the browser take the style, and nothing else.
pub fn render(page: &Page, form: Form, nonce: &str) -> String {
    match form {
        Form::Html => html(page, nonce),
        Form::Problem | Form::Json => problem(page),
        Form::Text => text(page),
    }
}

/// What the browser may do with the page: apply the one style in it.
pub fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

fn html(page: &Page, nonce: &str) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <style nonce=\"{nonce}\">\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{heading}</h1>\n",
        title = Escaped(&page.title()),
        heading = Escaped(&page.heading()),
    );
    if let Some(host) = &page.host {
        _ = writeln!(out, "<p>{}</p>", Escaped(host));
    } else {
        out.push_str("<p></p>\n");
    }
    _ = writeln!(out, "<h2>What happened?</h2>\n<p>{}</p>", Escaped(page.what_happened));
    out.push_str("<h2>What can be done?</h2>\n<dl>\n");
    for advice in page.advice {
        let (who, what) = (Escaped(advice.who), Escaped(advice.what));
        _ = writeln!(out, "<dt>{who}</dt>\n<dd>{what}</dd>");
    }
    let (ray, at) = (Escaped(&page.ray), page.at);
    let shown = at.to_string().replace('T', " ").replace('Z', " UTC");
    _ = write!(
        out,
        "</dl>\n<footer>Ray ID: <code>{ray}</code> · <time datetime=\"{at}\">{shown}</time></footer>\n\
         </main>\n</body>\n</html>\n"
    );
    out
}

/// A problem details object (RFC 9457), with the members that clients of other providers know.
fn problem(page: &Page) -> String {
    let kind = page.code.map_or("about:blank".to_owned(), |c| format!("urn:bailiwick:error:{c}"));
    let advice: Vec<Value> =
        page.advice.iter().map(|a| json!({ "who": a.who, "what": a.what })).collect();
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| members.insert(key.to_owned(), value);
    put("type", kind.into());
    put("title", page.heading().into());
    put("status", page.status.as_u16().into());
    put("detail", page.what_happened.into());
    put("instance", page.ray.clone().into());
    if let Some(code) = page.code.and_then(|code| code.parse::<u16>().ok()) {
        put("error_code", code.into());
    }
    put("error_name", page.word.into());
    put("error_category", "dns".into());
    put("host", page.host.clone().into());
    put("retryable", page.retry_after.is_some().into());
    if let Some(seconds) = page.retry_after {
        put("retry_after", seconds.into());
    }
    put("owner_action_required", page.owner_must_act.into());
    put("ray_id", page.ray.clone().into());
    put("timestamp", page.at.to_string().into());
    put("advice", advice.into());
    format!("{:#}\n", Value::Object(members))
}

fn text(page: &Page) -> String {
    let mut out = String::new();
    if let Some(code) = page.code {
        // The line that scripts look for.
        _ = writeln!(out, "error code: {code}");
    }
    _ = writeln!(out, "{}", page.heading());
    if let Some(host) = &page.host {
        _ = writeln!(out, "{host}");
    }
    _ = writeln!(out, "\n{}\n", page.what_happened);
    for advice in page.advice {
        _ = writeln!(out, "{}: {}", advice.who, advice.what);
    }
    _ = writeln!(out, "\nRay ID: {}\nTime: {}", page.ray, page.at);
    out
}

/// Text that cannot be taken for HTML, in an element or in a quoted attribute.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
