//! `page`, `per_page`, `direction` and the other parameters of a query, read strictly.

use std::str::FromStr;

use super::error::ApiError;

/// Which part of a list is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// From 1 on.
    pub number: usize,
    pub size: usize,
}

impl Page {
    /// Items before this page.
    pub fn skip(&self) -> usize {
        (self.number - 1).saturating_mul(self.size)
    }
}

/// The parameters of a request, each taken once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Params, ApiError> {
        let query = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state);
        let query = query.await.map_err(|e| ApiError::bad(1004, format!("Bad query: {e}")))?;
        Ok(Params(query.0))
    }
}

impl Params {
    /// The last value of a parameter; an empty one counts as none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().rev().filter(|(key, _)| key == name);
        values.next().map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All parameters as they came.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// A value of some type; the error names the parameter.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let wrong = || ApiError::bad(1004, format!("The parameter {name} has a bad value"));
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// One of several words.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text);
        let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let wrong = || ApiError::bad(1004, format!("The parameter {name} is one of {}", known()));
        found.map(|(_, value)| Some(*value)).ok_or_else(wrong)
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.word(name, &[("true", true), ("false", false), ("1", true), ("0", false)])
    }

    /// `direction=desc`.
    pub fn is_descending(&self) -> Result<bool, ApiError> {
        Ok(self.word("direction", &[("asc", false), ("desc", true)])?.unwrap_or(false))
    }

    /// `page` and `per_page`; sizes outside `sizes` are brought to its ends.
    pub fn page(
        &self,
        sizes: std::ops::RangeInclusive<usize>,
        default: usize,
    ) -> Result<Page, ApiError> {
        let number = self.parse::<usize>("page")?.unwrap_or(1);
        let size = self.parse::<usize>("per_page")?.unwrap_or(default);
        if number == 0 || size == 0 {
            return Err(ApiError::bad(1004, "page and per_page begin at 1"));
        }
        Ok(Page { number, size: size.clamp(*sizes.start(), *sizes.end()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn pages_are_bounded() {
        let page = |pairs: &[(&str, &str)]| params(pairs).page(5..=50, 20);
        assert_eq!(page(&[]).unwrap(), Page { number: 1, size: 20 });
        assert_eq!(page(&[("per_page", "1000"), ("page", "3")]).unwrap().skip(), 100);
        assert_eq!(page(&[("per_page", "1")]).unwrap().size, 5);
        for bad in [("page", "0"), ("page", "-1"), ("per_page", "x"), ("per_page", "0")] {
            assert!(page(&[bad]).is_err(), "{bad:?}");
        }
        let last = usize::MAX.to_string();
        assert_eq!(page(&[("page", &last)]).unwrap().skip(), usize::MAX);
    }

    #[test]
    fn words_and_flags() {
        let given = params(&[("direction", "desc"), ("a", ""), ("b", "maybe")]);
        assert_eq!(given.is_descending(), Ok(true));
        assert_eq!(given.get("a"), None);
        assert!(given.flag("b").is_err());
    }
}
