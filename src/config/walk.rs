//! The walk over the tables of a config: each value is read, or a finding says what should stand there.

use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};

use toml::de::DeValue;

use super::finding::ConfigFinding;
use super::keys::Keys;
use super::settings::{AccountName, AccountRef};
use super::syntax::{SyntaxError, Table, Value};
use crate::base::count::count;
use crate::base::limits::FINDINGS_MAX;
use crate::base::name::Name;
use crate::zonefile::finding::{Finding, Place, Source};

/// Characters of a value quoted in a message at the most.
const VALUE_SHOWN: usize = 60;

/// A value with its key in full.
pub struct Item<'a> {
    pub path: String,
    /// Last part of the key.
    pub key: &'a str,
    pub key_span: Range<usize>,
    pub value: &'a Value<'a>,
}

impl Item<'_> {
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }
}

/// Reads values and collects findings.
pub struct Walk {
    /// What findings show.
    pub source: Source,
    pub findings: Vec<ConfigFinding>,
    /// Those beyond `FINDINGS_MAX`, counted and not kept.
    left_out: usize,
}

impl Walk {
    pub fn new(text: &str, file: &str) -> Walk {
        let text = without_secret(text).into_bytes().into();
        let source = Source { path: file.to_owned(), text };
        Walk { source, findings: Vec::new(), left_out: 0 }
    }

    /// Adds an error; the caller may add `expected` and `help`.
    pub fn error(
        &mut self,
        code: &'static str,
        path: &str,
        span: Range<usize>,
        message: String,
    ) -> &mut Finding {
        self.report(path, Finding::error(code, place(span), message))
    }

    pub fn warning(&mut self, code: &'static str, item: &Item<'_>, message: String) {
        self.warning_at(code, &item.path, item.span(), message);
    }

    pub fn warning_at(
        &mut self,
        code: &'static str,
        path: &str,
        span: Range<usize>,
        message: String,
    ) {
        self.report(path, Finding::warning(code, place(span), message));
    }

    /// How many findings there were, those left out too.
    pub fn count(&self) -> usize {
        self.findings.len() + self.left_out
    }

    /// The findings in the order of the file.
    pub fn finish(mut self) -> Vec<ConfigFinding> {
        self.findings.sort_by_key(|f| f.finding.place);
        if self.left_out > 0 {
            let message = format!("not shown: {}", count(self.left_out, "more finding"));
            self.findings.push(ConfigFinding::of_file(&self.source.path, "too-many", message));
        }
        self.findings
    }

    fn report(&mut self, path: &str, finding: Finding) -> &mut Finding {
        self.report_of(ConfigFinding::new(&self.source, path, finding))
    }

    /// Adds a finding about any text.
    pub fn report_of(&mut self, finding: ConfigFinding) -> &mut Finding {
        if self.findings.len() == FINDINGS_MAX {
            self.left_out += 1;
            self.findings.pop();
        }
        self.findings.push(finding);
        &mut self.findings.last_mut().expect("a finding was pushed").finding
    }

    /// Gives the last finding other advice.
    pub fn help(&mut self, help: &str) {
        if let Some(last) = self.findings.last_mut() {
            last.finding.help = Some(help.to_owned());
        }
    }

    /// `what` stands in its list or table a second time.
    pub fn twice(&mut self, item: &Item<'_>, span: Range<usize>, what: &str) {
        let message = format!("{what} is here twice");
        self.error("duplicate", &item.path, span, message).help = Some("remove one".to_owned());
    }

    /// An error of syntax in `text`.
    pub fn syntax_error(&mut self, text: &str, error: &SyntaxError) {
        let span = error.span.clone();
        let rest = text.get(span.start..).unwrap_or("");
        let bare: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        let starts_as_text = bare.starts_with(|c: char| c.is_ascii_alphabetic());
        let value = error.message.contains("boolean") || error.message.contains("quoted");
        let unquoted = value && starts_as_text;
        let message =
            if unquoted { format!("`{bare}` is no value") } else { error.message.clone() };
        let finding = self.error("toml-syntax", "", span, message);
        if unquoted {
            finding.help = Some(format!("a text needs quotes: \"{bare}\""));
        }
    }

