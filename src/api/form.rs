//! `multipart/form-data` (RFC 7578), as far as an upload of one text needs it. A body of another type is the file.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};

/// Parts that are looked at.
const PARTS: usize = 16;

/// The parts of a form, by name.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, Bytes)>);

impl Form {
    /// Reads a body. The error is a sentence.
    pub fn read(headers: &HeaderMap, body: Bytes) -> Result<Form, &'static str> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("multipart/form-data") {
            return Ok(Form(vec![("file".to_owned(), body)]));
        }
        let boundary = parameter(kind, "boundary").filter(|text| !text.is_empty());
        let boundary = boundary.ok_or("a form without a boundary")?;
        parse(&body, &format!("--{boundary}"))
    }

    /// The first part of that name.
    pub fn get(&self, name: &str) -> Option<Bytes> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, body)| body.clone())
    }
}

/// A parameter behind a `;`, with quotes or without.
fn parameter(text: &str, name: &str) -> Option<String> {
    text.split(';').skip(1).find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        let value = value.trim().trim_matches('"');
        key.trim().eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

fn parse(body: &Bytes, delimiter: &str) -> Result<Form, &'static str> {
    const BROKEN: &str = "the form breaks off";
    let delimiter = delimiter.as_bytes();
    let mut form = Form::default();
    let mut at = find(body, delimiter, 0).ok_or(BROKEN)? + delimiter.len();
    while !body[at..].starts_with(b"--") && form.0.len() < PARTS {
        let head = find(body, b"\r\n", at).ok_or(BROKEN)? + 2;
        let end = find(body, b"\r\n\r\n", head.saturating_sub(2)).ok_or(BROKEN)?;
        let start = end + 4;
        let mut close = start;
        let stop = loop {
            let found = find(body, delimiter, close).ok_or(BROKEN)?;
            // A delimiter stands at the start of a line.
            if found >= start + 2 && &body[found - 2..found] == b"\r\n" {
                break found - 2;
            }
            if found == start {
                break start;
            }
            close = found + 1;
        };
        let headers = String::from_utf8_lossy(body.get(head..end).unwrap_or_default());
        let disposition = headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let name = disposition.and_then(|value| parameter(value, "name"));
        let name = name.ok_or("a part of the form has no name")?;
        form.0.push((name, body.slice(start..stop.max(start))));
        at = find(body, delimiter, stop).ok_or(BROKEN)? + delimiter.len();
    }
    Ok(form)
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, body: &str) -> Result<Form, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        Form::read(&headers, Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn parts_are_found() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"z;a.txt\"\r\n\
            Content-Type: text/plain\r\n\r\na --x b\r\n-- x\r\n\r\n--x\r\n\
            content-disposition: form-data; name=proxied\r\n\r\nfalse\r\n--x--\r\n";
        let form = read("multipart/form-data; boundary=\"x\"", body).unwrap();
        assert_eq!(&*form.get("file").unwrap(), b"a --x b\r\n-- x\r\n");
        assert_eq!(&*form.get("proxied").unwrap(), b"false");
        assert!(form.get("other").is_none());
        assert_eq!(&*read("text/plain", "all").unwrap().get("file").unwrap(), b"all");
        let empty = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--x--";
        assert_eq!(
            &*read("multipart/form-data; boundary=x", empty).unwrap().get("file").unwrap(),
            b""
        );
    }

    #[test]
    fn broken_forms_are_refused() {
        let whole = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nbody\r\n--x--";
        let kind = "multipart/form-data; boundary=x";
        assert!(read(kind, whole).is_ok());
        for end in 0..whole.len() - 4 {
            assert!(read(kind, &whole[..end]).is_err(), "{end}");
        }
        assert!(read("multipart/form-data", whole).is_err());
        assert!(read(kind, "--x\r\nX: y\r\n\r\nbody\r\n--x--").is_err());
    }
}
