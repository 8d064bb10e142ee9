//! What is said of a word that is wrong, and of one that is missing.
//!
//! All of it is off the path of a good zone, hence cold.

use super::scan::Scanner;
use super::table::{Field, NameKind, Part, parts};
use super::token::{FieldError, Token, Tokens, shown};
use super::types::{is_data, type_text};
use super::value::{self, NumberFault};
use crate::base::name::NameError;

impl<'a, T: Tokens<'a>> Scanner<'_, 'a, T> {
    #[cold]
    pub fn missing(&self, part: &Part) -> FieldError {
        let kind = type_text(self.rtype);
        FieldError {
            at: self.end_at(),
            len: 1,
            code: "missing-field",
            message: format!("{kind} ends before its {}", part.0),
            expected: part.1.wanted().into(),
            help: self.order(),
        }
    }

    #[cold]
    pub fn extra(&self, token: &Token) -> FieldError {
        let kind = type_text(self.rtype);
        FieldError::new(
            token,
            "extra-field",
            format!("{} is more than {kind} takes", shown(token.text)),
            "the end of the record",
        )
        .help("another value is a record of its own; a comment begins with `;`")
    }

    #[cold]
    pub fn bad_number(&self, part: &Part, token: &Token, fault: NumberFault) -> FieldError {
        let text = shown(token.text);
        match fault {
            NumberFault::TooLarge => FieldError::new(
                token,
                "number-too-large",
                format!("{text} is too large for the {}", part.0),
                part.1.wanted(),
            ),
            NumberFault::NotANumber => {
                let mut wanted = String::from(part.1.wanted());
                if let Field::U8([(word, _), ..]) | Field::U16([(word, _), ..]) = part.1 {
                    wanted.push_str(&format!(", or a word such as `{word}`"));
                }
                let message = format!("{text} cannot be the {}", part.0);
                let error = FieldError::new(token, "not-a-number", message, wanted);
                FieldError { help: self.order(), ..error }
            }
        }
    }

    /// The parts of the type in a row, where there are several.
    #[cold]
    fn order(&self) -> Option<String> {
        let names: Vec<&str> = parts(self.rtype)?.iter().map(|part| part.0).collect();
        let kind = type_text(self.rtype);
        (names.len() > 1).then(|| format!("{kind} takes, in this order: {}", names.join(", ")))
    }

    #[cold]
    pub fn no_text(&mut self) -> FieldError {
        let kind = type_text(self.rtype);
        let (at, len) = match self.next() {
            Some(token) => (token.at, token.len),
            None => (self.end_at(), 1),
        };
        let (message, help) = if is_data(self.rtype) {
            (
                format!("data of {kind} has no text of its own"),
                "give the octets as RFC 3597 has it, e.g. `\\# 4 0a000001`",
            )
        } else {
            (format!("{kind} is no type of records"), "it belongs in questions and messages only")
        };
        FieldError {
            at,
            len,
            code: "no-text-form",
            message,
            expected: "`\\#`, a length, and hexadecimal digits".into(),
            help: Some(help.into()),
        }
    }

    #[cold]
    pub fn too_long(&self) -> FieldError {
        FieldError {
            at: self.end_at(),
            len: 1,
            code: "rdata-too-long",
            message: format!("the data has {} octets", self.out.len() - self.start),
            expected: "at most 65535 octets of data in one record".into(),
            help: None,
        }
    }

    #[cold]
    pub fn long_text(&self, token: &Token, length: usize) -> FieldError {
        let several = matches!(parts(self.rtype), Some([(_, Field::Texts)]));
        let error = FieldError::new(
            token,
            "text-too-long",
            format!("one text of {length} octets"),
            "at most 255 octets in one text",
        );
        if several {
            error.help(format!(
                "split it into {} texts in quotes, `\"…\" \"…\"`: readers join them again",
                length.div_ceil(255)
            ))
        } else {
            error
        }
    }
}

#[cold]
pub(super) fn in_quotes(part: &Part, token: &Token) -> FieldError {
    FieldError::new(
        token,
        "unexpected-quotes",
        format!("the {} stands in quotes", part.0),
        part.1.wanted(),
    )
    .help("leave the quotes out")
}

#[cold]
pub(super) fn bad_escape(token: &Token) -> FieldError {
    FieldError::new(
        token,
        "bad-escape",
        format!("{}: {}", shown(token.text), NameError::BadEscape),
        "`\\DDD` with three digits up to 255, or `\\` and one character",
    )
    .help("a `\\` itself is written `\\\\`")
}

#[cold]
pub(super) fn bad_name(token: &Token, error: NameError) -> FieldError {
    if error == NameError::BadEscape {
        return bad_escape(token);
    }
    let text = shown(token.text);
    let wrong = FieldError::new(
        token,
        "bad-name",
        format!("{text} is no domain name: {error}"),
        Field::Name(NameKind::Plain).wanted(),
    );
    match error {
        NameError::LongName => {
            wrong.help("a name without a final dot is completed with the origin")
        }
        _ => wrong,
    }
}

#[cold]
pub(super) fn quotes_in_name(token: &Token) -> FieldError {
    let message = format!("{} is no domain name: part of it is quoted", shown(token.text));
    let wanted = Field::Name(NameKind::Plain).wanted();
    let help = "parameters stand behind the target; a target of `.` is the owner itself";
    FieldError::new(token, "bad-name", message, wanted).help(help)
}

#[cold]
pub(super) fn bad_ipv4(token: &Token) -> FieldError {
    let error = FieldError::new(
        token,
        "bad-address",
        format!("{} is no IPv4 address", shown(token.text)),
        Field::Ipv4.wanted(),
    );
    let zero = |part: &[u8]| part.len() > 1 && part[0] == b'0';
    if value::ipv6(token.text).is_some() {
        error.help("this is an IPv6 address: its type is AAAA")
    } else if token.text.split(|b| *b == b'.').any(zero) {
        error.help("write the numbers without leading zeros: some programs read those as octal")
    } else if token.text.iter().any(u8::is_ascii_alphabetic) {
        error.help("to point at a name use CNAME, or ALIAS beside other records")
    } else {
        error
    }
}

#[cold]
pub(super) fn bad_ipv6(token: &Token) -> FieldError {
    let error = FieldError::new(
        token,
        "bad-address",
        format!("{} is no IPv6 address", shown(token.text)),
        Field::Ipv6.wanted(),
    );
    if value::ipv4(token.text).is_some() {
        error.help("this is an IPv4 address: its type is A")
    } else {
        error
    }
}