    /// The entries of a table in the order of the file.
    pub fn entries<'a>(&self, path: &str, table: &'a Table<'a>) -> Vec<Item<'a>> {
        let mut items: Vec<Item<'a>> = table
            .iter()
            .map(|(key, value)| {
                let (key_span, key) = (key.span(), key.get_ref().as_ref());
                Item { path: join(path, key), key, key_span, value }
            })
            .collect();
        items.sort_by_key(|item| item.key_span.start);
        items
    }

    /// The entries of an item that must be a table.
    pub fn table<'a>(&mut self, item: &Item<'a>, expected: &str) -> Option<Vec<Item<'a>>> {
        match item.value.get_ref() {
            DeValue::Table(table) => Some(self.entries(&item.path, table)),
            _ => self.wrong_type(item, expected),
        }
    }

    /// The elements of an item that must be a list.
    pub fn list<'a>(&mut self, item: &Item<'a>, expected: &str) -> Option<Vec<Item<'a>>> {
        let DeValue::Array(array) = item.value.get_ref() else {
            return self.wrong_type(item, expected);
        };
        let element = |(i, value): (usize, &'a Value<'a>)| Item {
            path: format!("{}[{i}]", item.path),
            key: item.key,
            key_span: value.span(),
            value,
        };
        Some(array.iter().enumerate().map(element).collect())
    }

    pub fn text<'a>(&mut self, item: &Item<'a>, expected: &str) -> Option<&'a str> {
        match item.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type(item, expected),
        }
    }

    /// A text that no message may quote.
    pub fn secret_text<'a>(&mut self, item: &Item<'a>, expected: &str) -> Option<&'a str> {
        if let DeValue::String(text) = item.value.get_ref() {
            return Some(text);
        }
        let message = format!("`{}` is no text", item.path);
        self.error("wrong-type", &item.path, item.span(), message).expected =
            Some(expected.to_owned());
        None
    }

    /// A text of at most `most` octets.
    pub fn short_text(&mut self, item: &Item<'_>, most: usize) -> Option<String> {
        let expected = format!("a text of at most {most} octets, in quotes");
        let text = self.text(item, &expected)?;
        if text.len() <= most {
            return Some(text.to_owned());
        }
        let message = format!("`{}` is {} octets long", item.path, text.len());
        self.error("too-long", &item.path, item.span(), message).expected = Some(expected);
        None
    }

    pub fn number(&mut self, item: &Item<'_>, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = item.value.get_ref() else {
            return self.wrong_type(item, &expected);
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let value = value.filter(|v| range.contains(v));
        if value.is_none() {
            self.bad_value(item, &expected);
        }
        value
    }

    /// `true` or `false`.
    pub fn flag(&mut self, item: &Item<'_>) -> Option<bool> {
        match item.value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong_type(item, "true or false, without quotes"),
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&mut self, item: &Item<'_>, words: &[(&str, T)]) -> Option<T> {
        let quoted: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let expected = match &quoted[..] {
            [one] => one.clone(),
            many => format!("one of {}", many.join(", ")),
        };
        let text = self.text(item, &expected)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.bad_value(item, &expected);
        }
        found.map(|(_, value)| *value)
    }

    pub fn account(&mut self, item: &Item<'_>) -> Option<AccountRef> {
        let expected = "the name of an account, in quotes";
        let text = self.text(item, expected)?;
        let account = self.account_name(text, &item.path, item.span())?;
        Some(AccountRef { account, place: place(item.span()) })
    }

    pub fn account_name(
        &mut self,
        text: &str,
        path: &str,
        span: Range<usize>,
    ) -> Option<AccountName> {
        let name = AccountName::new(text);
        if name.is_none() {
            let message = format!("\"{}\" is not the name of an account", clip(text));
            self.error("bad-account", path, span, message).expected = Some(
                "lower-case letters, digits, `.`, `_` and `-`, first a letter or digit".to_owned(),
            );
        }
        name
    }

    pub fn name(&mut self, text: &str, path: &str, span: Range<usize>) -> Option<Name> {
        match Name::from_text(text) {
            Ok(name) if text.is_ascii() => Some(name),
            Ok(_) => {
                let message = format!("\"{}\" has characters beyond ASCII", clip(text));
                let finding = self.error("bad-name", path, span, message);
                finding.expected = Some("a domain name".to_owned());
                finding.help = Some("write its A-label (xn--…)".to_owned());
                None
            }
            Err(error) => {
                let message = format!("\"{}\" is no domain name: {error}", clip(text));
                let finding = self.error("bad-name", path, span, message);
                finding.expected = Some("a domain name, e.g. \"example.com\"".to_owned());
                None
            }
        }
    }

    pub fn listen_address(&mut self, item: &Item<'_>) -> Option<SocketAddr> {
        let expected = "an address with a port, e.g. \"127.0.0.1:5300\" or \"[::1]:5300\"";
        let text = self.text(item, expected)?;
        match listen_address(text) {
            Ok(address) => Some(address),
            Err(help) => {
                let finding = self.bad_value(item, expected);
                finding.help = help;
                None
            }
        }
    }

    pub fn wrong_type<T>(&mut self, item: &Item<'_>, expected: &str) -> Option<T> {
        let message = format!("`{}` is {}", item.path, describe(item.value.get_ref()));
        self.error("wrong-type", &item.path, item.span(), message).expected =
            Some(expected.to_owned());
        None
    }

    pub fn bad_value(&mut self, item: &Item<'_>, expected: &str) -> &mut Finding {
        let message = format!("`{}` cannot be {}", item.path, describe(item.value.get_ref()));
        let finding = self.error("bad-value", &item.path, item.span(), message);
        finding.expected = Some(expected.to_owned());
        finding
    }

    /// A key that its table does not have, or does not have yet.
    pub fn unknown(&mut self, item: &Item<'_>, keys: &Keys) {
        let span = item.key_span.clone();
        if keys.later.contains(&item.key) {
            return self.not_yet(&item.path, span);
        }
        let message = format!("unknown key `{}` in {}", clip(item.key), keys.table);
        let finding = self.error("unknown-key", &item.path, span, message);
        finding.expected = Some(format!("one of {}", keys.known.join(", ")));
        finding.help = keys.advice(item.key);
    }

    pub fn not_yet(&mut self, path: &str, span: Range<usize>) {
        let version = env!("CARGO_PKG_VERSION");
        let message = format!("`{path}` is known but not available in this version ({version})");
        self.error("not-available", path, span, message).help = Some("remove it".to_owned());
    }
}

