//! `$GENERATE first-last[/step] owner [ttl] [class] type data`, as BIND has it.
//!
//! In owner and data `$` stands for the number, `${offset,width,base}` for the number with an
//! offset, zero-padded to a width, in base d, o, x, X, or as reversed nibbles n, N; `\$` and `$$`
//! are a dollar sign. Data with blanks may be quoted as a whole.

use std::fmt::Write;

use super::directive::argument;
use super::finding::Place;
use super::head::head;
use super::lexer::Lexer;
use super::parse::{Parser, error, shown};
use crate::base::limits;
use crate::rdata::{FieldError, Token, Tokens};

/// The numbers to go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    first: u32,
    last: u32,
    step: u32,
}

/// A text with places for the number.
#[derive(PartialEq, Eq, Debug)]
struct Template(Vec<Part>);

#[derive(PartialEq, Eq, Debug)]
enum Part {
    Text(Vec<u8>),
    Number { offset: i64, width: usize, base: Base },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Base {
    Decimal,
    Octal,
    LowerHex,
    UpperHex,
    LowerNibbles,
    UpperNibbles,
}

/// The longest number made: no name and no text of a name needs more.
const WIDTH_MAX: usize = 255;

impl Parser<'_> {
    /// Reads the arguments of `$GENERATE` and makes the records.
    pub(super) fn generate(
        &mut self,
        lexer: &mut Lexer<'_>,
        directive: &Token<'_>,
        source: u16,
    ) -> Result<(), FieldError> {
        let token = argument(lexer, "a range such as 1-100 or 0-100/2")?;
        let range = range(&token)?;
        let owner = argument(lexer, "an owner name with `$` for the number")?;
        let owner_template = template(&owner)?;
        let head = head(lexer)?;
        let (data, data_place) = data(lexer)?;
        let data_template = Template::read(&data).map_err(|why| bad_template(&data_place, why))?;
        if lexer.has_fault() {
            return Ok(());
        }
        let count = (range.last - range.first) as usize / range.step as usize + 1;
        self.generated = self.generated.saturating_add(count);
        if self.generated > limits::GENERATE_MAX {
            let most = limits::GENERATE_MAX;
            let message = format!("a zone may generate at most {most} records");
            return Err(error(token.at, token.len, "generate-too-much", message));
        }
        self.comments(lexer, &head, source);
        let flatten = lexer.tags.flatten.is_some();
        let place = Place { source, at: directive.at, len: lexer.end_at() - directive.at };
        let (mut name, mut text) = (Vec::new(), Vec::new());
        for number in (range.first..=range.last).step_by(range.step as usize) {
            owner_template.fill(number, &mut name).map_err(|why| bad_template(&owner, why))?;
            data_template.fill(number, &mut text).map_err(|why| bad_template(&data_place, why))?;
            self.owner(&Token { text: &name, ..owner })
                .map_err(|e| generated(e, &owner, number, &name))?;
            let mut lexer = Lexer::new(&text);
            lexer.begin();
            let rdata_at = self.data(&mut lexer, &head);
            if let Some(fault) = lexer.end() {
                return Err(generated(fault, &data_place, number, &text));
            }
            let rdata_at = rdata_at.map_err(|e| generated(e, &data_place, number, &text))?;
            self.push(&head, rdata_at, flatten, place)?;
        }
        Ok(())
    }
}

/// The number the record was made with, and what became of the template.
fn generated(mut e: FieldError, at: &Token<'_>, number: u32, text: &[u8]) -> FieldError {
    e.message = format!("{} (for {number}: {})", e.message, shown(text));
    FieldError { at: at.at, len: at.len, ..e }
}

fn range(token: &Token<'_>) -> Result<Range, FieldError> {
    parse_range(token.text).ok_or_else(|| {
        let message = format!("{} is no range", shown(token.text));
        let mut error = error(token.at, token.len, "bad-range", message);
        error.expected = "first-last or first-last/step, first not above last".to_owned();
        error
    })
}

fn parse_range(text: &[u8]) -> Option<Range> {
    let text = str::from_utf8(text).ok()?;
    let (range, step) = text.split_once('/').unwrap_or((text, "1"));
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| -> Option<u32> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|&n| digits && n <= i32::MAX as u32)
    };
    let range = Range { first: number(first)?, last: number(last)?, step: number(step)? };
    (range.first <= range.last && range.step > 0).then_some(range)
}

/// The rest of the entry as one text, and where it stands. One quoted word is taken for all of it.
fn data<'t>(lexer: &mut Lexer<'t>) -> Result<(Vec<u8>, Token<'t>), FieldError> {
    let first = argument(lexer, "data with `$` for the number")?;
    let mut whole = first;
    if first.is_quoted() && lexer.peek().is_none() {
        return Ok((unquote(first.text), whole));
    }
    let mut text = Vec::new();
    let mut token = Some(first);
    while let Some(t) = token {
        whole.len = t.at + t.len - whole.at;
        if !text.is_empty() {
            text.push(b' ');
        }
        match t.is_quoted() {
            true => text.extend([b"\"", t.text, b"\""].concat()),
            false => text.extend_from_slice(t.text),
        }
        token = lexer.next();
    }
    Ok((text, whole))
}

/// Takes the backslash off escaped quotes, so that they can quote inside the quoted data.
fn unquote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match behind {
            [b'"', ..] if *first == b'\\' => continue,
            [second, behind @ ..] if *first == b'\\' => {
                out.extend([*first, *second]);
                rest = behind;
            }
            _ => out.push(*first),
        }
    }
    out
}

fn template(token: &Token<'_>) -> Result<Template, FieldError> {
    Template::read(token.text).map_err(|why| bad_template(token, why))
}

