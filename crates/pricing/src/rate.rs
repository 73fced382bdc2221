//! Money per million tokens, read from and shown as the decimal that people write.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

const DECIMALS: usize = 9;
/// With nine decimals that is 15 digits: where layers of configuration are merged, a float stands in between, and it
/// still carries that many exactly.
const WHOLE_DIGITS: usize = 6;
const NANOS_PER_DOLLAR: u64 = 1_000_000_000;
const SHOWN_OF_BAD_INPUT: usize = 40;

/// Nanodollars for a million tokens. As text it is dollars per million: `3.00`, `"0.0036"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanodollarsPerMillion(pub u64);

impl FromStr for NanodollarsPerMillion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = || text.chars().take(SHOWN_OF_BAD_INPUT).collect::<String>();
        let (negative, amount) = match text.strip_prefix('-') {
            Some(amount) => (true, amount),
            None => (false, text),
        };
        let (whole, decimals) = match amount.split_once('.') {
            Some((whole, decimals)) => (whole, decimals),
            None => (amount, "0"),
        };
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(decimals) {
            return Err(Error::NotDecimal { found: found() });
        }
        if negative {
            return Err(Error::Negative { found: found() });
        }
        let whole = whole.trim_start_matches('0');
        let decimals = decimals.trim_end_matches('0');
        if whole.len() > WHOLE_DIGITS {
            return Err(Error::TooHigh { found: found() });
        }
        if decimals.len() > DECIMALS {
            return Err(Error::TooFine { found: found() });
        }
        let number = |digits: &str| digits.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        Ok(Self(number(whole) * NANOS_PER_DOLLAR + number(&format!("{decimals:0<DECIMALS$}"))))
    }
}

/// Dollars per million tokens with at least two decimals.
impl fmt::Display for NanodollarsPerMillion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:09}", self.0 % NANOS_PER_DOLLAR);
        let decimals = format!("{:0<2}", decimals.trim_end_matches('0'));
        f.pad(&format!("{}.{decimals}", self.0 / NANOS_PER_DOLLAR))
    }
}

impl Serialize for NanodollarsPerMillion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NanodollarsPerMillion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for a string, a YAML parser hands over a number's own digits: no float comes in between.
        deserializer.deserialize_str(Decimal)
    }
}

struct Decimal;

impl Visitor<'_> for Decimal {
    type Value = NanodollarsPerMillion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dollars per million tokens as decimal text, for example \"3.00\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn from_yaml(text: &str) -> Result<NanodollarsPerMillion, yaml::Error> {
        yaml::from_str("price", text)
    }

    #[test]
    fn reads_what_people_write() {
        for (text, nanos) in [
            ("3.00", 3_000_000_000),
            ("3", 3_000_000_000),
            ("0", 0),
            ("0.0036", 3_600_000),
            ("000.1", 100_000_000),
            ("0.000000001", 1),
            ("1.0000000000000", 1_000_000_000),
            ("999999.999999999", 999_999_999_999_999),
        ] {
            assert_eq!(text.parse(), Ok(NanodollarsPerMillion(nanos)), "{text}");
            assert_eq!(from_yaml(text).unwrap(), NanodollarsPerMillion(nanos), "{text}");
            assert_eq!(from_yaml(&format!("\"{text}\"")).unwrap(), NanodollarsPerMillion(nanos), "{text}");
        }
    }

    #[test]
    fn layers_that_are_merged_lose_nothing() {
        for text in ["0.0036", "0.1", "999999.999999999", "100000.000000001", "15", "0.00001"] {
            let exact: NanodollarsPerMillion = text.parse().unwrap();
            let layer = yaml::Value::parse("layer", &format!("rate: {text}")).unwrap();
            let merged = yaml::Value::default().merge(layer);
            let read: BTreeMap<String, NanodollarsPerMillion> = merged.into_typed("merged").unwrap();
            assert_eq!(read["rate"], exact, "{text}");
        }
    }

    #[test]
    fn a_float_is_no_price() {
        assert!(serde_json::from_str::<NanodollarsPerMillion>("0.1").is_err());
        assert_eq!(serde_json::from_str::<NanodollarsPerMillion>("\"0.1\"").unwrap().0, 100_000_000);
    }

    #[test]
    fn refuses_what_is_no_price_and_says_which_way() {
        for text in
            ["", ".", "1.", ".5", "1e3", "+1", "1_000", "0x10", "three", "1.2.3", "٣", "-", "--1", "-x"]
        {
            assert!(matches!(text.parse::<NanodollarsPerMillion>(), Err(Error::NotDecimal { .. })), "{text}");
        }
        for text in ["-1", "-0.5", "-1000000"] {
            assert!(matches!(text.parse::<NanodollarsPerMillion>(), Err(Error::Negative { .. })), "{text}");
            assert!(from_yaml(text).unwrap_err().to_string().contains("negative"), "{text}");
        }
        let fine = "0.0000000001".parse::<NanodollarsPerMillion>();
        assert!(matches!(fine, Err(Error::TooFine { .. })));
        let high = "1000000".parse::<NanodollarsPerMillion>();
        assert!(matches!(high, Err(Error::TooHigh { .. })));
        for text in [".nan", ".inf", "true", "[3]", "~"] {
            assert!(from_yaml(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_not_repeated_whole() {
        let error = "9".repeat(100_000).parse::<NanodollarsPerMillion>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(nanos in 0..1_000_000 * NANOS_PER_DOLLAR) {
            let rate = NanodollarsPerMillion(nanos);
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            let json = serde_json::to_string(&rate).unwrap();
            prop_assert_eq!(serde_json::from_str::<NanodollarsPerMillion>(&json).unwrap(), rate);
        }
    }
}
