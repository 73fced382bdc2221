//! What is refused, and with which words.

use unitwise::{parse_duration, parse_size};

#[test]
fn refuses_what_is_no_duration() {
    for text in ["", "  ", "h", "5", "-5s", "5..s", ".s", "5.s", ".5s", "1h, 5s", "5 parsecs"] {
        let read = parse_duration(text);
        assert!(read.is_err(), "`{text}` was read as {read:?}");
    }
}

#[test]
fn refuses_what_cannot_be_counted() {
    assert!(parse_size("99999999999 GiB").is_err());
    assert!(parse_size("17179869183 GiB 99 GiB").is_err());
}

#[test]
fn names_the_unit_that_it_does_not_know() {
    let error = parse_duration("5 parsecs").unwrap_err();
    assert!(error.to_string().contains("`parsecs`"), "{error}");
}
