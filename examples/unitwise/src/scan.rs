//! Splits a text into amounts, each a number and its unit, and adds them up.

use crate::Error;

/// The value of all amounts of `text`, counted in the unit whose factor in `units` is 1.
pub(crate) fn total(text: &str, units: &[(&str, u64)]) -> Result<u64, Error> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(Error::Empty);
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (number, behind) = split(rest, |c| c.is_ascii_digit());
        let (unit, behind) = split(behind.trim_start(), char::is_alphabetic);
        let amount = value(number, factor(unit, units)?)?;
        total = total.checked_add(amount).ok_or(Error::TooLarge)?;
        rest = behind.trim_start();
    }
    Ok(total)
}

/// `text` up to the first character that does not belong, and the rest.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn factor(unit: &str, units: &[(&str, u64)]) -> Result<u64, Error> {
    if unit.is_empty() {
        return Err(Error::NoUnit);
    }
    let known = units.iter().find(|(name, _)| *name == unit);
    known.map(|(_, factor)| *factor).ok_or_else(|| Error::UnknownUnit(unit.to_owned()))
}

fn value(number: &str, factor: u64) -> Result<u64, Error> {
    if number.is_empty() {
        return Err(Error::NoNumber);
    }
    let number: u64 = number.parse().map_err(|_| Error::TooLarge)?;
    number.checked_mul(factor).ok_or(Error::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: &[(&str, u64)] = &[("one", 1), ("dozen", 12)];

    #[test]
    fn adds_up_what_stands_side_by_side() {
        assert_eq!(total("2dozen 3one", UNITS), Ok(27));
        assert_eq!(total(" 1 one ", UNITS), Ok(1));
    }
}
