//! A zone of the API as master-file text, with what a master file has no place for in comments (`cf_tags`).

use std::fmt::Write;

use serde_json::json;

use super::{Content, Record, content};
use crate::base::name::{Name, Text};
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::rdata;

/// The text of a zone. `head`: what the server adds to the records.
pub fn text(apex: &Name, content: Option<&Content>, records: &[Record], now: UnixTime) -> String {
    let mut out = String::new();
    let exported = now.to_string().replace('T', " ").replace('Z', "");
    line(
        &mut out,
        format_args!(";;\n;; Domain:     {}\n;; Exported:   {exported}\n;;", dotted(apex)),
    );
    if let Some(content) = content {
        let Content { serial, settings, .. } = content;
        line(&mut out, format_args!("\n;; SOA Record"));
        let soa = settings.soa_rdata(apex, *serial);
        plain(&mut out, apex, settings.soa.ttl.0, rtype::SOA, &soa);
        line(&mut out, format_args!("\n;; NS Records"));
        for name in settings.served_nameservers(apex) {
            plain(&mut out, apex, settings.ns_ttl.0, rtype::NS, name.as_wire());
        }
    }
    let mut sorted: Vec<&Record> = records.iter().collect();
    let type_text = |record: &Record| rdata::type_text(record.rtype).to_string();
    sorted.sort_by_cached_key(|r| (type_text(r), r.name.to_string(), r.rdata.clone()));
    for group in sorted.chunk_by(|a, b| a.rtype == b.rtype) {
        line(&mut out, format_args!("\n;; {} Records", rdata::type_text(group[0].rtype)));
        group.iter().for_each(|record| one(&mut out, record));
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a String takes all writes");
}

fn dotted(name: &Name) -> String {
    let text = Text(name.as_wire()).to_string();
    if name.is_root() { text } else { text + "." }
}

fn plain(out: &mut String, owner: &Name, ttl: u32, rtype: RType, rdata: &[u8]) {
    let (data, rtype) = (content::whole(rtype, rdata, None), rdata::type_text(rtype));
    line(out, format_args!("{}\t{ttl}\tIN\t{rtype}\t{data}", dotted(owner)));
}

fn one(out: &mut String, record: &Record) {
    let data = content::whole(record.rtype, &record.rdata, record.spelling.as_deref());
    let rtype = rdata::type_text(record.rtype);
    let comment = comment(record);
    let gap = if comment.is_empty() { "" } else { " ; " };
    let owner = dotted(&record.name);
    line(out, format_args!("{owner}\t{}\tIN\t{rtype}\t{data}{gap}{comment}", record.ttl));
}

/// Comment and tags. A comment that holds `cf_tags=` itself needs another one behind it: the last counts.
fn comment(record: &Record) -> String {
    let mut tags = Vec::new();
    if matches!(record.rtype, rtype::A | rtype::AAAA | rtype::CNAME) {
        tags.push("cf-proxied:false".to_owned());
    }
    if record.flatten {
        tags.push("cf-flatten-cname".to_owned());
    }
    tags.extend(record.tags.iter().map(|tag| written(tag)));
    let mut text = record.comment.to_string();
    if !tags.is_empty() || text.contains("cf_tags=") {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str("cf_tags=");
        text.push_str(&tags.join(","));
    }
    text
}

/// A tag; a value with anything special in it as a JSON text.
fn written(tag: &str) -> String {
    let Some((name, value)) = tag.split_once(':') else { return tag.to_owned() };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+".contains(c);
    match !value.is_empty() && value.chars().all(is_plain) {
        true => tag.to_owned(),
        false => format!("{name}:{}", json!(value)),
    }
}
