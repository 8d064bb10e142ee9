//! Counts as people say them: `1 zone`, `2 zones`.

/// A number and what it counts.
pub fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        let said = [0, 1, 2].map(|n| count(n, "record"));
        assert_eq!(said, ["0 records", "1 record", "2 records"]);
    }
}