fn bad_template(token: &Token<'_>, why: &str) -> FieldError {
    let message = format!("{} cannot be used for generated records: {why}", shown(token.text));
    let mut error = error(token.at, token.len, "bad-template", message);
    error.expected = "`$` or `${offset,width,base}`, base one of d o x X n N".to_owned();
    error
}

impl Template {
    fn read(text: &[u8]) -> Result<Template, &'static str> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let [first, behind @ ..] = rest {
            match (first, behind) {
                (b'\\', [second, more @ ..]) => {
                    literal.extend([b'\\', *second]);
                    rest = more;
                }
                (b'$', [b'$', more @ ..]) => {
                    literal.extend(b"\\$");
                    rest = more;
                }
                (b'$', _) => {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                    let (number, more) = number(behind)?;
                    parts.push(number);
                    rest = more;
                }
                _ => {
                    literal.push(*first);
                    rest = behind;
                }
            }
        }
        parts.push(Part::Text(literal));
        Ok(Template(parts))
    }

    /// The text for one number.
    fn fill(&self, number: u32, out: &mut Vec<u8>) -> Result<(), &'static str> {
        out.clear();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Number { offset, width, base } => {
                    let value = u32::try_from(i64::from(number) + offset)
                        .map_err(|_| "the offset leads out of 0 to 4294967295")?;
                    base.write(value, *width, out);
                }
            }
        }
        Ok(())
    }
}

/// What follows a `$`: nothing, or `{offset,width,base}` with the last ones left out.
fn number(text: &[u8]) -> Result<(Part, &[u8]), &'static str> {
    let [b'{', inner @ ..] = text else {
        return Ok((Part::Number { offset: 0, width: 0, base: Base::Decimal }, text));
    };
    let end = inner.iter().position(|&b| b == b'}').ok_or("`${` is not closed by `}`")?;
    let (inner, rest) = (&inner[..end], &inner[end + 1..]);
    let mut fields = str::from_utf8(inner).map_err(|_| "`${…}` is not ASCII")?.split(',');
    let offset: i32 =
        fields.next().and_then(|f| f.parse().ok()).ok_or("the offset is no number")?;
    let width = fields.next().map_or(Ok(0), str::parse).map_err(|_| "the width is no number")?;
    let base = match fields.next() {
        None | Some("d") => Base::Decimal,
        Some("o") => Base::Octal,
        Some("x") => Base::LowerHex,
        Some("X") => Base::UpperHex,
        Some("n") => Base::LowerNibbles,
        Some("N") => Base::UpperNibbles,
        Some(_) => return Err("the base is none of d o x X n N"),
    };
    if fields.next().is_some() {
        return Err("`${…}` has more than three fields");
    }
    if width > WIDTH_MAX {
        return Err("the width is larger than 255");
    }
    Ok((Part::Number { offset: i64::from(offset), width, base }, rest))
}

impl Base {
    fn write(self, value: u32, width: usize, out: &mut Vec<u8>) {
        let mut text = String::new();
        let written = match self {
            Base::Decimal => write!(text, "{value:0width$}"),
            Base::Octal => write!(text, "{value:0width$o}"),
            Base::LowerHex => write!(text, "{value:0width$x}"),
            Base::UpperHex => write!(text, "{value:0width$X}"),
            Base::LowerNibbles => return nibbles(value, width, b"0123456789abcdef", out),
            Base::UpperNibbles => return nibbles(value, width, b"0123456789ABCDEF", out),
        };
        written.expect("writing to a String cannot fail");
        out.extend_from_slice(text.as_bytes());
    }
}

/// Hexadecimal digits from the lowest, a dot between them; the width counts the dots, and an even
/// one ends with a dot.
fn nibbles(mut value: u32, mut width: usize, digits: &[u8; 16], out: &mut Vec<u8>) {
    loop {
        out.push(digits[(value & 15) as usize]);
        value >>= 4;
        width = width.saturating_sub(1);
        if width > 0 || value != 0 {
            out.push(b'.');
            width = width.saturating_sub(1);
        }
        if width == 0 && value == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, number: u32) -> String {
        let mut out = Vec::new();
        Template::read(template.as_bytes()).unwrap().fill(number, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn templates() {
        assert_eq!(fill("host$", 7), "host7");
        assert_eq!(fill("${0,3}.$", 7), "007.7");
        assert_eq!(fill("h${-5}", 7), "h2");
        assert_eq!(fill("${10,4,x} ${10,4,X} ${1,0,o}", 17), "001b 001B 22");
        assert_eq!(fill("a\\$b$$c\\065", 1), "a\\$b\\$c\\065");
        assert_eq!(fill("${0,7,n}", 0x12), "2.1.0.0");
        assert_eq!(fill("${0,8,n}x", 0x1f), "f.1.0.0.x");
        assert_eq!(fill("${0,0,N}", 0xabc), "C.B.A");
        for bad in ["${", "${}", "${a}", "${1,b}", "${1,2,z}", "${1,2,d,4}", "${0,256}"] {
            assert!(Template::read(bad.as_bytes()).is_err(), "{bad}");
        }
        let negative = Template::read(b"${-8}").unwrap();
        assert!(negative.fill(7, &mut Vec::new()).is_err());
    }

    #[test]
    fn ranges() {
        let range = |text: &str| parse_range(text.as_bytes());
        assert_eq!(range("1-10"), Some(Range { first: 1, last: 10, step: 1 }));
        assert_eq!(range("0-8/2"), Some(Range { first: 0, last: 8, step: 2 }));
        for bad in ["", "1", "-", "1-", "2-1", "1-2/0", "1-2/", "+1-2", "1-2147483648", "a-b"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
