//! Why a write is refused, and what should be known of one that is not: Cloudflare's codes, our words.

use std::borrow::Cow;

/// One error or message of the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub code: u32,
    pub message: Cow<'static, str>,
    /// Which part of the request: `/posts/0`.
    pub pointer: Option<String>,
}

/// The HTTP status that goes with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    BadRequest,
    Forbidden,
    NotFound,
}

impl Problem {
    pub const NAME: u32 = 9000;
    pub const TYPE: u32 = 9002;
    pub const NOT_IPV4: u32 = 9005;
    pub const NOT_IPV6: u32 = 9006;
    pub const NOT_HOSTNAME: u32 = 9007;
    pub const MX_CONTENT: u32 = 9009;
    pub const CONTENT: u32 = 9101;
    pub const PRIORITY: u32 = 9100;
    pub const DATA: u32 = 9102;
    pub const COMMENT: u32 = 9300;
    pub const TAGS: u32 = 9301;
    pub const SETTINGS: u32 = 9302;
    pub const TTL: u32 = 9021;
    pub const SELF_REFERENCE: u32 = 9039;
    pub const NOT_PROXIABLE: u32 = 9041;
    pub const BODY: u32 = 9208;
    pub const IMPORT: u32 = 9209;
    pub const UNKNOWN: u32 = 81044;
    pub const QUOTA: u32 = 81045;
    pub const HOST_EXISTS: u32 = 81053;
    pub const CNAME_EXISTS: u32 = 81054;
    pub const NON_NS_EXISTS: u32 = 81055;
    pub const NS_EXISTS: u32 = 81056;
    pub const IDENTICAL: u32 = 81058;
    /// The zone is as a file says.
    pub const FROM_FILE: u32 = 81060;
    /// What is stored would not make a zone.
    pub const NO_ZONE: u32 = 81061;
    /// The store cannot be written.
    pub const STORE: u32 = 81062;

    pub fn new(code: u32, message: impl Into<Cow<'static, str>>) -> Problem {
        Problem { code, message: message.into(), pointer: None }
    }

    /// Says which part of the request it is about.
    pub fn at(self, pointer: String) -> Problem {
        Problem { pointer: Some(pointer), ..self }
    }

    pub fn unknown_record() -> Problem {
        Problem::new(Problem::UNKNOWN, "Record does not exist.")
    }

    pub fn status(&self) -> Status {
        match self.code {
            Problem::UNKNOWN => Status::NotFound,
            Problem::FROM_FILE => Status::Forbidden,
            _ => Status::BadRequest,
        }
    }
}
