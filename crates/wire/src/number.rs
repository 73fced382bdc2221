//! Numbers as vendors want to read them.

use serde_json::Value;

/// `0.2` and not `0.20000000298023224`: the shortest decimal that stands for the same `f32`; no number is null.
pub(crate) fn decimal(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_keeps_its_digits() {
        assert_eq!(decimal(0.2).to_string(), "0.2");
        assert_eq!(decimal(f32::NAN), Value::Null);
    }
}
