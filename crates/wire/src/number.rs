//! Numbers as vendors want to read them.

use serde_json::Value;

/// The number; what is none is null.
pub(crate) fn decimal(number: f64) -> Value {
    Value::from(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_keeps_its_digits() {
        assert_eq!(decimal(0.2).to_string(), "0.2");
        assert_eq!(decimal(f64::NAN), Value::Null);
    }
}
