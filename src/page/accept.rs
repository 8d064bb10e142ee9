//! Which form of the page a client prefers, by its `Accept` field (RFC 9110 §12.5.1).

/// A form of the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Html,
    /// `application/problem+json` (RFC 9457).
    Problem,
    /// The same under the name that more clients ask for.
    Json,
    Text,
}

impl Form {
    /// In the order of preference where the client has none.
    const ALL: [Form; 4] = [Form::Html, Form::Problem, Form::Json, Form::Text];

    fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Form::Html => ("text", "html"),
            Form::Problem => ("application", "problem+json"),
            Form::Json => ("application", "json"),
            Form::Text => ("text", "plain"),
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Form::Html => "text/html; charset=utf-8",
            Form::Problem => "application/problem+json; charset=utf-8",
            Form::Json => "application/json; charset=utf-8",
            Form::Text => "text/plain; charset=utf-8",
        }
    }
}

/// One range of an `Accept` field.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    /// `None`: nonsense, which says nothing.
    fn read(text: &'a str) -> Option<Range<'a>> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let mut quality = 1_000;
        for parameter in parts {
            let (key, value) = parameter.split_once('=')?;
            if key.trim().eq_ignore_ascii_case("q") {
                quality = thousandths(value.trim())?;
                break;
            }
        }
        Some(Range { kind, subtype, quality })
    }

    /// How exactly it speaks of a form; 0: not at all.
    fn exactness(&self, form: Form) -> u8 {
        let (kind, subtype) = form.media_type();
        match (self.kind, self.subtype) {
            ("*", "*") => 1,
            (k, "*") if k.eq_ignore_ascii_case(kind) => 2,
            (k, s) if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) => 3,
            _ => 0,
        }
    }
}

/// `0`, `0.75`, `1.000`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = rest.len() <= 3 && rest.bytes().all(|b| b.is_ascii_digit());
    let fraction = format!("{rest:0<3}").parse::<u16>().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

/// The form that the client likes best; of several, the one it named first. Whoever likes none gets text.
pub fn choose<'v>(fields: impl IntoIterator<Item = &'v str>) -> Form {
    let fields: Vec<&str> = fields.into_iter().collect();
    let ranges = fields.iter().flat_map(|field| field.split(',')).filter_map(Range::read);
    let ranges: Vec<Range<'_>> = ranges.collect();
    if ranges.is_empty() {
        return Form::Html;
    }
    let liked = Form::ALL.into_iter().enumerate().filter_map(|(own, form)| {
        let all = ranges.iter().enumerate().map(|(at, range)| (range.exactness(form), at, range));
        // Of two that are equally exact the first counts.
        let speaking = all.filter(|(exactness, ..)| *exactness > 0);
        let (exactness, at, range) =
            speaking.max_by_key(|(exactness, at, _)| (*exactness, usize::MAX - at))?;
        let order = (range.quality, usize::MAX - at, exactness, usize::MAX - own);
        (range.quality > 0).then_some((order, form))
    });
    liked.max_by_key(|(order, _)| *order).map_or(Form::Text, |(_, form)| form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send() {
        use Form::{Html, Json, Problem, Text};
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
            image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
        for (accept, form) in [
            ("", Html),
            ("*/*", Html),
            (chrome, Html),
            ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", Html),
            ("application/json", Json),
            ("application/problem+json", Problem),
            ("application/problem+json, application/json", Problem),
            ("application/json, application/problem+json", Json),
            ("application/json, text/plain, */*", Json),
            ("application/*", Problem),
            ("text/*", Html),
            ("text/plain", Text),
            ("TEXT/Plain;Q=0.9, text/html;q=0.8", Text),
            ("text/html;q=0.5, text/plain;q=0.5", Html),
            ("text/plain;q=0.5, text/html;q=0.5", Text),
            ("text/html;q=0, */*;q=0.1", Problem),
            ("text/html;q=0.2, */*;q=0.1", Html),
            ("text/html;level=1;q=0.1, application/json;q=0.2", Json),
            ("*/*, application/json;q=0.1", Html),
            ("image/png", Text),
            ("*/*;q=0", Text),
            ("nonsense", Html),
            ("text/html;q=2", Html),
            (";;;,,,/;q=", Html),
        ] {
            assert_eq!(choose([accept]), form, "{accept}");
        }
        assert_eq!(choose(["text/plain;q=0.1", "application/json"]), Json);
        assert_eq!(choose([]), Html);
    }
}