/// A listen address; the error is advice, where there is any.
pub fn listen_address(text: &str) -> Result<SocketAddr, Option<String>> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        let ip = address.ip();
        return if ip.is_multicast() { Err(None) } else { Ok(address) };
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    Err(match (bare.parse::<std::net::IpAddr>(), text.rsplit_once(':')) {
        (Ok(ip), _) => Some(format!("add the port: \"{}\"", SocketAddr::new(ip, 53))),
        (_, Some(("", port))) if port.parse::<u16>().is_ok() => {
            Some(format!("name the addresses: \"0.0.0.0:{port}\", \"[::]:{port}\""))
        }
        (_, Some((host, _)))
            if host.contains(|c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit()) =>
        {
            Some("write the address, not a name".to_owned())
        }
        _ => None,
    })
}

/// What a value is, in words.
fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{}\"", clip(text)),
        DeValue::Integer(number) => format!("the number {}", clip(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", clip(number.as_str())),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Control characters of a value would act on the terminal, and long ones hide the message.
fn clip(text: &str) -> String {
    let mut shown: String = text.chars().take(VALUE_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(VALUE_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The key in full; a part that TOML wants quoted is quoted.
fn join(path: &str, key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let key = match !key.is_empty() && key.bytes().all(bare) {
        true => key.to_owned(),
        false => format!("\"{}\"", clip(key)),
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Findings go to logs: letters and digits behind `cookie_secret` are blotted out, to the end of the line.
fn without_secret(text: &str) -> String {
    let mut shown = text.as_bytes().to_vec();
    for (at, key) in text.match_indices("cookie_secret") {
        let rest = shown[at + key.len()..].iter_mut().take_while(|b| **b != b'\n');
        rest.filter(|b| b.is_ascii_alphanumeric()).for_each(|b| *b = b'*');
    }
    String::from_utf8(shown).expect("only ASCII was replaced, by ASCII")
}

/// A span as a place in the only source of a config.
pub fn place(span: Range<usize>) -> Place {
    Place { source: 0, at: span.start as u32, len: (span.end - span.start) as u32 }
}
